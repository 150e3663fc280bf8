/** Passes over weights: the only work of a proof that grows with the model. Every result is kept as long as the checker. */
import { type ITensor, isTensorOf, sizeOf } from '../ir/index.ts';
import { type ByteSums, byteSums, MOST_ROWS, type Sums } from './byte_sums.ts';
import { CentredWeights } from './centred_weights.ts';
import { type Layout, nameOf } from './layout.ts';
import { remember, within } from './remember.ts';
import type { Ring } from './ring.ts';
import { integers, isOnes, type Vector } from './terms.ts';

/** Per result channel (of every batch of a matmul) the sums of its weights, and of its positive ones. */
export interface SignedSums {
  readonly total: Sums['sums'];
  readonly positive: Sums['sums'];
}

type Elements = Int8Array | Uint8Array | Int16Array | Uint16Array | Float64Array;

/** Weights as they lie in memory: blocks of rows × length, which are summed over the rows. */
interface Rows {
  readonly blocks: number;
  readonly rows: number;
  readonly length: number;
  readonly taps: number;
  /** The source channel of a block's first row. */
  readonly channelOf: (block: number) => number;
}

function rowsOf({ shape }: ITensor, layout: Layout): Rows {
  if (layout.kind === 'matmul') {
    const [rows, length] = shape.slice(-2);
    return { blocks: sizeOf(shape.slice(0, -2)), rows, length, taps: 1, channelOf: () => 0 };
  }
  const [first, second] = shape;
  const taps = sizeOf(shape.slice(2));
  const perGroup = first / layout.group;
  return layout.kind === 'conv'
    ? { blocks: first, rows: second, length: taps, taps, channelOf: (o) => Math.floor(o / perGroup) * second }
    : { blocks: layout.group, rows: perGroup, length: second * taps, taps, channelOf: (group) => group * perGroup };
}

/** Elements of a projection. */
export function projectionSize(w: ITensor, layout: Layout): number {
  const { blocks, length } = rowsOf(w, layout);
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
  projection(w: ITensor, layout: Layout, vector: Vector, ring: Ring): Float64Array {
    const known = within(this.#projections, `${nameOf(layout)} ${ring.name}`);
    return remember(known, w, vector, () => {
      if (!isOnes(vector)) return products(elementsOf(w), rowsOf(w, layout), vector.data, ring);
      const isPerChannel = layout.kind === 'conv' && rowsOf(w, layout).length === 1;
      const sums = isPerChannel ? this.signed(w, layout).total : this.#sumsOf(w, layout).sums;
      return new Float64Array(sums).map(ring.reduce);
    });
  }

  signed(w: ITensor, layout: Layout): SignedSums {
    return remember(this.#signed, w, nameOf(layout), () => {
      const { blocks, rows, length, taps } = rowsOf(w, layout);
      // Rows of a filter lie side by side: all of its taps are one run.
      if (layout.kind === 'conv') {
        const { sums, aboves } = this.#add(w, blocks, rows * length, 1);
        return { total: sums, positive: aboves };
      }
      const { sums, aboves } = this.#sumsOf(w, layout);
      return { total: totals(sums, taps), positive: totals(aboves, taps) };
    });
  }

  #sumsOf(w: ITensor, layout: Layout): Sums {
    return remember(this.#sums, w, nameOf(layout), () => {
      const { blocks, rows, length } = rowsOf(w, layout);
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
      // |w| < 2^9 and |factor| < 2^31: 2^12 products add up to less than 2^53; those of large weights are below 2^32.
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
