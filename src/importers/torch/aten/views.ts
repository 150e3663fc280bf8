/** Views that no other file declares: the table of views relates them to their operand. */
import { isStatic } from '../../../ir/index.ts';
import { type Region, whole } from '../memory/region.ts';
import { viewsOf } from '../memory/views.ts';
import type { TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';
import type { TorchValue } from '../values.ts';
import { builderOf } from './scatter.ts';

/** The schemas: `self` and parameters that the table reads. */
const declared: readonly (readonly [string, readonly string[]])[] = [
  ['aten::diagonal(Tensor self, int offset=0, int dim1=0, int dim2=1)', ['offset', 'dim1', 'dim2']],
  ['aten::unfold(Tensor self, int dimension, int size, int step)', ['dimension', 'size', 'step']],
];

function taken(ctx: TorchContext, name: string, x: Region, args: ReadonlyMap<string, TorchValue>): Region {
  const answer = viewsOf(name, { region: x, type: '' }, [], args, []);
  const region = typeof answer === 'string' ? undefined : answer[0];
  return region ?? ctx.unsupported('a view of a tensor of unknown sizes');
}

export const viewOps: readonly TorchOp[] = declared.flatMap(([schema, names]) =>
  defineTorchOp({
    schema,
    import(ctx, args) {
      const x = ctx.graph(args.tensor('self'));
      if (!isStatic(x.shape)) return ctx.unsupported('a view of a tensor of unknown sizes');
      const given = new Map<string, TorchValue>([
        ['self', x],
        ...names.map((name) => [name, args.value(name)] as const),
      ]);
      const [name] = schema.split('(');
      const { steps } = taken(ctx, name, whole(x.shape, undefined), given);
      const value = steps.reduce((y, step) => step.take(builderOf(ctx), y), x.value);
      return ctx.moved(value, x, false);
    },
  }),
);
