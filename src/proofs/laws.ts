/**
 * The laws of the correction rules for all shapes at once.
 *
 * Every result is a sum over taps (a filter position and an input channel; for a matmul an inner index) of a polynomial
 * in what that tap reads, and for each result the taps fall into those inside of the input and those outside of it.
 * Values of different taps are independent, and so are the numbers of taps inside and outside; therefore two sums are
 * equal for all shapes and all values if and only if their polynomials are, for each of the two sets.
 *
 *   x, w: source and weight at the tap     zx, zw: their zero points     all: over both sets
 */
import { add, equal, formatPolynomial, type Polynomial, polynomial } from './polynomial.ts';

/** `other`: a set of taps that is neither. */
type TapSet = 'inside' | 'outside' | 'all' | 'other';
type Sum = Readonly<Partial<Record<TapSet, string>>>;

export interface Law {
  readonly left: Sum;
  readonly right: Sum;
  /** The right side of the rule's wrong variant. */
  readonly wrong: Sum;
  /** What new names stand for, and values that the rule's condition fixes. */
  readonly where?: Readonly<Record<string, string>>;
  /** The rule applies only where all taps are inside. */
  readonly nothingOutside?: true;
}

const qconv: Sum = { inside: '(x - zx) * (w - zw)' };
const sourceOnly: Sum = { inside: '(x - zx) * w' };
const folded: Sum = { inside: 'x * w', all: '-zx * w' };
const qmatmul: Sum = { inside: '(a - za) * (b - zb)' };

const convolutions: Readonly<Record<string, readonly Law[]>> = {
  'drop-zero-point': [
    { left: qconv, right: { inside: 'x * (w - zw)' }, wrong: { inside: 'x * w' }, where: { zx: '0' } },
    { left: qconv, right: sourceOnly, wrong: { inside: 'x * w' }, where: { zw: '0' } },
  ],
  'recentre-weights': [
    {
      left: qconv,
      right: { inside: '(x - zx) * centred' },
      wrong: { inside: '(x - zx) * (w - first - 1)' },
      where: { centred: 'w - zw' },
    },
  ],
  'window-sum': [
    {
      left: qconv,
      right: { inside: '(x - zx) * v - zv * (x - zx)' },
      wrong: { inside: '(x - zx) * v - first * (x - zx)' },
      where: { v: 'w - 128', zv: 'zw - 128' },
    },
  ],
  'split-weights': [
    {
      left: qconv,
      right: { inside: '(x - zx) * half + (x - zx) * rest' },
      wrong: { inside: '(x - zx) * half + (x - zx) * half' },
      where: { rest: 'w - zw - half' },
    },
  ],
  'recentre-source': [
    {
      left: qconv,
      right: { inside: '(u - zu) * (w - zw)' },
      wrong: { inside: 'u * (w - zw)' },
      where: { u: 'x + 128', zu: 'zx + 128' },
    },
  ],
  fold: [{ left: sourceOnly, right: folded, wrong: { inside: 'x * w', all: '-w' }, nothingOutside: true }],
  'border-table': [{ left: sourceOnly, right: { inside: 'x * w - zx * w' }, wrong: folded }],
  pad: [{ left: sourceOnly, right: { inside: 'x * w', outside: 'zx * w', all: '-zx * w' }, wrong: folded }],
  'two-conv': [{ left: sourceOnly, right: { inside: 'x * w - zx * w' }, wrong: folded }],
  'four-term': [
    {
      left: qconv,
      right: { inside: 'x * v - zx * v - (zv * x - zx * zv)' },
      wrong: { inside: 'x * v - zx * v - (zv * x + zx * zv)' },
      where: { v: 'w - 128', zv: 'zw - 128' },
    },
  ],
  'f32-shift': [{ left: sourceOnly, right: sourceOnly, wrong: { inside: 'x * w' } }],
  's32-shift': [{ left: qconv, right: qconv, wrong: sourceOnly }],
  'zero-point-free': [
    { left: qconv, right: { inside: 'x * w' }, wrong: { other: 'x * w' }, where: { zx: '0', zw: '0' } },
  ],
};

const matmuls: Readonly<Record<string, readonly Law[]>> = {
  'drop-matmul-zero-point': [
    { left: qmatmul, right: { inside: 'a * (b - zb)' }, wrong: { inside: 'a * b' }, where: { za: '0' } },
    { left: qmatmul, right: { inside: '(a - za) * b' }, wrong: { inside: 'a * b' }, where: { zb: '0' } },
  ],
  'recentre-right': [
    {
      left: qmatmul,
      right: { inside: '(a - za) * centred' },
      wrong: { inside: '(a - za) * (b - 128)' },
      where: { centred: 'b - zb' },
    },
  ],
  'move-right': [
    {
      left: qmatmul,
      right: { inside: '(a - za) * (v - zv)' },
      wrong: { inside: '(a - za) * v' },
      where: { v: 'b - 128', zv: 'zb - 128' },
    },
  ],
  'vector-matmul': [{ left: qmatmul, right: qmatmul, wrong: { inside: 'a * b' } }],
  'row-sum': [
    {
      left: qmatmul,
      right: { inside: '(a - za) * b - (a - za) * zb' },
      wrong: { inside: '(a - za) * b - (a - za)' },
    },
  ],
  'fold-matmul': [
    {
      left: { inside: '(a - za) * b' },
      right: { inside: 'a * b - za * b' },
      wrong: { inside: 'a * b - b' },
    },
  ],
  'zero-point-free-matmul': [
    { left: qmatmul, right: { inside: 'a * b' }, wrong: { inside: 'a * b + a * b' }, where: { za: '0', zb: '0' } },
  ],
};

/** By rule; a rule of transposed convolutions has the law of its sibling: taps are then those that reach a result. */
export const laws: ReadonlyMap<string, readonly Law[]> = new Map([
  ...Object.entries(convolutions),
  ...Object.entries(convolutions)
    .filter(([name]) => name !== 'pad')
    .map(([name, law]) => [`${name}-transpose`, law] as const),
  ...Object.entries(matmuls),
]);

/** The polynomials over the taps inside, outside, and elsewhere. */
export function normalForm(
  sum: Sum,
  { where = {} }: Pick<Law, 'where'>,
): Readonly<Record<'inside' | 'outside' | 'other', Polynomial>> {
  const read = (set: TapSet) => polynomial(sum[set] ?? '0', where);
  return { inside: add(read('inside'), read('all')), outside: add(read('outside'), read('all')), other: read('other') };
}

/** Where the normal forms of the sides differ; undefined when the law holds for all shapes and values. */
export function differenceOf(law: Law, right: Sum = law.right): string | undefined {
  const [a, b] = [normalForm(law.left, law), normalForm(right, law)];
  const sets = law.nothingOutside ? (['inside', 'other'] as const) : (['inside', 'outside', 'other'] as const);
  const set = sets.find((s) => !equal(a[s], b[s]));
  return (
    set && `over the taps ${set}: ${formatPolynomial(a[set])} on the left, ${formatPolynomial(b[set])} on the right`
  );
}
