/**
 * w − zw, as one tensor for all pairs with equal differences. So the weights that a rewrite made from weights and zero
 * points are recognized as the weights of a product without zero points, and facts about them are computed once.
 */
import {
  type ByteType,
  byteTypes,
  type ITensor,
  isTensorOf,
  layoutKey,
  type ProductLayout,
  sizeOf,
  tensorOfType,
  weightsLayout,
} from '../ir/index.ts';
import { remember, within } from './remember.ts';
import { integers, unsupported } from './terms.ts';

/** Weights in runs that share a zero point, or (`step` 1) have one each. */
interface Runs {
  readonly length: number;
  readonly step: 0 | 1;
  /** The zero point of run k, or of its first element. */
  readonly zeroOf: (k: number) => number;
}

/** Zero points are a single one, or one for each result channel; of a matmul also for each batch. */
function runsOf(layout: ProductLayout, { shape }: ITensor, zeroPoints: ITensor): Runs {
  if (zeroPoints.data.length === 1) return { length: sizeOf(shape), step: 0, zeroOf: () => 0 };
  if (layout.kind === 'matmul') return rowsOf(shape, zeroPoints.shape);
  const { sizes, steps } = weightsLayout(layout, shape);
  // runs of a filter follow upon one another, filter by filter
  const perGroup = steps.group / steps.filter;
  return {
    length: steps.filter,
    step: 0,
    zeroOf: (k) => Math.floor(k / perGroup) * sizes.filter + (k % sizes.filter),
  };
}

/** Rows of [batch…, K, N] with zero points [batch…, 1, N or 1], or [N]. */
function rowsOf(shape: readonly number[], zeros: readonly number[]): Runs {
  const [rows, columns] = shape.length > 1 ? shape.slice(-2) : [1, 1];
  const own = zeros[zeros.length - 1];
  const batch = zeros.slice(0, -2);
  const isByBatch = sizeOf(batch) > 1;
  if ((own !== 1 && own !== columns) || (isByBatch && batch.join() !== shape.slice(0, -2).join()))
    return unsupported('zero points that are broadcast to several batches');
  return {
    length: columns,
    step: own === 1 ? 0 : 1,
    zeroOf: (row) => (isByBatch ? Math.floor(row / rows) * own : 0),
  };
}

/** Bytes, and differences of bytes. */
type Narrow = ITensor<ByteType | 's16'>;
type Elements = Narrow['data'];

export class CentredWeights {
  readonly #known = new Map<string, Set<Narrow>>();
  readonly #made = new Map<string, Map<ITensor, Map<ITensor, ITensor>>>();

  /** Weights that w − zw may turn out to be. */
  know(w: ITensor): void {
    if (isTensorOf(w, 's8', 's16')) this.#ofShape(w).add(w);
  }

  /** Which weights a zero point belongs to depends on how they are laid out. */
  of(layout: ProductLayout, w: ITensor, zeroPoints: ITensor): ITensor {
    return remember(within(this.#made, layoutKey(layout)), w, zeroPoints, () => {
      const zeros = integers(zeroPoints);
      if (zeros.every((zero) => zero === 0)) return w;
      const narrow = tensorOfType(w, ...byteTypes, 's16');
      const runs = runsOf(layout, w, zeroPoints);
      const isEqual = (other: Narrow) => equals(narrow.data, zeros, runs, other.data);
      return [...this.#ofShape(w)].find(isEqual) ?? this.#centred(narrow, zeros, runs);
    });
  }

  #centred(w: Narrow, zeros: Float64Array, { length, step, zeroOf }: Runs): ITensor {
    const data = new Int16Array(w.data);
    for (let k = 0, at = 0; at < data.length; k++)
      for (let end = at + length, zero = zeroOf(k); at < end; at++, zero += step) data[at] -= zeros[zero];
    const made: ITensor<'s16'> = { dtype: 's16', shape: w.shape, data };
    this.know(made);
    return made;
  }

  #ofShape({ shape }: ITensor): Set<Narrow> {
    const key = shape.join();
    const known = this.#known.get(key) ?? new Set<Narrow>();
    this.#known.set(key, known);
    return known;
  }
}

/** True when values − zeros equals `other`; the first element mostly decides. */
function equals(values: Elements, zeros: Float64Array, { length, step, zeroOf }: Runs, other: Elements): boolean {
  for (let k = 0, at = 0; at < values.length; k++)
    if (!runEquals(values, at, (at += length), zeros, zeroOf(k), step, other)) return false;
  return true;
}

function runEquals(
  values: Elements,
  from: number,
  to: number,
  zeros: Float64Array,
  first: number,
  step: number,
  other: Elements,
): boolean {
  if (step === 0) {
    const zero = zeros[first] | 0;
    for (let i = from; i < to; i++) if (((values[i] - zero) | 0) !== other[i]) return false;
    return true;
  }
  for (let i = from, zero = first; i < to; i++, zero += step) if (values[i] - zeros[zero] !== other[i]) return false;
  return true;
}
