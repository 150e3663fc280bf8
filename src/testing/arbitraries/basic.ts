/**
 * The smallest pieces. All draws are plain data with independent fields, from which ordinary functions build graphs: so
 * fast-check shrinks every field on its own, towards the first entry of each list here.
 */
import * as fc from 'fast-check';
import { assert } from '../../diagnostics/index.ts';
import { type Dim, dtypes, type GraphBuilder, isStatic, type Shape, tensor, type Value } from '../../ir/index.ts';
import { type ByteType, byteTypes } from '../../tensors/index.ts';
import { type Contents, patterns, randomSource } from '../contents.ts';

export type Eight = ByteType;

export const eight: fc.Arbitrary<Eight> = fc.constantFrom(...byteTypes);

/** Half of the draws are random, half extreme. */
export const contents: fc.Arbitrary<Contents> = fc.record({
  pattern: fc.constantFrom(...patterns, ...patterns.map(() => 'random' as const)),
  seed: fc.nat(0xffff),
});

export const randomContents: fc.Arbitrary<Contents> = fc.record({
  pattern: fc.constant('random'),
  seed: fc.nat(0xffff),
});

/** A size of 1 to `max` of a leading axis, or the symbol N. */
export const batch = (max = 3): fc.Arbitrary<Dim> =>
  fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 1, max }) }, { weight: 1, arbitrary: fc.constant('N') });

export interface ZeroPoint {
  readonly presence: 'absent' | 'constant' | 'input';
  /** Wrapped into the range of the element type. */
  readonly value: number;
  /** `one` has shape [1]; `channels` has one for each channel, where the operator allows that. */
  readonly form: 'scalar' | 'one' | 'channels';
}

const special = [1, 0, -1, 127, 128, -128, 255, 3, 77, -91] as const;
const zeroPointValue = fc.oneof(fc.constantFrom(...special), fc.integer({ min: -128, max: 255 }));

/** Any zero point; `where` narrows it down. */
export const zeroPoint = (
  where: { [K in keyof ZeroPoint]?: fc.Arbitrary<ZeroPoint[K]> } = {},
): fc.Arbitrary<ZeroPoint> =>
  fc.record({
    presence: fc.constantFrom('absent', 'constant', 'constant', 'constant', 'input'),
    value: zeroPointValue,
    form: fc.constantFrom('scalar', 'scalar', 'one'),
    ...where,
  });

export const absent: fc.Arbitrary<ZeroPoint> = fc.constant({ presence: 'absent', value: 0, form: 'scalar' });
export const present = zeroPoint({ presence: fc.constant('constant') });
export const scalarOrChannels: fc.Arbitrary<ZeroPoint['form']> = fc.constantFrom('scalar', 'channels', 'one');

/** The value itself where it fits, else the number with the same low eight bits. */
export function wrapInto(dtype: Eight, value: number): number {
  const { min, max } = dtypes[dtype];
  return value < min ? value + 256 : value > max ? value - 256 : value;
}

/** The zero points of a tensor, one for each channel: unequal ones, so that mixing them up shows. */
export function zeroPointsOf(dtype: Eight, { value, form }: ZeroPoint, channels: number): number[] {
  if (form !== 'channels') return [wrapInto(dtype, value)];
  const random = randomSource(value);
  const rest = Array.from({ length: channels - 1 }, () => special[Math.floor(random() * special.length)]);
  return [value, ...rest].slice(0, channels).map((v) => wrapInto(dtype, v));
}

/** The operand, undefined for an absent zero point. */
export function emitZeroPoint<D extends Eight>(
  b: GraphBuilder,
  dtype: D,
  spec: ZeroPoint,
  name: string,
  channels = 1,
): Value<D> | undefined {
  return spec.presence === 'absent' ? undefined : emitPresentZeroPoint(b, dtype, spec, name, channels);
}

/** The operand; a constant where none is drawn. */
export function emitPresentZeroPoint<D extends Eight>(
  b: GraphBuilder,
  dtype: D,
  spec: ZeroPoint,
  name: string,
  channels = 1,
): Value<D> {
  const values = zeroPointsOf(dtype, spec, channels);
  const shape = spec.form === 'scalar' ? [] : [values.length];
  return spec.presence === 'input'
    ? b.input(b.fresh(name), dtype, shape)
    : b.constant(tensor(dtype, values, shape), b.fresh(name));
}

/** The sizes of a shape without symbols. */
export function knownSizes(shape: Shape): readonly number[] {
  assert(isStatic(shape), `the sizes [${shape}] are numbers`);
  return shape;
}

/** Scales: powers of two, which force ties, and any others. */
export const scale: fc.Arbitrary<number> = fc.oneof(
  fc.integer({ min: -8, max: 1 }).map((exponent) => 2 ** exponent),
  fc.integer({ min: 1, max: 4000 }).map((n) => Math.fround(n / 8191)),
);

/** `n` scales around the given one, unequal. */
export function scalesAround(value: number, n: number): number[] {
  return Array.from({ length: n }, (_, i) =>
    Math.fround(value * (i === 0 ? 1 : i % 2 === 0 ? 2 ** -(i % 5) : 1 + i / 7)),
  );
}
