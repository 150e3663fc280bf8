import { geometryOf, type Value } from '../../ir/index.ts';
import { centred, needs, type ProductMatch, weightsCorrectable } from '../corrections/operands.ts';
import { convolution, type ProductFamily, productRule } from '../corrections/product_family.ts';
import { partOf, repeated } from '../corrections/repetition.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import { type MissMaker, type MissReason, present } from '../rewrite/rule.ts';

/** One product in the place of two: of the few elements that weights beyond s8 multiply, the source gets copies. */
export const repeatSourceOf = (family: ProductFamily) =>
  productRule(family, {
    name: 'repeat-source',
    law: 'qconv(x, w; zx, zw) = qconv(concat(x, x), concat(wa, wb); zx),   w − zw = wa + wb, all s8; x again only where wb is not 0',
    exactness: 'bit-exact',
    where: (match, miss) => weightsCorrectable(match, miss) ?? haveAxis(match, miss),
    rewrite: (match, a) => product(family, match, a, partOf),
    wrong: {
      what: 'saturates w − zw: what is beyond s8 does not go to a copy',
      rewrite: (match, a) => product(family, match, a, (weight, n) => (n === 0 ? partOf(weight, 0) : 0)),
    },
  });
export const repeatSource = repeatSourceOf(convolution);

/** Copies need a source of known channels with an axis for them. */
function haveAxis({ x, w, layout }: ProductMatch, miss: MissMaker): MissReason | undefined {
  const { shape } = x.type;
  const channels = shape[geometryOf(layout.kind).sourceAxis(shape.length)];
  return needs(
    miss,
    [shape.length >= 2 && w.type.shape.length >= 2, 'a vector has to be a matrix first', x, 'vector-matmul'],
    [typeof channels === 'number', 'only the run knows how many channels the source has', x, 'give inputShapes'],
  );
}

function product(family: ProductFamily, match: ProductMatch, a: Algebra, part: typeof partOf): Value<'s32'> {
  const { w, zx, zw, layout, constant } = match;
  const values = present(centred(present(constant(w)), constant(zw), layout, -255, 255));
  const { operands, attrs } = repeated(match, values, a, part);
  return family.quantized(a, { ...operands, ...(zx && { zx }) }, attrs);
}
