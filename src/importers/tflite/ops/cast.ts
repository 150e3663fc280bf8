/** DEQUANTIZE, DENSIFY and CAST. */
import { nnCast, nnClip, nnLessOrEqual, nnWhere, qnnDequantize, type Value } from '../../../ir/index.ts';
import { dequantize, halfToNumber } from '../../../numerics/index.ts';
import { byteTypes, dtypes, type ITensor, isByteType, isFloat, scalar, tensor } from '../../../tensors/index.ts';
import { held } from '../aligned.ts';
import { defineTfliteOp, last, type TfliteOp } from '../define_tflite_op.ts';
import { axisIn } from '../layouts.ts';
import type { Operand, OperatorContext } from '../operator_context.ts';

interface Parameters {
  readonly scale: readonly number[];
  readonly zeroPoint: readonly number[];
  /** That of the channels with channels last, where there is one scale for each. */
  readonly axis: number;
}

function parametersOf(ctx: OperatorContext, { tensor: { name, quantization: q } }: Operand): Parameters {
  if (q === undefined || q.isForeign) return ctx.unsupported(`'${name}' has no scale, or scales by blocks`);
  const wrong = q.scale.find((scale) => !(scale > 0));
  if (wrong !== undefined) ctx.refuse(`a scale of '${name}' is ${wrong}, it should be positive`, 'U2007');
  const { length } = q.scale;
  return { ...q, zeroPoint: q.zeroPoint.length === length ? q.zeroPoint : Array(length).fill(q.zeroPoint[0]) };
}

const mapped = ({ shape, data }: ITensor, f: (value: number, i: number) => number): ITensor<'f32'> => ({
  dtype: 'f32',
  shape,
  data: Float32Array.from<number | bigint>(data, (value, i) => f(Number(value), i)),
});

/** The elements of a constant as floats. */
function realsOf(x: ITensor, { scale, zeroPoint, axis }: Parameters): ITensor<'f32'> {
  const inner = x.shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const channel = (i: number): number => (scale.length === 1 ? 0 : Math.floor(i / inner) % scale.length);
  return mapped(x, (q, i) => dequantize(q, scale[channel(i)], zeroPoint[channel(i)]));
}

/** Constants become floats when they are first read: weights that are kept small. */
const dequantizeOp = defineTfliteOp({
  name: 'DEQUANTIZE',
  inputs: ['x'],
  import(ctx) {
    const operand = ctx.get('x');
    const { dtype } = operand;
    const isHalf = dtype === 'f16';
    if (!isHalf && dtype !== 's16' && !isByteType(dtype)) return ctx.unsupported(`DEQUANTIZE of ${dtype}`);
    const known = operand.placed.known('last');
    const constant = known && known.type.dtype !== 'opaque' ? ctx.constantOf({ id: known.id }) : undefined;
    if (isHalf) {
      if (constant)
        return last(ctx.lazy({ dtype: 'f32', shape: constant.shape }, () => mapped(constant, halfToNumber)));
      const { x, result } = held(ctx, operand);
      return result(ctx.emit(nnCast, { x }, { to: 'f32' }));
    }
    const parameters = parametersOf(ctx, operand);
    if (constant) return last(ctx.lazy({ dtype: 'f32', shape: constant.shape }, () => realsOf(constant, parameters)));
    const { x, layout, result } = held(ctx, operand);
    const { scale, zeroPoint, axis } = parameters;
    const shape = scale.length === 1 ? [] : [scale.length];
    const zp = zeroPoint.some((zero) => zero !== 0) ? ctx.constant(tensor(dtype, zeroPoint, shape)) : undefined;
    const operands = { x, scale: ctx.constant(tensor('f32', scale, shape)), zp };
    return result(ctx.emit(qnnDequantize, operands, { axis: axisIn(layout, operand.shape.length, axis) }));
  },
});

const cutTypes = [...byteTypes, 's16', 'u16', 's32', 'u32', 's64'] as const;

/** A float as an integer: the fraction is cut, what is too small is the least number, what is too large or NaN the greatest. */
function saturated(ctx: OperatorContext, x: Value, to: (typeof cutTypes)[number]): Value {
  const { min, max } = dtypes[to];
  const most = to === 's64' ? 2 ** 63 - 2 ** 10 : max;
  const wide = ctx.cast(x, 'f64');
  const inside = ctx.emit(nnLessOrEqual, { a: wide, b: ctx.scalar('f64', most) });
  const cut = ctx.cast(ctx.emit(nnClip, { x: wide }, { min, max: most }), to);
  const greatest = to === 's64' ? tensor('s64', BigInt64Array.of(2n ** 63n - 1n), []) : scalar(to, max);
  return ctx.emit(nnWhere, { cond: inside, a: cut, b: ctx.constant(greatest) });
}

const cast = defineTfliteOp({
  name: 'CAST',
  inputs: ['x'],
  import(ctx) {
    const operand = ctx.get('x');
    const { x, result } = held(ctx, operand);
    const to = ctx.outputType();
    if (!isFloat(operand.dtype) || isFloat(to) || to === 'bool') return result(ctx.cast(x, to));
    const cut = cutTypes.find((type) => type === to) ?? ctx.unsupported(`CAST of a float to ${to}`);
    return result(saturated(ctx, x, cut));
  },
});

/** A sparse constant with all of its elements, as it is in the graph: see sparse.ts. */
const densify = defineTfliteOp({ name: 'DENSIFY', inputs: ['x'], import: (ctx) => last(ctx.last(ctx.get('x'))) });

export const castOps: readonly TfliteOp[] = [dequantizeOp, densify, cast];
