/** The rules of the matmul family: Σ_k (a − za)(b − zb) = ab − za·colsum(b) − zb·rowsum(a) + K·za·zb, one term at a time. */
import { tensor, type Value } from '../../ir/index.ts';
import { nnReduceSum } from '../../ir/ops/nn_reduce.op.ts';
import { qnnMatmul } from '../../ir/ops/qnn_matmul.op.ts';
import { centredColumns, type Eight, isZero, needs } from '../corrections/operands.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import { defineRule, type Match, present } from '../rewrite/rule.ts';
import type { Way } from '../strategies.ts';

type MatmulMatch = Match<typeof qnnMatmul.operands, typeof qnnMatmul.attrs>;

const optionals = (za: MatmulMatch['za'], zb: MatmulMatch['zb']) => ({ ...(za && { za }), ...(zb && { zb }) });
const known = (v: Value<Eight> | undefined, constant: MatmulMatch['constant']): boolean =>
  v === undefined || constant(v) !== undefined;

export const dropMatmulZeroPoint = defineRule({
  name: 'drop-matmul-zero-point',
  root: qnnMatmul,
  law: 'qmatmul(a, b; 0, zb) = qmatmul(a, b; zb)   and   qmatmul(a, b; za, 0) = qmatmul(a, b; za)',
  exactness: 'bit-exact',
  where: ({ za, zb, constant }, miss) =>
    [za, zb].some((z) => z && constant(z) && isZero(constant(z)))
      ? undefined
      : miss('no zero point is known to be 0', za ?? zb),
  rewrite({ a, b, za, zb, constant }, { emit }) {
    const keep = (z: typeof za) => (z && constant(z) && isZero(constant(z)) ? undefined : z);
    return emit(qnnMatmul, { a, b, ...optionals(keep(za), keep(zb)) });
  },
  wrong: {
    what: 'drops every zero point, whatever its value',
    rewrite: ({ a, b }, { emit }) => emit(qnnMatmul, { a, b }),
  },
});

export const recentreRight = defineRule({
  name: 'recentre-right',
  root: qnnMatmul,
  law: 'qmatmul(a, b; za, zb) = qmatmul(a, b − zb; za)   when −128 ≤ b − zb ≤ 127',
  exactness: 'bit-exact',
  where: ({ b, zb, constant }, miss) =>
    needs(
      miss,
      [zb !== undefined || b.type.dtype === 'u8', 'the right side is s8 without a zero point already', b],
      [constant(b) !== undefined && known(zb, constant), 'the right side and its zero point must be constants', b],
      [
        () => centredColumns(present(constant(b)), constant(zb)) !== undefined,
        'some b − zb does not fit s8',
        b,
        'row-sum serves',
      ],
    ),
  rewrite({ a, b, za, zb, constant }, { emit, constant: make }) {
    const right = present(constant(b));
    const moved = make(tensor('s8', present(centredColumns(right, constant(zb))), right.shape), `${b.id}.centred`);
    return emit(qnnMatmul, { a, b: moved, ...optionals(za, undefined) });
  },
  wrong: {
    what: 'moves by 128 whatever the zero point',
    rewrite({ a, b, za }, algebra) {
      return algebra.emit(qnnMatmul, {
        a,
        b: algebra.recentre(b, b.type.dtype === 'u8' ? 's8' : 'u8'),
        ...optionals(za, undefined),
      });
    },
  },
});

export const moveRight = defineRule({
  name: 'move-right',
  root: qnnMatmul,
  law: 'qmatmul(a, b; za, zb) = qmatmul(a, b − 128; za, zb − 128)   for u8 b, b − 128 being s8',
  exactness: 'bit-exact',
  where: ({ b }, miss) => needs(miss, [b.type.dtype === 'u8', 'the right side is s8 already', b]),
  rewrite({ a, b, za, zb }, algebra) {
    const moved = zb ? algebra.recentre(zb, 's8') : algebra.constant(tensor('s8', [-128], []));
    return algebra.emit(qnnMatmul, { a, b: algebra.recentre(b, 's8'), ...optionals(za, moved) });
  },
  wrong: {
    what: 'moves the right side and drops its zero point',
    rewrite: ({ a, b, za }, algebra) =>
      algebra.emit(qnnMatmul, { a, b: algebra.recentre(b, 's8'), ...optionals(za, undefined) }),
  },
});

/** A vector has no rows or columns to correct; a matrix of one has. */
export const vectorMatmul = defineRule({
  name: 'vector-matmul',
  root: qnnMatmul,
  law: 'qmatmul(a, b; za, zb) = reshape(qmatmul(rows of a, columns of b; za, zb))   for a vector a or b',
  exactness: 'bit-exact',
  where: ({ a, b, za, zb }, miss) =>
    needs(
      miss,
      [a.type.shape.length === 1 || b.type.shape.length === 1, 'both sides are matrices'],
      [za !== undefined || zb !== undefined, 'there is no zero point to correct'],
    ),
  rewrite: (match, algebra) => asMatrices(match, algebra, optionals(match.za, match.zb)),
  wrong: {
    what: 'forgets the zero points',
    rewrite: (match, algebra) => asMatrices(match, algebra, {}),
  },
});

function asMatrices({ a, b, node, graph }: MatmulMatch, algebra: Algebra, zeros: ReturnType<typeof optionals>): Value {
  const [rows, columns] = [a.type.shape, b.type.shape];
  const product = algebra.emit(qnnMatmul, {
    a: rows.length === 1 ? algebra.reshape(a, [1, ...rows]) : a,
    b: columns.length === 1 ? algebra.reshape(b, [...columns, 1]) : b,
    ...zeros,
  });
  return algebra.reshape(product, graph.type(node.results[0]).shape);
}

/** Whether a zero point has the sizes of the matrix it belongs to, by name where they are symbols: then it broadcasts. */
function broadcasts(zero: Value | undefined, matrix: Value, axisFromEnd: 1 | 2): boolean {
  const [shape, sizes] = [zero?.type.shape ?? [], matrix.type.shape];
  if (shape.length === 1) return shape[0] === 1 || shape[0] === sizes.at(-axisFromEnd);
  return shape.every((dim, axis) => dim === 1 || dim === sizes[axis]);
}
const OTHER_SIZE = 'the zero point has a symbolic size that is not known to be that of the matrix';

export const rowSum = defineRule({
  name: 'row-sum',
  root: qnnMatmul,
  law: 'qmatmul(a, b; za, zb) = qmatmul(a, b; za) − qmatmul(a, 1; za)·zb',
  exactness: 'bit-exact',
  where: ({ a, b, za, zb }, miss) =>
    needs(
      miss,
      [zb !== undefined, 'the right side has no zero point', b],
      [b.type.dtype === 's8', 'the right side has to be s8 first', b, 'move-right'],
      [a.type.shape.length >= 2 && b.type.shape.length >= 2, 'a vector has to be a matrix first', a, 'vector-matmul'],
      [broadcasts(zb, b, 1), OTHER_SIZE, zb, 'give inputShapes'],
      [typeof a.type.shape.at(-1) === 'number' || broadcasts(za, a, 2), OTHER_SIZE, za, 'give inputShapes'],
    ),
  rewrite: (match, a) => subtractRowSums(match, a, present(match.zb)),
  wrong: {
    what: 'corrects every column with the same number',
    rewrite: (match, a) => subtractRowSums(match, a, a.constant(tensor('s8', [1], []))),
  },
});

function subtractRowSums({ a, b, za }: MatmulMatch, algebra: Algebra, zb: Value<Eight>): Value<'s32'> {
  return algebra.sub(
    algebra.emit(qnnMatmul, { a, b, ...optionals(za, undefined) }),
    algebra.mul(rowSums({ a, za }, algebra), algebra.toS32(zb)),
  );
}

/** Σ_k (a[…, m, k] − za) as […, m, 1]: a product with a column of ones; of a size that only the run knows, a reduction. */
function rowSums({ a, za }: Pick<MatmulMatch, 'a' | 'za'>, algebra: Algebra): Value<'s32'> {
  const inner = a.type.shape.at(-1);
  if (typeof inner === 'number') {
    const ones = algebra.constant(tensor('s8', new Int8Array(inner).fill(1), [inner, 1]));
    return algebra.emit(qnnMatmul, { a, b: ones, ...optionals(za, undefined) });
  }
  const wide = algebra.toS32(a);
  const shifted = za ? algebra.sub(wide, rowZeroPoint(za, algebra)) : wide;
  return algebra.emit(nnReduceSum, { x: shifted }, { axes: [a.type.shape.length - 1] });
}

export const foldMatmul = defineRule({
  name: 'fold-matmul',
  root: qnnMatmul,
  law: 'qmatmul(a, b; za) = matmul(a, b) − za·Σ_k b[k, n]',
  exactness: 'bit-exact',
  where: ({ a, b, za, zb }, miss) =>
    needs(
      miss,
      [za !== undefined, 'there is no zero point to correct'],
      [zb === undefined, 'the right side’s zero point has to go first', zb],
      [b.type.dtype === 's8', 'the right side has to be s8 first', b],
      [a.type.shape.length >= 2 && b.type.shape.length >= 2, 'a vector has to be a matrix first', a, 'vector-matmul'],
      [broadcasts(za, a, 2), OTHER_SIZE, za, 'give inputShapes'],
    ),
  rewrite: (match, a) =>
    a.sub(a.matmul(match.a, match.b), a.mul(columnSums(match, a), rowZeroPoint(present(match.za), a))),
  wrong: {
    what: 'forgets that the correction is scaled by za',
    rewrite: (match, a) => a.sub(a.matmul(match.a, match.b), columnSums(match, a)),
  },
});

/** Σ_k b[…, k, n] as […, 1, n]: a constant for constant b, else a product with a row of ones, or a reduction. */
function columnSums({ b, constant }: MatmulMatch, a: Algebra): Value<'s32'> {
  const t = constant(b);
  const inner = b.type.shape.at(-2);
  if (typeof inner !== 'number') return a.emit(nnReduceSum, { x: a.toS32(b) }, { axes: [b.type.shape.length - 2] });
  if (t === undefined) return a.matmul(a.constant(tensor('u8', new Uint8Array(inner).fill(1), [1, inner])), b);
  const columns = t.shape[t.shape.length - 1];
  const sums = new Int32Array(t.data.length / inner);
  for (let from = 0, at = 0; from < sums.length; from += columns)
    for (let row = 0; row < inner; row++) for (let n = 0; n < columns; n++) sums[from + n] += t.data[at++];
  return a.s32(sums, [...t.shape.slice(0, -2), 1, columns]);
}

/** Zero points by rows as a column vector; of the rank of the matrix they are one already. */
function rowZeroPoint(za: Value<Eight>, a: Algebra): Value<'s32'> {
  const zeros = a.toS32(za);
  const [size] = zeros.type.shape;
  return zeros.type.shape.length === 1 && size !== 1 ? a.reshape(zeros, [size, 1]) : zeros;
}

export const zeroPointFreeMatmul = defineRule({
  name: 'zero-point-free-matmul',
  root: qnnMatmul,
  law: 'qmatmul(a, b) = matmul(a, b)',
  exactness: 'bit-exact',
  where: ({ b, za, zb }, miss) =>
    needs(
      miss,
      [za === undefined, 'the left side has a zero point', za],
      [zb === undefined, 'the right side has a zero point', zb],
      [b.type.dtype === 's8', 'the right side is u8', b],
    ),
  rewrite: ({ a, b }, algebra) => algebra.matmul(a, b),
  wrong: {
    what: 'adds the product to itself',
    rewrite: ({ a, b }, algebra) => algebra.add(algebra.matmul(a, b), algebra.matmul(a, b)),
  },
});

export const matmulRules = {
  weights: [dropMatmulZeroPoint, recentreRight, moveRight, vectorMatmul, rowSum],
  free: [zeroPointFreeMatmul],
} as const;

export const matmulWays: readonly Way[] = [
  { name: 'fold', doc: 'za·Σb in the int32 bias', rule: foldMatmul, cost: () => 1 },
  { name: 'native', doc: 'the zero point as an attribute of the primitive', cost: () => 1.06 },
];
