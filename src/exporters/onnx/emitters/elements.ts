/** Small pieces that several emitters share. */
import { type ByteType, type DType, dtypes, isInteger, type ValueId } from '../../../ir/index.ts';
import { type Attributes, castTo, float, type NodeWriter, type Written } from '../node_writer.ts';

/** u8 to s8 and back by 128, once for all readers. */
export function moved(e: NodeWriter, x: string, to: ByteType): string {
  const wide = e.share('Cast', [x], castTo('s32'));
  return e.share('Cast', [e.share(to === 'u8' ? 'Add' : 'Sub', [wide, e.scalar('s32', 128)])], castTo(to));
}

/** min(max(x, low), high); infinite bounds are none. Clip takes bounds as inputs since version 11, integers
 * since 12, and ONNX Runtime runs it on f64 since 12. */
export function clipped(e: NodeWriter, x: string, dtype: DType, low: number, high: number): string {
  if (low === -Infinity && high === Infinity) return x;
  if (e.opset < 11 && dtype === 'f32') return e.add('Clip', [x], clipAttributes(low, high));
  if (dtype === 'f32' || (e.opset >= 12 && isClippable(dtype))) {
    return e.add('Clip', [x, ...clipBounds(e, dtype, low, high)]);
  }
  if (dtype === 'f64') {
    e.since(8, 'Min of f64');
    const above = low === -Infinity ? x : e.add('Max', [x, e.scalar(dtype, low)]);
    return high === Infinity ? above : e.add('Min', [above, e.scalar(dtype, high)]);
  }
  if (dtypes[dtype].bits === 64) e.since(12, 'a Clip of 64-bit integers');
  return e.cast(clipped(e, e.cast(x, 'f64'), 'f64', low, high), dtype);
}

/** min(max(x, low), high) of a float, NaN being `low`: a comparison with it does not hold. */
export function saturated(e: NodeWriter, x: string, dtype: 'f32' | 'f64', low: number, high: number): string {
  e.since(9, 'Where');
  const least = e.scalar(dtype, low);
  const numbers = e.add('Where', [e.add('Greater', [x, least]), x, least]);
  return clipped(e, numbers, dtype, -Infinity, high);
}

/** The inputs of Clip. An infinity beyond all numbers is left out: it limits nothing. */
export const clipBounds = (e: NodeWriter, dtype: DType, low: number, high: number): string[] => [
  low === -Infinity ? '' : e.scalar(dtype, low),
  high === Infinity ? '' : e.scalar(dtype, high),
];

/** True for the types that ONNX Runtime clips. */
const isClippable = (dtype: DType): boolean => dtype !== 'u16' && dtype !== 's16';

export const clipAttributes = (low: number, high: number) => ({
  ...(low !== -Infinity && { min: float(low) }),
  ...(high !== Infinity && { max: float(high) }),
});

/** The nearest integer of a binary64 number, up to 2^51. Adding 1/2 in binary64 is exact for every binary32 number. */
export function rounded(e: NodeWriter, x: string, how: 'half-even' | 'half-up' | 'half-away'): string {
  if (how === 'half-even') {
    e.since(11, 'Round');
    return e.add('Round', [x]);
  }
  if (how === 'half-up') return halfUp(e, x);
  e.since(9, 'Sign');
  return e.add('Mul', [e.add('Sign', [x]), halfUp(e, e.add('Abs', [x]))]);
}

/** ⌊x⌋ + (x − ⌊x⌋ ≥ 1/2): the fraction is exact, x + 1/2 need not be. */
function halfUp(e: NodeWriter, x: string): string {
  const floor = e.add('Floor', [x]);
  const isBelow = e.add('Less', [e.add('Sub', [x, floor]), e.scalar('f64', 0.5)]);
  return e.add('Add', [floor, e.add('Cast', [e.add('Not', [isBelow])], castTo('f64'))]);
}

/** Operands as a type that the operator is defined and run for, `wide`, where it is not for their own. */
export function via(e: NodeWriter, wide: DType | undefined, ...operands: readonly ValueId[]): readonly string[] {
  const names = operands.map((id) => e.value(id));
  if (wide === undefined) return names;
  return names.map((name, i) => (e.typeOf(operands[i]).dtype === wide ? name : e.cast(name, wide)));
}

/** 8- and 16-bit integers are computed in s32, u32 in s64; results are wrapped back by a Cast. */
export function widened(dtype: DType): DType | undefined {
  if (isInteger(dtype) && dtypes[dtype].bits <= 16) return 's32';
  return dtype === 'u32' || dtype === 'u64' ? 's64' : undefined;
}

/**
 * The type in which elements are ordered. u32 uses f64, which holds it, and not s64: ONNX Runtime 1.30 compares the low
 * halves of s64 with a sign in Min, Max, Clip and Sign (ONNX Runtime #25280, #32475; not in Less and Greater). u64 has
 * no wider type.
 */
export function ordered(dtype: DType): DType | undefined {
  if (dtype === 'u64') return undefined;
  return dtype === 'u32' ? 'f64' : widened(dtype);
}

/** The node that computes the result, in the type `wide` when given. */
export function finishVia(
  e: NodeWriter,
  wide: DType | undefined,
  opType: string,
  inputs: readonly string[],
  attributes: Attributes = {},
): Written {
  const { dtype } = e.resultType;
  if (wide === undefined || wide === dtype) return e.finish(opType, inputs, attributes);
  return e.finish('Cast', [e.add(opType, inputs, attributes)], castTo(dtype));
}
