/**
 * Operators on two tensors, element by element after broadcasting: https://onnx.ai/onnx/repo-docs/Broadcasting.html
 *
 * Numbers are computed in binary64 and stored once: for one + − · ÷ or √ of binary32 that is the IEEE result, integers
 * wrap modulo 2^bits. 64-bit integers are computed exactly.
 */

import { power32 } from '../../numerics/index.ts';
import { doublesOf, fromDoubles, type ITensor, isBig, newArray, sizeOf } from '../../tensors/index.ts';
import { type AttrSpecs, type AttrValues, attr, defineOp, type Refuse, type Trait, tensorOf } from '../define_op.ts';
import type { OnnxForm } from '../onnx_form.ts';
import type { TensorType } from '../types.ts';
import { broadcastShape, broadcastTo } from './broadcast.ts';
import { numeric } from './operand_types.ts';
import { power } from './power.ts';

const comparable = tensorOf(...numeric.dtypes, 'bool');
const bool = tensorOf('bool');

type OnNumbers = (a: number, b: number) => number;
type OnBigInts = (a: bigint, b: bigint) => bigint;

function sameTypes(a: TensorType, b: TensorType, refuse: Refuse): void {
  if (a.dtype !== b.dtype) refuse(`'a' is of type ${a.dtype}, 'b' of type ${b.dtype}`, 'b');
}

/** Both operands at the shape of the result, so that loops are flat. */
const spread = (a: ITensor, b: ITensor, shape: readonly number[]) => [broadcastTo(a, shape), broadcastTo(b, shape)];

function evaluateNumbers(a: ITensor, b: ITensor, shape: readonly number[], f: OnNumbers, big: OnBigInts): ITensor {
  const [x, y] = spread(a, b, shape);
  if (isBig(x) && isBig(y)) {
    const data = newArray(x.dtype, x.data.length);
    for (let i = 0; i < data.length; i++) data[i] = big(x.data[i], y.data[i]);
    return { dtype: x.dtype, shape, data };
  }
  const [left, right] = [doublesOf(x), doublesOf(y)];
  for (let i = 0; i < left.length; i++) left[i] = f(left[i], right[i]);
  return fromDoubles(x.dtype, left, shape);
}

/** The form of an operator on a and b. */
const broadcasting = <const F extends Omit<OnnxForm<never>, 'opType'>>(opType: string, rest: F) => ({
  opType,
  inputs: ['A: T', 'B: T'],
  broadcasts: true,
  ...rest,
});
const modular = (opType: string) => broadcasting(opType, { wider: 'modular' });

/** An operator whose result has the type of its operands; the functions may depend on attributes and on the type. */
function binary<const N extends string, const A extends AttrSpecs>(
  name: N,
  onnx: OnnxForm<keyof A>,
  doc: string,
  attrs: A,
  functions: (attrs: AttrValues<A>, dtype: string) => readonly [OnNumbers, OnBigInts],
  traits: readonly Trait[] = [],
) {
  return defineOp({
    name: `nn.${name}` as const,
    doc: `${doc}; operands broadcast.`,
    operands: { a: numeric, b: numeric },
    attrs,
    results: { y: { like: 'a' } },
    traits: ['elementwise', ...traits],
    infer({ a, b }, _attrs, refuse) {
      sameTypes(a, b, refuse);
      return { dtype: a.dtype, shape: broadcastShape([a.shape, b.shape], refuse) };
    },
    evaluate({ a, b }, attrs, [{ shape }]) {
      return evaluateNumbers(a, b, shape, ...functions(attrs, a.dtype));
    },
    onnx,
  });
}

const commutative = ['commutative'] as const;
const isFloatName = (dtype: string) => dtype === 'f32' || dtype === 'f64';
const wide = (dtype: string) => dtype === 's32' || dtype === 'u32';

export const nnAdd = binary('add', modular('Add'), 'a + b', {}, () => [(a, b) => a + b, (a, b) => a + b], commutative);
export const nnSub = binary('sub', modular('Sub'), 'a − b', {}, () => [(a, b) => a - b, (a, b) => a - b]);
export const nnMul = binary(
  'mul',
  modular('Mul'),
  'a · b',
  {},
  (_, dtype) => [wide(dtype) ? Math.imul : (a, b) => a * b, (a, b) => a * b],
  commutative,
);
export const nnDiv = binary(
  'div',
  broadcasting('Div', { wider: 'exact' }),
  'a / b; integers truncate towards zero, and a / 0 is 0',
  {},
  (_, dtype) => [
    isFloatName(dtype) ? (a, b) => a / b : (a, b) => (b === 0 ? 0 : Math.trunc(a / b)),
    (a, b) => (b === 0n ? 0n : a / b),
  ],
);
export const nnPow = binary(
  'pow',
  broadcasting('Pow', { inputs: ['X: T', 'Y: T1'], wider: 'powers' }),
  'a to the power of b, of floats as IEEE 754 has it: 1 for a = 1 and any b, for a = −1 and an infinite b; 8 to 32-bit integers: the binary64 power, truncated; 64-bit ones: exact modulo 2^64, truncated for b < 0',
  {},
  (_, dtype) => [dtype === 'f32' ? power32 : power, bigPower],
);
export const nnMin = binary(
  'min',
  { opType: 'Min', inputs: ['data_0...: T'], ignored: ['consumed_inputs'], wider: 'extremes' },
  'the smaller of a and b, NaN if either is',
  {},
  () => [Math.min, (a, b) => (a < b ? a : b)],
  commutative,
);
export const nnMax = binary(
  'max',
  { opType: 'Max', inputs: ['data_0...: T'], ignored: ['consumed_inputs'], wider: 'extremes' },
  'the larger of a and b, NaN if either is',
  {},
  () => [Math.max, (a, b) => (a > b ? a : b)],
  commutative,
);
export const nnMod = binary(
  'mod',
  {
    opType: 'Mod',
    since: 10,
    readSince: 10,
    inputs: ['A: T', 'B: T'],
    attributes: { fmod: { since: 10 } },
    wider: 'exact',
  },
  'the remainder of a / b with the sign of b, or, when fmod, with the sign of a; for integers a mod 0 is 0',
  { fmod: attr.bool(false) },
  ({ fmod }, dtype) => {
    const remainder: OnNumbers = (a, b) => (b === 0 && !isFloatName(dtype) ? 0 : a % b);
    const bigRemainder: OnBigInts = (a, b) => (b === 0n ? 0n : a % b);
    if (fmod) return [remainder, bigRemainder];
    const signed: OnNumbers = (a, b) => {
      const r = remainder(a, b);
      return r !== 0 && r < 0 !== b < 0 ? r + b : r;
    };
    return [
      signed,
      (a, b) => {
        const r = bigRemainder(a, b);
        return r !== 0n && r < 0n !== b < 0n ? r + b : r;
      },
    ];
  },
);

/** aᵇ modulo 2^64, so that no intermediate grows. */
function bigPower(a: bigint, b: bigint): bigint {
  if (b < 0n) return a === 1n ? 1n : a === -1n ? (b % 2n === 0n ? 1n : -1n) : 0n;
  let result = 1n;
  for (let base = a, rest = b; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = BigInt.asIntN(64, result * base);
    base = BigInt.asIntN(64, base * base);
  }
  return result;
}

type Test = <T extends number | bigint>(a: T, b: T) => boolean;

function comparison<const N extends string>(
  name: N,
  opType: string,
  since: number,
  doc: string,
  test: Test,
  traits: readonly Trait[] = [],
) {
  return defineOp({
    name: `nn.${name}` as const,
    doc: `${doc}, as bool; operands broadcast. NaN compares false.`,
    operands: { a: comparable, b: comparable },
    attrs: {},
    results: { y: ['bool'] },
    traits: ['elementwise', ...traits],
    infer({ a, b }, _attrs, refuse) {
      sameTypes(a, b, refuse);
      return { dtype: 'bool', shape: broadcastShape([a.shape, b.shape], refuse) };
    },
    evaluate({ a, b }, _attrs, [{ shape }]) {
      const [x, y] = spread(a, b, shape);
      const data = new Uint8Array(sizeOf(x.shape));
      if (isBig(x) && isBig(y)) for (let i = 0; i < data.length; i++) data[i] = test(x.data[i], y.data[i]) ? 1 : 0;
      else {
        const [left, right] = [doublesOf(x), doublesOf(y)];
        for (let i = 0; i < data.length; i++) data[i] = test(left[i], right[i]) ? 1 : 0;
      }
      return { dtype: 'bool', shape: x.shape, data };
    },
    onnx: broadcasting(opType, { since, wider: 'exact' }),
  });
}

export const nnEqual = comparison('equal', 'Equal', 9, 'a = b', (a, b) => a === b, commutative);
export const nnGreater = comparison('greater', 'Greater', 9, 'a > b', (a, b) => a > b);
export const nnLess = comparison('less', 'Less', 9, 'a < b', (a, b) => a < b);
export const nnGreaterOrEqual = comparison('greater_or_equal', 'GreaterOrEqual', 12, 'a ≥ b', (a, b) => a >= b);
export const nnLessOrEqual = comparison('less_or_equal', 'LessOrEqual', 12, 'a ≤ b', (a, b) => a <= b);

function logical<const N extends string>(name: N, opType: string, doc: string, f: OnNumbers) {
  return defineOp({
    name: `nn.${name}` as const,
    doc: `${doc}; operands broadcast.`,
    operands: { a: bool, b: bool },
    attrs: {},
    results: { y: ['bool'] },
    traits: ['elementwise', 'commutative'],
    infer: ({ a, b }, _attrs, refuse) => ({ dtype: 'bool', shape: broadcastShape([a.shape, b.shape], refuse) }),
    evaluate({ a, b }, _attrs, [{ shape }]) {
      const [x, y] = spread(a, b, shape);
      const data = Uint8Array.from(x.data as Uint8Array, (v, i) => f(v, y.data[i] as number));
      return { dtype: 'bool', shape: x.shape, data };
    },
    onnx: broadcasting(opType, {}),
  });
}

export const nnAnd = logical('and', 'And', 'a ∧ b', (a, b) => a & b);
export const nnOr = logical('or', 'Or', 'a ∨ b', (a, b) => a | b);
export const nnXor = logical('xor', 'Xor', 'a ≠ b', (a, b) => a ^ b);
