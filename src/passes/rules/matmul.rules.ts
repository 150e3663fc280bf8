/**
 * The rules of matrix products. Rules of convolutions serve when a matrix product differs in words alone; it has some
 * of its own, since both sides may be computed, a zero point may differ from row to row, and a side may be a vector.
 */
import { type ByteType, nnReduceSum, qnnMatmul, tensor, type Value } from '../../ir/index.ts';
import { channelSums } from '../corrections/channel_sums.ts';
import { needs, onesOf, sourceCorrectable } from '../corrections/operands.ts';
import { matmul } from '../corrections/product_family.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import { defineRule, type Match, present } from '../rewrite/rule.ts';
import type { Way } from '../strategies.ts';
import { dropZeroPointOf } from './drop_zero_point.rule.ts';
import { foldOf } from './fold.rule.ts';
import { recentreWeightsOf } from './recentre_weights.rule.ts';
import { repeatSourceOf } from './repeat_source.rule.ts';
import { zeroPointFreeOf } from './zero_point_free.rule.ts';

type MatmulMatch = Match<typeof qnnMatmul.operands, typeof qnnMatmul.attrs>;

const optionals = (za: MatmulMatch['za'], zb: MatmulMatch['zb']) => ({ ...(za && { za }), ...(zb && { zb }) });

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
      [za !== undefined || zb !== undefined, 'neither side has a zero point to correct'],
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

/** True when a zero point has the sizes of its matrix, by name for symbols: then it broadcasts. */
function broadcasts(zero: Value | undefined, matrix: Value, axisFromEnd: 1 | 2): boolean {
  const [shape, sizes] = [zero?.type.shape ?? [], matrix.type.shape];
  if (shape.length === 1) return shape[0] === 1 || shape[0] === sizes.at(-axisFromEnd);
  return shape.every((dim, axis) => dim === 1 || dim === sizes[axis]);
}
const OTHER_SIZE = 'the zero point has a symbolic size that may differ from the size of the matrix';

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

function subtractRowSums({ a, b, za }: MatmulMatch, algebra: Algebra, zb: Value<ByteType>): Value<'s32'> {
  return algebra.sub(
    algebra.emit(qnnMatmul, { a, b, ...optionals(za, undefined) }),
    algebra.mul(rowSums({ a, za }, algebra), algebra.toS32(zb)),
  );
}

/** Σ_k (a[…, m, k] − za) as […, m, 1]: a product with a column of ones; of a size that only the run knows, a reduction. */
function rowSums({ a, za }: Pick<MatmulMatch, 'a' | 'za'>, algebra: Algebra): Value<'s32'> {
  const inner = a.type.shape.at(-1);
  if (typeof inner === 'number') {
    const ones = algebra.constant(onesOf([inner, 1]));
    return algebra.emit(qnnMatmul, { a, b: ones, ...optionals(za, undefined) });
  }
  const wide = algebra.toS32(a);
  const shifted = za ? algebra.sub(wide, rowZeroPoint(za, algebra)) : wide;
  return algebra.emit(nnReduceSum, { x: shifted }, { axes: [a.type.shape.length - 1] });
}

export const foldMatmul = foldOf(matmul, {
  where: (match, miss) =>
    sourceCorrectable(match, miss, true) ??
    needs(
      miss,
      [
        match.x.type.shape.length >= 2 && match.w.type.shape.length >= 2,
        'a vector has to be a matrix first',
        match.x,
        'vector-matmul',
      ],
      [broadcasts(match.zx, match.x, 2), OTHER_SIZE, match.zx, 'give inputShapes'],
    ),
  sums: ({ w, constant, layout }, a) => columnSums(w, constant(w) && channelSums(present(constant(w)), layout), a),
  zero: ({ zx }, a) => rowZeroPoint(present(zx), a),
});

/** Σ_k b[…, k, n] as […, 1, n]: a constant for constant b, else a product with a row of ones, or a reduction. */
function columnSums(b: Value<ByteType>, known: Int32Array | undefined, a: Algebra): Value<'s32'> {
  const { shape } = b.type;
  const inner = shape.at(-2);
  if (known)
    return a.s32(
      known,
      shape.map((size, axis) => (axis === shape.length - 2 ? 1 : Number(size))),
    );
  if (typeof inner !== 'number') return a.emit(nnReduceSum, { x: a.toS32(b) }, { axes: [shape.length - 2] });
  return a.matmul(a.constant(tensor('u8', new Uint8Array(inner).fill(1), [1, inner])), b);
}

/** Zero points by rows as a column vector; of the rank of the matrix they are one already. */
function rowZeroPoint(za: Value<ByteType>, a: Algebra): Value<'s32'> {
  const zeros = a.toS32(za);
  const [size] = zeros.type.shape;
  return zeros.type.shape.length === 1 && size !== 1 ? a.reshape(zeros, [size, 1]) : zeros;
}

export const repeatLeft = repeatSourceOf(matmul);

export const matmulRules = {
  weights: [dropZeroPointOf(matmul), recentreWeightsOf(matmul), repeatLeft, moveRight, vectorMatmul, rowSum],
  free: [zeroPointFreeOf(matmul)],
} as const;

export const matmulWays: readonly Way[] = [
  { name: 'fold', doc: 'za·Σb in the int32 bias', rule: foldMatmul, cost: () => 1 },
  { name: 'native', doc: 'the zero point as an attribute of the primitive or of our own kernel', cost: () => 1.06 },
];
