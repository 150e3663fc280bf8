/** Operators that join tensors along an axis, or take them apart. */
import { tfliteOptions } from '../../../formats/tflite/index.ts';
import { nnConcat, nnSlice, qnnLut, type Value } from '../../../ir/index.ts';
import { concatenationTable } from '../../../numerics/index.ts';
import { isByteType, tensor } from '../../../tensors/index.ts';
import { axisOf, type Laid, laid, layoutOf, regrouped, withNew, without } from '../axes.ts';
import { defineTfliteOp, type Result, type TfliteOp } from '../define_tflite_op.ts';
import { axisIn } from '../layouts.ts';
import type { Operand, OperatorContext } from '../operator_context.ts';

/** An operand of a concatenation with the scale and zero point of the result. */
function rescaled(ctx: OperatorContext, operand: Operand, value: Value): Value {
  const { dtype, name } = operand;
  if (!isByteType(dtype)) return value;
  const [from, to] = [ctx.perTensor(operand.tensor), ctx.perTensor(ctx.output())];
  if (from.scale === to.scale && from.zeroPoint === to.zeroPoint) return value;
  // no kernel takes signed operands of another scale
  if (dtype === 's8') return ctx.unsupported(`the scale or zero point of '${name}' is not that of the result`);
  return ctx.emit(qnnLut, { x: value, table: ctx.constant(tensor('u8', concatenationTable(from, to)), 'table') });
}

const concatenation = defineTfliteOp({
  name: 'CONCATENATION',
  inputs: ['xs...'],
  options: tfliteOptions.concatenationOptions,
  import(ctx, { axis, activation }) {
    if (activation !== 'NONE') ctx.unsupported('a concatenation with a fused activation');
    const operands = ctx.rest();
    const layout = layoutOf(operands);
    const rank = operands[0]?.shape.length ?? ctx.refuse('there is nothing to concatenate');
    const xs = operands.map((x) => rescaled(ctx, x, laid(ctx, x, layout).value));
    const value = ctx.emit(nnConcat, { xs }, { axis: axisIn(layout, rank, ctx.axis(axis, rank)) });
    return { value, layout };
  },
});

/** Tensors of one shape along a new axis. */
const pack = defineTfliteOp({
  name: 'PACK',
  inputs: ['xs...'],
  options: tfliteOptions.packOptions,
  import(ctx, options) {
    const operands = ctx.rest();
    const rank = (operands[0]?.shape.length ?? ctx.refuse('there is nothing to pack')) + 1;
    const axis = ctx.axis(options.axis, rank);
    const joined = (layout = layoutOf(operands)): Result | undefined => {
      const parts = operands.map((x) => regrouped(ctx, laid(ctx, x, layout), withNew(rank - 1, axis)));
      const [{ layout: to }] = parts;
      if (parts.some((part) => part.layout !== to)) return undefined;
      const xs = parts.map(({ value }) => value);
      return { value: ctx.emit(nnConcat, { xs }, { axis: axisIn(to, rank, axis) }), layout: to };
    };
    return joined() ?? joined('last') ?? ctx.unsupported('operands whose sizes are known in part');
  },
});

/** The positions from `start` to `end` along an axis. */
function part(ctx: OperatorContext, { value, layout, order }: Laid, axis: number, start: number, end: number): Laid {
  const axes = [order.indexOf(axis)];
  return { value: ctx.emit(nnSlice, { x: value }, { starts: [start], ends: [end], axes, steps: [1] }), layout, order };
}

const unpack = defineTfliteOp({
  name: 'UNPACK',
  inputs: ['x'],
  options: tfliteOptions.unpackOptions,
  import(ctx, options) {
    const x = ctx.get('x');
    const rank = x.shape.length;
    const axis = ctx.axis(options.axis, rank);
    if (x.shape[axis] !== ctx.outputCount)
      ctx.refuse(`axis ${axis} of [${x.shape.join(', ')}] does not become ${ctx.outputCount} tensors`, 'U2005');
    const whole = laid(ctx, x);
    return Array.from({ length: ctx.outputCount }, (_, i) =>
      regrouped(ctx, part(ctx, whole, axis, i, i + 1), without(rank, [axis])),
    );
  },
});

/** Parts of the given sizes along an axis. */
function split(ctx: OperatorContext, x: Operand, axis: number, sizes: readonly number[]): readonly Result[] {
  const whole = laid(ctx, x);
  let start = 0;
  return sizes.map((size) => part(ctx, whole, axis, start, (start += size)));
}

const splitEvenly = defineTfliteOp({
  name: 'SPLIT',
  inputs: ['axis', 'x'],
  import(ctx) {
    const x = ctx.get('x');
    const axis = axisOf(ctx, ctx.get('axis'), x.shape.length);
    const count = ctx.outputCount;
    const [size] = ctx.staticShape([x.shape[axis]], 'a split');
    if (size % count !== 0) ctx.refuse(`${size} positions do not divide into ${count} parts`, 'U2005');
    return split(ctx, x, axis, Array(count).fill(size / count));
  },
});

/** One size may be -1: what is left. */
const splitBySizes = defineTfliteOp({
  name: 'SPLIT_V',
  inputs: ['x', 'sizes', 'axis'],
  import(ctx) {
    const x = ctx.get('x');
    const axis = axisOf(ctx, ctx.get('axis'), x.shape.length);
    const given = ctx.integers(ctx.get('sizes'));
    const [size] = ctx.staticShape([x.shape[axis]], 'a split');
    const rest = given.reduce((left, part) => left - Math.max(part, 0), size);
    const sizes = given.map((part) => (part === -1 ? rest : part));
    if (sizes.some((part) => part < 0) || sizes.reduce((a, b) => a + b, 0) !== size)
      ctx.refuse(`${size} positions do not divide into parts of [${given.join(', ')}]`, 'U2005');
    return split(ctx, x, axis, sizes);
  },
});

export const joinOps: readonly TfliteOp[] = [concatenation, pack, unpack, splitEvenly, splitBySizes];
