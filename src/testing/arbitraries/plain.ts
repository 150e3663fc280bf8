/** Small graphs around operators that canonical forms are about. */
import * as fc from 'fast-check';
import {
  byteTypes,
  type DType,
  dtypes,
  type Graph,
  GraphBuilder,
  lutOf,
  nnCast,
  nnIdentity,
  type nnMax,
  type nnMin,
  qnnLut,
  qnnQuantize,
  tensor,
  type Value,
} from '../../ir/index.ts';
import { type Contents, filled } from '../contents.ts';
import { contents, type Eight, eight } from './basic.ts';
import { emitRequantize, requantizeSpec } from './sums.ts';

const dtype = fc.constantFrom<DType>(...byteTypes, 's32', 'f32');

/** A cast, half of the time to the type that it already is. */
export const casts: fc.Arbitrary<Graph> = fc
  .record({ from: dtype, to: dtype, same: fc.boolean(), output: fc.boolean() })
  .map(({ from, to, same, output }) => {
    const b = new GraphBuilder();
    const y = b.emit(nnCast, { x: b.input('x', from, [2, 3]) }, { to: same ? from : to });
    return b.finish([output ? y : b.emit(nnCast, { x: y }, { to: 'f64' })]);
  });

export const identities: fc.Arbitrary<Graph> = fc
  .record({
    dtype,
    output: fc.constantFrom(false, false, true),
    constant: fc.constantFrom(false, false, true),
    contents,
  })
  .map((spec) => {
    const b = new GraphBuilder();
    const x = spec.constant ? b.constant(filled(spec.dtype, [3], spec.contents), 'c') : b.input('x', spec.dtype, [3]);
    const y = b.emit(nnIdentity, { x: x });
    return b.finish(spec.output ? [y] : [b.emit(nnCast, { x: y }, { to: 'f64' })]);
  });

/** max or min of x and another operand, which is mostly one constant. */
export const bounds = (op: typeof nnMax | typeof nnMin): fc.Arbitrary<Graph> =>
  fc
    .record({
      dtype: fc.constantFrom('f32', 'f32', 'f32', 'f64' as const),
      value: fc.constantFrom(0, -0, 1.5, -3, Infinity, -Infinity, Number.NaN, 6),
      form: fc.constantFrom('scalar', 'scalar', 'one', 'wide', 'channels', 'input'),
      swapped: fc.boolean(),
    })
    .map(({ dtype, value, form, swapped }) => {
      const b = new GraphBuilder();
      const x = b.input('x', dtype, [2, 3]);
      const shape = { scalar: [], one: [1], wide: [1, 1, 1], channels: [3], input: [] }[form];
      const c =
        form === 'input'
          ? b.input('c', dtype, shape)
          : b.constant(tensor(dtype, Array(form === 'channels' ? 3 : 1).fill(value), shape), 'c');
      return b.finish([b.emit(op, swapped ? { a: c, b: x } : { a: x, b: c })]);
    });

type Table =
  | { readonly kind: 'clamp'; readonly low: number; readonly high: number }
  | { readonly kind: 'any'; readonly contents: Contents };
const tableSpec = (clamp: boolean): fc.Arbitrary<Table> =>
  clamp
    ? fc.record({
        kind: fc.constant('clamp' as const),
        low: fc.integer({ min: -128, max: 100 }),
        high: fc.integer({ min: 20, max: 255 }),
      })
    : fc.record({ kind: fc.constant('any' as const), contents });

function emitTable(b: GraphBuilder, x: Value<Eight>, to: Eight, spec: Table, computed: boolean): Value<Eight> {
  const { dtype } = x.type;
  const { min, max } = dtypes[to];
  const clamp = (v: number, low: number, high: number): number => Math.min(Math.max(v, low), high);
  const contents =
    spec.kind === 'any'
      ? filled(to, [256], spec.contents)
      : lutOf(dtype, to, (q) => clamp(clamp(q, spec.low, Math.max(spec.low, spec.high)), min, max));
  const table = computed ? b.input(b.fresh('table'), to, [256]) : b.constant(contents, b.fresh('table'));
  return b.emit(qnnLut, { x, table });
}

/** lut ∘ lut */
export const tables: fc.Arbitrary<Graph> = fc
  .record({
    types: fc.tuple(eight, eight, eight),
    inner: tableSpec(false),
    outer: tableSpec(false),
    computed: fc.constantFrom(false, false, false, false, true),
    shared: fc.constantFrom(false, false, false, true),
  })
  .map(({ types: [from, through, to], inner, outer, computed, shared }) => {
    const b = new GraphBuilder();
    const x = emitTable(b, b.input('x', from, [2, 64]), through, inner, computed);
    const y = emitTable(b, x, to, outer, false);
    return b.finish(shared ? [y, x] : [y]);
  });

/** lut ∘ requantize, the table mostly a clamp of the same type. */
export const clampedRequantize: fc.Arbitrary<Graph> = fc
  .record({
    requantize: requantizeSpec(),
    outer: fc.oneof({ weight: 4, arbitrary: tableSpec(true) }, { weight: 1, arbitrary: tableSpec(false) }),
    other: fc.constantFrom(false, false, false, true),
    shared: fc.constantFrom(false, false, false, true),
  })
  .map(({ requantize, outer, other, shared }) => {
    const b = new GraphBuilder();
    const x = emitRequantize(b, b.input('x', 's32', [2, 3, 8]), requantize, 1);
    const y = emitTable(b, x, other ? 'u8' : x.type.dtype, outer, false);
    return b.finish(shared ? [y, x] : [y]);
  });

/** quantize(x) as PyTorch computes it, by the reciprocal of a scale; sometimes one that only a run knows. */
export const reciprocals: fc.Arbitrary<Graph> = fc
  .record({
    dtype: eight,
    scale: fc.double({ min: 2 ** -10, max: 4, noNaN: true }),
    zp: fc.integer({ min: 0, max: 127 }),
    computed: fc.constantFrom(false, false, false, true),
  })
  .map(({ dtype, scale, zp, computed }) => {
    const b = new GraphBuilder();
    const s = computed ? b.input('scale', 'f32', []) : b.scalar('f32', scale);
    const operands = { x: b.input('x', 'f32', [2, 64]), scale: s, zp: b.scalar(dtype, zp) };
    return b.finish([b.emit(qnnQuantize, operands, { dtype, arithmetic: 'reciprocal' })]);
  });
