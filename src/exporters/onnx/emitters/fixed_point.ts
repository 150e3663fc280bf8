/** Products in fixed point, spelled out in integer and binary64 operators. */
import { type ITensor, numbersOf, type qnnRequantize, type qnnRescale, tensor } from '../../../ir/index.ts';
import { type FixedMultiplier, shiftsOf } from '../../../numerics/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import type { NodeWriter } from '../node_writer.ts';
import { clipped, rounded } from './elements.ts';

type Emitter = NodeEmitter<typeof qnnRequantize> | NodeEmitter<typeof qnnRescale>;

/** Multipliers x·mantissa·2^(shift − 31) of a tensor x, and their shape beside it. */
interface FixedFactors {
  readonly mantissa: ITensor;
  readonly shift: ITensor;
  readonly shape: readonly number[];
}

/** The factors of a node, which have to be known: they become other constants. */
export function factorsInFixedPoint(e: Emitter): FixedFactors {
  const { x, attrs } = e.view;
  const [mantissa, shift] = [e.view.multiplier, e.view.second].map((id) => e.constantOf(id));
  if (mantissa === undefined || shift === undefined)
    return e.refuse('its multiplier is computed at run time', 'give constant scales');
  const rank = e.typeOf(x).shape.length;
  const own = mantissa.shape;
  // the axis of a multiplier with one element means nothing: it may be beyond the rank
  const shape = own.length !== 1 ? own : own[0] === 1 ? [] : [own[0], ...Array(rank - 1 - attrs.axis).fill(1)];
  return { mantissa, shift, shape };
}

const integer = (e: NodeWriter, values: readonly bigint[], shape: readonly number[], name: string) =>
  e.constant(tensor('s64', BigInt64Array.from(values), shape), `${e.node.id}.${name}`);

/** ⌊sum/divisor⌋ in s64: the rest of Mod is not negative, so that the division floors. */
const floorDivided = (e: NodeWriter, sum: string, divisor: string): string =>
  e.add('Div', [e.add('Sub', [sum, e.add('Mod', [sum, divisor])]), divisor]);

/**
 * gemmlowp, before its last rounding: SRDHM(x·2^max(shift,0), mantissa)·2^min(shift,0) as f64, of integers x in f64. Only the product needs s64. The
 * numbers that are clipped and rounded are below 2^63 with few bits, so exact in f64; ONNX Runtime's Clip and Sign of s64 are
 * unreliable.
 */
function fixedPointOf(e: NodeWriter, x: string, { mantissa, shift, shape }: FixedFactors): string {
  const shifts = numbersOf(shift);
  const powers = (of: (s: number) => number, name: string) => {
    const values = shifts.map((s) => 2 ** of(s));
    return e.constant(tensor('f64', values, shape), `${e.node.id}.${name}`);
  };
  const left = powers((s) => shiftsOf(s).left, 'left');
  const widened = e.add('Mul', [x, left]);
  const a = e.cast(clipped(e, widened, 'f64', -(2 ** 31), 2 ** 31 - 1), 's64');
  const factors = integer(e, numbersOf(mantissa).map(BigInt), shape, 'mantissa');
  return e.add('Mul', [highProductOf(e, a, factors), powers((s) => -shiftsOf(s).right, 'right')]);
}

/** ⌊(a·b + 2^30)/2^31⌋ as f64, of 32-bit numbers in s64. */
function highProductOf(e: NodeWriter, a: string, b: string): string {
  const half = integer(e, [1n << 30n], [], 'half');
  const sum = e.add('Add', [e.add('Mul', [a, b]), half]);
  return e.cast(floorDivided(e, sum, integer(e, [1n << 31n], [], 'divisor')), 'f64');
}

/** The same of 32-bit numbers in f64. */
export const highProduct = (e: NodeWriter, a: string, b: string): string =>
  highProductOf(e, e.cast(a, 's64'), e.cast(b, 's64'));

export const fixedPoint = (e: Emitter, factors: FixedFactors): string =>
  fixedPointOf(e, e.cast(e.value(e.view.x), 'f64'), factors);

/** multiplyFixed of the numerics, of integers x in f64; so is the result. */
export function timesFixed(e: NodeWriter, x: string, { mantissa, shift }: FixedMultiplier): string {
  const factors = { mantissa: tensor('s32', [mantissa], []), shift: tensor('s32', [shift], []), shape: [] };
  return rounded(e, fixedPointOf(e, x, factors), 'half-away');
}

/** ⌊(x·r + 2^(14 − shift))/2^(15 − shift)⌋ as s64: see multiplyWide in numerics/tflite.ts. */
export function wideFixedPoint(e: Emitter, { mantissa, shift, shape }: FixedFactors): string {
  const x = e.cast(e.value(e.view.x), 's64');
  const cut = numbersOf(mantissa).map((m) => (m >= 0x7fff0000 ? 0x7fffn : (BigInt(m) + 0x8000n) >> 16n));
  const divisors = numbersOf(shift).map((s) => 1n << BigInt(15 - s));
  const product = e.add('Mul', [x, integer(e, cut, shape, 'mantissa')]);
  const halves = divisors.map((divisor) => divisor >> 1n);
  const sum = e.add('Add', [product, integer(e, halves, shape, 'half')]);
  return floorDivided(e, sum, integer(e, divisors, shape, 'divisor'));
}
