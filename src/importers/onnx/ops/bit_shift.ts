/** BitShift: https://onnx.ai/onnx/operators/onnx__BitShift.html */
import { nnClip, nnDiv, nnGather, nnLess, nnMod, nnMul, nnSub, nnWhere, type Value } from '../../../ir/index.ts';
import { dtypes, isInteger, tensor } from '../../../tensors/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';

/**
 * x·2^y modulo 2^bits, or ⌊x / 2^y⌋, in two steps of half of y, so that every power is a number of the type. A negative y, and one of all
 * bits or more, are shifts by all bits.
 */
function bitShift(ctx: NodeContext): Value {
  const [x, y] = [ctx.get('X'), ctx.get('Y')];
  const { dtype } = x.type;
  if (!isInteger(dtype)) return ctx.refuse(`a shift of ${dtype}`, 'U2006', { input: 'X' });
  const direction = ctx.attr.string('direction', '');
  if (direction !== 'LEFT' && direction !== 'RIGHT')
    ctx.refuse(`the direction '${direction}' is neither LEFT nor RIGHT`);
  const { bits } = dtypes[dtype];
  const number = (value: number) => ctx.scalar('s64', value, 'bits');
  const given = ctx.cast(y, 's64');
  const far = ctx.emit(nnLess, { a: given, b: number(0) });
  const by = ctx.emit(
    nnClip,
    { x: ctx.emit(nnWhere, { cond: far, a: number(bits), b: given }) },
    { min: 0, max: bits },
  );
  const half = ctx.emit(nnDiv, { a: by, b: number(2) });
  const powers = Array.from({ length: bits / 2 + 1 }, (_, i) => 2 ** i);
  const table = ctx.constant(tensor(dtype, dtype === 's64' || dtype === 'u64' ? powers.map(BigInt) : powers), 'powers');
  const step = (v: Value, count: Value): Value => {
    const b = ctx.emit(nnGather, { x: table, indices: count }, { axis: 0 });
    if (direction === 'LEFT') return ctx.emit(nnMul, { a: v, b });
    return ctx.emit(nnDiv, { a: ctx.emit(nnSub, { a: v, b: ctx.emit(nnMod, { a: v, b }) }), b });
  };
  return step(step(x, half), ctx.emit(nnSub, { a: by, b: half }));
}

export const bitShiftOps: readonly OnnxOp[] = [
  defineOnnxOp({
    name: 'BitShift',
    since: 11,
    inputs: ['X: T', 'Y: T'],
    attributes: ['direction'],
    import: bitShift,
  }),
];
