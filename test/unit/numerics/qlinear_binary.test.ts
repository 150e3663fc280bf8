import { describe, expect, test } from 'vitest';
import {
  type QLinearBinary,
  qlinearAdd,
  qlinearAddConstants,
  qlinearAddSwaps,
  swapOperands,
} from '../../../src/numerics/qlinear_add.ts';
import { qlinearMul } from '../../../src/numerics/qlinear_mul.ts';
import { dtypes, newArray } from '../../../src/tensors/dtype.ts';
import { scalar, tensor } from '../../../src/tensors/tensor.ts';
import { expand, resultShape } from './broadcast.ts';
import { integerBetween, ortOutput, random, randomScale } from './ort.ts';

const apply = { QLinearAdd: qlinearAdd, QLinearMul: qlinearMul };
const nodes = Object.keys(apply) as (keyof typeof apply)[];

type Bytes = Uint8Array | Int8Array;

function onOrt(op: string, q: QLinearBinary, a: Bytes, shapeA: number[], b: Bytes, shapeB: number[]) {
  const { dtype } = q;
  const data = (bytes: Bytes, shape: number[]) => ({ tensor: tensor(dtype, bytes, shape) });
  const scale = (x: number) => ({ tensor: scalar('f32', x) });
  const zero = (x: number) => ({ tensor: scalar(dtype, x) });
  const inputs = [
    ...[data(a, shapeA), scale(q.scaleA), zero(q.zeroPointA)],
    ...[data(b, shapeB), scale(q.scaleB), zero(q.zeroPointB)],
    ...[scale(q.scaleC), zero(q.zeroPointC)],
  ];
  return ortOutput({ op, domain: 'com.microsoft', inputs, outputs: [dtype] });
}

/** Scales that are small fractions give many sums next to a tie, others are ordinary. */
function randomBinary(next: () => number, dtype: 'u8' | 's8', nearTies: boolean): QLinearBinary {
  const { min, max } = dtypes[dtype];
  const fraction = () => integerBetween(next, 1, 60) / integerBetween(next, 1, 60);
  const scale = () => (nearTies ? Math.fround(fraction() * 2 ** -integerBetween(next, 0, 4)) : randomScale(next));
  const zero = () => integerBetween(next, min, max);
  const [scaleA, scaleB, scaleC] = [scale(), scale(), scale()];
  return { dtype, scaleA, scaleB, scaleC, zeroPointA: zero(), zeroPointB: zero(), zeroPointC: zero() };
}

describe.each(nodes)('%s equals ONNX Runtime', (op) => {
  test.each(['u8', 's8'] as const)('%s, all 65,536 pairs, 24 random parameter sets', async (dtype) => {
    const next = random(op.length * 7 + dtypes[dtype].max);
    const pairs = Array.from({ length: 65536 }, (_, i) => i);
    const a = tensor(
      dtype,
      pairs.map((i) => dtypes[dtype].min + (i >> 8)),
    ).data;
    const b = tensor(
      dtype,
      pairs.map((i) => dtypes[dtype].min + (i & 255)),
    ).data;
    for (let round = 0; round < 24; round++) {
      const q = randomBinary(next, dtype, round % 2 === 0);
      const ours = newArray(dtype, a.length);
      apply[op](q, a, b, ours);
      const theirs = await onOrt(op, q, a, [a.length], b, [b.length]);
      expect(firstDifference(ours, theirs as Bytes), JSON.stringify(q)).toBe(-1);
    }
  });

  test('lengths 1 to 70: the tail is computed as the rest is', async () => {
    const next = random(11);
    for (let length = 1; length <= 70; length++) {
      const q = randomBinary(next, 'u8', true);
      const bytes = () => Uint8Array.from({ length }, () => integerBetween(next, 0, 255));
      const [a, b] = [bytes(), bytes()];
      const ours = newArray('u8', length);
      if (op === 'QLinearAdd' && length === 1) qlinearAdd(swapOperands(q), b, a, ours);
      else apply[op](q, a, b, ours);
      expect([...ours], `${length}`).toEqual([...(await onOrt(op, q, a, [length], b, [length]))]);
    }
  });
});

const broadcasts: [number[], number[]][] = [
  [[64], [1]],
  [[1], [64]],
  [[], []],
  [
    [1, 16],
    [8, 1],
  ],
  [
    [8, 1],
    [1, 16],
  ],
  [
    [8, 1, 16],
    [1, 4, 16],
  ],
  [
    [2, 3, 1, 1],
    [2, 3, 4, 1],
  ],
  [
    [2, 3, 4, 1],
    [1, 3, 1, 1],
  ],
];

test.each(broadcasts)('QLinearAdd of %j and %j takes the operands in the order of ORT', async (shapeA, shapeB) => {
  const next = random(23);
  const shape = resultShape(shapeA, shapeB);
  const size = shape.reduce((p, d) => p * d, 1);
  let telling = 0;
  for (let round = 0; round < 20_000 && telling < 4; round++) {
    const q = randomBinary(next, 'u8', true);
    const bytes = (of: number[]) =>
      Uint8Array.from({ length: of.reduce((p, d) => p * d, 1) }, () => integerBetween(next, 0, 255));
    const [a, b] = [bytes(shapeA), bytes(shapeB)];
    const [fullA, fullB] = [expand(a, shapeA, shape), expand(b, shapeB, shape)];
    const straight = newArray('u8', size);
    const swapped = newArray('u8', size);
    qlinearAdd(q, fullA, fullB, straight);
    qlinearAdd(swapOperands(q), fullB, fullA, swapped);
    if (firstDifference(straight, swapped) < 0) continue;
    telling++;
    const ours = qlinearAddSwaps(shapeA, shapeB) ? swapped : straight;
    expect([...ours]).toEqual([...(await onOrt('QLinearAdd', q, a, shapeA, b, shapeB))]);
  }
  expect(telling).toBeGreaterThan(0);
});

test('the fixed part of QLinearAdd is one fused multiply-add', () => {
  const q: QLinearBinary = {
    dtype: 'u8',
    ...{ scaleA: 1, scaleB: 1, scaleC: 2, zeroPointA: 3, zeroPointB: 5, zeroPointC: 7 },
  };
  expect(qlinearAddConstants(q)).toEqual({ ratioA: 0.5, ratioB: 0.5, fixed: 3 });
});

function firstDifference(a: Bytes | ArrayLike<number>, b: ArrayLike<number>): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return i;
  return -1;
}
