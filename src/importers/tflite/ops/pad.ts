/** PAD, PADV2 and MIRROR_PAD. */
import { tfliteOptions } from '../../../formats/tflite/index.ts';
import { nnGather, nnPad, type Value } from '../../../ir/index.ts';
import { tensor } from '../../../tensors/index.ts';
import { laid } from '../axes.ts';
import { defineTfliteOp, type Result, type TfliteOp } from '../define_tflite_op.ts';
import { axisIn, inLayout } from '../layouts.ts';
import type { Operand, OperatorContext } from '../operator_context.ts';

interface Paddings {
  readonly begins: readonly number[];
  readonly ends: readonly number[];
}

/** Rows of [before, after], one for each axis of x. */
function paddingsOf(ctx: OperatorContext, { shape }: Operand): Paddings {
  const given = ctx.integers(ctx.get('paddings'));
  const wrong = given.find((count) => count < 0);
  if (given.length !== 2 * shape.length || wrong !== undefined)
    ctx.refuse(`paddings [${given}] do not fit a tensor of rank ${shape.length}`, 'U2005');
  return { begins: given.filter((_, i) => i % 2 === 0), ends: given.filter((_, i) => i % 2 === 1) };
}

function padded(ctx: OperatorContext, x: Operand, value: Value | undefined): Result {
  const { begins, ends } = paddingsOf(ctx, x);
  const { value: source, layout } = laid(ctx, x);
  const pads = [...inLayout(layout, begins), ...inLayout(layout, ends)];
  return { value: ctx.emit(nnPad, { x: source, value }, { pads }), layout };
}

/** The number that stands for 0 in the result: its zero point where it is quantized. */
export function zeroOf(ctx: OperatorContext): Value | undefined {
  const [type, { quantization }] = [ctx.outputType(), ctx.output()];
  const zero = quantization?.zeroPoint[0] ?? 0;
  return zero === 0 ? undefined : ctx.scalar(type, zero, 'zero_point');
}

const pad = defineTfliteOp({
  name: 'PAD',
  inputs: ['x', 'paddings'],
  import: (ctx) => padded(ctx, ctx.get('x'), zeroOf(ctx)),
});

const padV2 = defineTfliteOp({
  name: 'PADV2',
  inputs: ['x', 'paddings', 'value'],
  import: (ctx) => padded(ctx, ctx.get('x'), ctx.last(ctx.get('value'))),
});

/** REFLECT does not repeat the edge: 3 2 | 1 2 3 | 2 1; SYMMETRIC does: 2 1 | 1 2 3 | 3 2. */
const mirrorPad = defineTfliteOp({
  name: 'MIRROR_PAD',
  inputs: ['x', 'paddings'],
  options: tfliteOptions.mirrorPadOptions,
  import(ctx, { mode }) {
    const x = ctx.get('x');
    const edge = mode === 'SYMMETRIC' ? 0 : mode === 'REFLECT' ? 1 : ctx.refuse('the mode is not known');
    const { begins, ends } = paddingsOf(ctx, x);
    const { value, layout } = laid(ctx, x);
    const shape = ctx.staticShape(x.shape, 'a mirror');
    let result = value;
    for (const [axis, size] of shape.entries()) {
      const [before, after] = [begins[axis], ends[axis]];
      if (before > size - edge || after > size - edge)
        ctx.refuse(`paddings of ${before} and ${after} are more than axis ${axis} of ${size} shows`, 'U2005');
      if (before + after === 0) continue;
      const at = Array.from({ length: before + size + after }, (_, i) => mirrored(i - before, size, edge));
      const indices = ctx.constant(tensor('s32', at), 'positions');
      result = ctx.emit(nnGather, { x: result, indices }, { axis: axisIn(layout, shape.length, axis) });
    }
    return { value: result, layout };
  },
});

/** The position in [0, size) that position `at` outside of it shows; `edge`: 1 where the edge is not repeated. */
const mirrored = (at: number, size: number, edge: 0 | 1): number =>
  at < 0 ? -at - 1 + edge : at < size ? at : 2 * size - 1 - edge - at;

export const padOps: readonly TfliteOp[] = [pad, padV2, mirrorPad];
