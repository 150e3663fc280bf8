/** Operators that give a tensor another element type. */

import { type ScalarType, scalarTypes } from '../../../formats/torch/index.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';
import { GraphTensor, type TensorLike, UnknownTensor } from '../values.ts';

function converted(ctx: TorchContext, input: TensorLike, type: ScalarType): GraphTensor {
  const x = ctx.graph(input);
  if (type.isQuantized) return ctx.unsupported(`a cast to ${type.name}`);
  if (x.quantization) return ctx.unsupported('a cast of a quantized tensor');
  return new GraphTensor(ctx.cast(x.value, type.dtype), type, { channelsLast: x.channelsLast });
}

const cast = (schema: string | readonly string[], typeOf: (args: Arguments) => ScalarType | undefined) =>
  defineTorchOp({
    schema,
    keepsShape: true,
    import(ctx, args) {
      const type = typeOf(args);
      const x = args.tensor(args.names[0]);
      return type === undefined ? ctx.graph(x) : converted(ctx, x, type);
    },
  });

/** The type of another tensor, which may be unknown. */
const typeOfOther = (args: Arguments): ScalarType | undefined => {
  const other = args.tensor('other');
  return other instanceof UnknownTensor ? undefined : other.type;
};

const placement = 'bool? non_blocking=False, bool? copy=False, any memory_format=None';
const options = 'ScalarType? dtype=None, any layout=None, any device=None, bool? pin_memory=None';

export const castOps: readonly TorchOp[] = [
  ...cast(
    [
      `aten::to.dtype(Tensor self, ScalarType dtype, ${placement})`,
      'quantized_decomposed::convert_element_type.no_fuse(Tensor self, ScalarType dtype)',
    ],
    (args) => args.scalarType('dtype'),
  ),
  ...cast(
    [`aten::to.other(Tensor self, Tensor other, ${placement})`, 'aten::type_as(Tensor self, Tensor other)'],
    typeOfOther,
  ),
  ...cast(
    [
      `aten::to.device(Tensor self, any device, ScalarType? dtype=None, ${placement})`,
      `aten::to.dtype_layout(Tensor self, ${options}, ${placement})`,
      `aten::_to_copy(Tensor self, ${options}, ${placement})`,
    ],
    (args) => args.scalarType('dtype'),
  ),
  ...cast('aten::float(Tensor self)', () => scalarTypes.float32),
];
