/** Operators of libraries that keep quantization beside PyTorch's tensors: quantized_decomposed and torchao. */
import type { Value } from '../../../ir/index.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';

/** Operators whose result has the shape of the first operand, even when that shape is not known yet. */
const KEEPS_SHAPE = /::(de)?quantize_per_(tensor|channel|token)[.(]/;

/** Weights are quantized, and parameters computed, where they are constants. */
export const libraryOp = (
  schema: string | readonly string[],
  body: (ctx: TorchContext, args: Arguments) => Value | readonly Value[],
): readonly TorchOp[] =>
  [schema].flat().flatMap((text) =>
    defineTorchOp({
      schema: text,
      keepsShape: KEEPS_SHAPE.test(text),
      folds: true,
      import(ctx, args) {
        const y = body(ctx, args);
        return 'id' in y ? ctx.result(y) : y.map((value) => ctx.result(value));
      },
    }),
  );

export const optional = (ctx: TorchContext, args: Arguments, name: string): Value | undefined =>
  args.has(name) ? ctx.plain(args.tensor(name)) : undefined;
