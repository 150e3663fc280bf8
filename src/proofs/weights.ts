/** Passes over weights: the only work of a proof that grows with the model. Every result is kept as long as the checker. */
import { type ITensor, isTensorOf, layoutKey, type ProductLayout, rowsOf, weightsLayout } from '../ir/index.ts';
import { type ByteSums, byteSums, MOST_ROWS, type Sums } from './byte_sums.ts';
import { CentredWeights } from './centred_weights.ts';
import { remember, within } from './remember.ts';
import type { Ring } from './ring.ts';
import { integers, isOnes, type Vector } from './terms.ts';

/** Per result channel (of every batch of a matmul) the sums of its weights, and of its positive ones. */
export interface SignedSums {
  readonly total: Sums['sums'];
  readonly positive: Sums['sums'];
}

type Elements = Int8Array | Uint8Array | Int16Array | Uint16Array | Float64Array;

/** Rows of weights, and what proofs ask of them besides. */
function rowsIn({ shape }: ITensor, of: ProductLayout) {
  const layout = weightsLayout(of, shape);
  const { blocks, rows, length } = rowsOf(layout);
  const perGroup = blocks / of.group;
  return {
    blocks,
    rows,
    length,
    /** Elements of a row that belong to one filter. */
    taps: layout.steps.filter < layout.steps.channel ? layout.steps.filter : length,
    /** The source channel of a block's first row. */
    channelOf: (block: number): number => Math.floor(block / perGroup) * rows,
  };
}
type Rows = ReturnType<typeof rowsIn>;

/** Elements of a projection. */
export function projectionSize(w: ITensor, layout: ProductLayout): number {
  const { blocks, length } = rowsIn(w, layout);
  return blocks * length;
}

export class Weights {
  readonly centred = new CentredWeights();
  readonly #byteSums: ByteSums;
  readonly #sums = new Map<ITensor, Map<string, Sums>>();
  readonly #signed = new Map<ITensor, Map<string, SignedSums>>();
  readonly #projections = new Map<string, Map<ITensor, Map<Vector, Float64Array>>>();

  /** @param sums how 8-bit weights are added up */
  constructor(sums: ByteSums = byteSums) {
    this.#byteSums = sums;
  }

  /** Σ over the source channels of w·vector[channel], as [result channel, tap] (matmul: [batch, column]). */
  projection(w: ITensor, layout: ProductLayout, vector: Vector, ring: Ring): Float64Array {
    const known = within(this.#projections, `${layoutKey(layout)} ${ring.name}`);
    return remember(known, w, vector, () => {
      if (!isOnes(vector)) return products(elementsOf(w), rowsIn(w, layout), vector.data, ring);
      const isPerChannel = layout.kind === 'conv' && rowsIn(w, layout).length === 1;
      const sums = isPerChannel ? this.signed(w, layout).total : this.#sumsOf(w, layout).sums;
      return new Float64Array(sums).map(ring.reduce);
    });
  }

  signed(w: ITensor, layout: ProductLayout): SignedSums {
    return remember(this.#signed, w, layoutKey(layout), () => {
      const { blocks, rows, length, taps } = rowsIn(w, layout);
      // Rows of a filter lie side by side: all of its taps are one run.
      if (layout.kind === 'conv') {
        const { sums, aboves } = this.#add(w, blocks, rows * length, 1);
        return { total: sums, positive: aboves };
      }
      const { sums, aboves } = this.#sumsOf(w, layout);
      return { total: totals(sums, taps), positive: totals(aboves, taps) };
    });
  }

  #sumsOf(w: ITensor, layout: ProductLayout): Sums {
    return remember(this.#sums, w, layoutKey(layout), () => {
      const { blocks, rows, length } = rowsIn(w, layout);
      return this.#add(w, blocks, rows, length);
    });
  }

  #add(w: ITensor, blocks: number, rows: number, length: number): Sums {
    return isTensorOf(w, 's8') && rows <= MOST_ROWS
      ? this.#byteSums(w.data, blocks, rows, length)
      : rowSums(elementsOf(w), blocks, rows, length);
  }
}

/** 8- and 16-bit weights as they are, others as checked integers. */
const elementsOf = (w: ITensor): Elements => (isTensorOf(w, 's8', 'u8', 's16', 'u16', 'bool') ? w.data : integers(w));

/** The same of elements of any type, exact. */
function rowSums(data: Elements, blocks: number, rows: number, length: number): Sums {
  const [sums, aboves] = [new Float64Array(blocks * length), new Float64Array(blocks * length)];
  for (let block = 0, at = 0; block < blocks; block++)
    for (let row = 0; row < rows; row++)
      for (let to = block * length, end = to + length; to < end; to++) {
        const v = data[at++];
        sums[to] += v;
        aboves[to] += Math.max(v, 0);
      }
  return { sums, aboves };
}

/** Σw·vector by block and place in a row. */
function products(
  data: Elements,
  { blocks, rows, length, channelOf }: Rows,
  vector: Float64Array,
  ring: Ring,
): Float64Array {
  const out = new Float64Array(blocks * length);
  const isSmall = !(data instanceof Float64Array);
  for (let block = 0, at = 0; block < blocks; block++) {
    const first = channelOf(block);
    const [from, end] = [block * length, (block + 1) * length];
    for (let row = 0; row < rows; row++) {
      const factor = vector[first + row];
      if (isSmall) for (let to = from; to < end; to++) out[to] += data[at++] * factor;
      else for (let to = from; to < end; to++) out[to] += ring.mul(ring.reduce(data[at++]), ring.reduce(factor));
      // |w| < 2^9 and |factor| < 2^31: 2^12 products add up to less than 2^53; products of large weights are below
      // 2^32.
      if (row % 2 ** 12 === 2 ** 12 - 1 || row === rows - 1)
        for (let to = from; to < end; to++) out[to] = ring.reduce(out[to]);
    }
  }
  return out;
}

function totals(sums: Sums['sums'], taps: number): Sums['sums'] {
  if (taps === 1) return sums;
  const out = new Float64Array(sums.length / taps);
  for (let i = 0, at = 0; i < out.length; i++) for (let t = 0; t < taps; t++) out[i] += sums[at++];
  return out;
}
