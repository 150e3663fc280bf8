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
      : rowSums(elementsOf(w), { blocks, rows, length });
  }
}

/** 8- and 16-bit weights as they are, others as checked integers. */
const elementsOf = (w: ITensor): Elements => (isTensorOf(w, 's8', 'u8', 's16', 'u16', 'bool') ? w.data : integers(w));

/** Blocks of elements as doubles, one at a time: loops over arrays of one type are several times as fast as over any. */
class Blocks {
  readonly #elements: Elements;
  readonly #doubles: Float64Array;

  constructor(elements: Elements, { rows, length }: Size) {
    this.#elements = elements;
    this.#doubles = new Float64Array(rows * length);
  }

  /** The elements of a block, until the next one is asked for. */
  get(block: number): Float64Array {
    const { length } = this.#doubles;
    this.#doubles.set(this.#elements.subarray(block * length, (block + 1) * length));
    return this.#doubles;
  }
}

type Size = Pick<Rows, 'blocks' | 'rows' | 'length'>;

/** The same of elements of any type, exact. */
function rowSums(elements: Elements, size: Size): Sums {
  const { blocks, length } = size;
  const [sums, aboves] = [new Float64Array(blocks * length), new Float64Array(blocks * length)];
  const all = new Blocks(elements, size);
  for (let block = 0; block < blocks; block++) {
    const data = all.get(block);
    if (length === 1) {
      [sums[block], aboves[block]] = sumsOf(data);
      continue;
    }
    for (let at = 0; at < data.length; ) {
      for (let to = block * length, end = to + length; to < end; to++) {
        const v = data[at++];
        sums[to] += v;
        aboves[to] += Math.max(v, 0);
      }
    }
  }
  return { sums, aboves };
}

function sumsOf(data: Float64Array): readonly [sum: number, above: number] {
  let sum = 0;
  let above = 0;
  for (let i = 0; i < data.length; i++) {
    const v = data[i];
    sum += v;
    if (v > 0) above += v;
  }
  return [sum, above];
}

/** Σw·vector by block and place in a row. */
function products(elements: Elements, rows: Rows, vector: Float64Array, ring: Ring): Float64Array {
  if (elements instanceof Float64Array) return largeProducts(elements, rows, vector, ring);
  const { blocks, length, channelOf } = rows;
  const out = new Float64Array(blocks * length);
  const all = new Blocks(elements, rows);
  for (let block = 0; block < blocks; block++) {
    const data = all.get(block);
    if (length === 1) out[block] = dotProduct(data, vector, channelOf(block), ring);
    else addRowProducts(data, vector, channelOf(block), ring, out.subarray(block * length, (block + 1) * length));
  }
  return out;
}

/** |w| < 2^16 and |factor| < 2^31: 2^6 products add up to no more than 2^53. */
const UNREDUCED = 2 ** 6;

function dotProduct(data: Float64Array, vector: Float64Array, first: number, ring: Ring): number {
  let total = 0;
  for (let i = 0; i < data.length; ) {
    let sum = 0;
    for (const end = Math.min(i + UNREDUCED, data.length); i < end; i++) sum += data[i] * vector[first + i];
    total = ring.reduce(total + ring.reduce(sum));
  }
  return total;
}

/** Rows as long as `out`, each by its element of the vector. */
function addRowProducts(data: Float64Array, vector: Float64Array, first: number, ring: Ring, out: Float64Array): void {
  const rows = data.length / out.length;
  for (let row = 0, at = 0; row < rows; row++) {
    const factor = vector[first + row];
    for (let i = 0; i < out.length; i++) out[i] += data[at++] * factor;
    // a representative and UNREDUCED − 1 products
    if (row % (UNREDUCED - 1) === UNREDUCED - 2 || row === rows - 1)
      for (let i = 0; i < out.length; i++) out[i] = ring.reduce(out[i]);
  }
}

/** Products in the ring: weights of any size. */
function largeProducts(
  data: Float64Array,
  { blocks, rows, length, channelOf }: Rows,
  vector: Float64Array,
  ring: Ring,
): Float64Array {
  const out = new Float64Array(blocks * length);
  for (let block = 0, at = 0; block < blocks; block++) {
    for (let row = 0; row < rows; row++) {
      const factor = ring.reduce(vector[channelOf(block) + row]);
      for (let to = block * length, end = to + length; to < end; to++)
        out[to] = ring.reduce(out[to] + ring.mul(ring.reduce(data[at++]), factor));
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
