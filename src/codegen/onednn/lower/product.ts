/**
 * The lowering of products, whichever they are: one primitive with all of the end; where its f32 epilogue or its source zero point
 * would not be exact, one for the bare sum and our kernel for the end, Σ(x − zx)·w = Σx·w − zx·Σw in int32; else the slow kernel.
 */
import { geometryOf, layoutOf, type Node, sizeOf, tensor, type ValueId } from '../../../ir/index.ts';
import { atChannel, type ITensor } from '../../../tensors/index.ts';
import type { Primitive, PrimitiveAttributes } from '../binding.ts';
import { primitiveFinishes } from '../epilogue_exactness.ts';
import { layoutOfDesc, type PlainLayout } from '../layout.ts';
import type { Buffer, Recorder } from '../recorder.ts';
import { floatsHoldSums, isExact, type Operands, returnsSums, sumsOfWeights } from '../saturation.ts';
import type { Created } from './bare_sum.ts';
import { clamps, type Epilogue, type EpilogueOperands, epilogue, kernelRecipe } from './products.ts';

/** A product with all that follows its sum. */
export interface FusedProduct extends EpilogueOperands {
  readonly bias?: ValueId;
  readonly y: ValueId;
  readonly attrs: Epilogue;
  readonly node: Node;
}

/** A primitive that may compute all of a product, and the one of its bare sum, which tells whether sums are exact. */
export interface Whole extends Created {
  readonly bare: () => Primitive;
}

/** The differences between the three products. */
export interface ProductPrimitives {
  /** The possible operands of the product, the cheapest first. */
  readonly candidates: Iterable<Operands>;
  /** The primitive with these attributes; undefined when no primitive can be trusted. */
  readonly whole: (given: Operands, attributes: PrimitiveAttributes) => Whole | undefined;
  /** The s32 sum alone, channels last, with the source zero point or without; undefined when no primitive has it. */
  readonly sum: (given: Operands) => { readonly sum: Buffer | undefined; readonly isShifted: boolean };
  /** The sum with the source zero point by the slow kernel, row major. */
  readonly slowSum: () => Buffer;
}

export function lowerProduct(view: FusedProduct, r: Recorder, primitives: ProductPrimitives): void {
  const { bias, y, node } = view;
  const mayFinish = primitiveFinishes(r.graph, node);
  for (const given of primitives.candidates) {
    const { attributes, buffers } = endOf(view, r, given.zeroPoint);
    const whole = mayFinish ? primitives.whole(given, attributes) : undefined;
    if (whole && isExact(r, given, whole.primitive, whole.bare)) {
      const more = { bias: bias && r.use(bias, 'row-major'), ...buffers };
      whole.record(r.define(y, layoutOfDesc(whole.primitive.descs.destination)), more);
      return;
    }
    const { sum, isShifted } = primitives.sum(given);
    if (sum === undefined) continue;
    const folded =
      isShifted || given.zeroPoint === 0
        ? undefined
        : sumsOfWeights(given.view).map((v) => Math.imul(v, -given.zeroPoint));
    recordEnd(view, r, sum, 'channels-last', folded);
    return;
  }
  recordEnd(view, r, primitives.slowSum(), 'row-major');
}

/** True when a primitive returns the results of a product as they are: bytes, or sums that its f32 holds or that it never converts. */
export const holdsResults = ({ attrs, node }: FusedProduct, r: Recorder, { primitive }: Created, given: Operands) =>
  attrs.to !== 's32' || floatsHoldSums(r, node) || returnsSums(primitive.implementation, given);

const channelAxis = ({ node }: FusedProduct, rank: number): number => geometryOf(layoutOf(node).kind).channelAxis(rank);

/** The end of a product as attributes of its primitive. */
function endOf(view: FusedProduct, r: Recorder, sourceZeroPoint: number) {
  const shape = r.shape(view.y);
  const axis = channelAxis(view, shape.length);
  const perChannel = (length: number) => shape.map((_, i) => (i === axis ? length : 1));
  const mapShape = view.map && [1, ...shape.slice(1)];
  return epilogue(r, view, { ...view.attrs, sourceZeroPoint }, perChannel, mapShape);
}

/** Records the epilogue of an s32 sum in the given layout, in int32; `more` is added per channel. */
function recordEnd(view: FusedProduct, r: Recorder, source: Buffer, layout: PlainLayout, more?: Int32Array): void {
  const { bias, map, multiplier, scale, offset, y, attrs } = view;
  const shape = r.shape(y);
  const axis = channelAxis(view, shape.length);
  const [channels, positions] = [shape[axis], sizeOf(shape.slice(axis + 1))];
  const last = layout === 'channels-last' || axis === shape.length - 1;
  // A map varies along positions as well: then every position of every channel is a channel of its own.
  const count = map ? channels * positions : channels;
  const inner = map || last ? 1 : positions;
  const at = (id: ValueId | undefined, c: number): number => {
    const t = r.constant(id);
    return t ? Number(atChannel<number | bigint>(t.data, c)) : 0;
  };
  const channelOf = (i: number): number => (last ? i % channels : Math.floor((i * channels) / count));
  const mapIndex = (i: number): number => (last ? channelOf(i) * positions + Math.floor(i / channels) : i);
  const added = Int32Array.from(
    { length: count },
    (_, i) => at(bias, channelOf(i)) + at(map, mapIndex(i)) + (more?.[channelOf(i)] ?? 0),
  );
  const spread = (id: ValueId | undefined): ITensor<'f32'> | undefined =>
    id &&
    tensor(
      'f32',
      Float32Array.from({ length: count }, (_, i) => at(id, channelOf(i))),
    );
  const factors = { multiplier: spread(multiplier), scale: spread(scale), offset: spread(offset) };
  const recipe = kernelRecipe(r, factors, { ...attrs, rounding: 'half-even' }, count);
  r.kernel(
    {
      name: 'requantize',
      type: attrs.to,
      outer: sizeOf(shape) / (count * inner),
      channels: count,
      inner,
      groups: 1,
      mapRows: 0,
      ...clamps(attrs),
      ...recipe.fields,
    },
    {
      source,
      bias: bias || map || more ? r.data(tensor('s32', added)) : undefined,
      ...recipe.buffers,
      destination: r.define(y, axis === shape.length - 1 ? 'row-major' : layout),
    },
  );
}
