/** Convolutions, transposed or not, of sums of terms: which positions are alike, and the values at some of them. */
import { type ConvAttrs, type ITensor, type ProductLayout, sizeOf } from '../ir/index.ts';
import { type Marks, marked, positions } from './marks.ts';
import type { Ring } from './ring.ts';
import type { Side } from './side.ts';
import {
  type Dense,
  outer,
  type Reading,
  readAlong,
  readingsOf,
  type Term,
  type Terms,
  taken,
  unsupported,
  type Vector,
} from './terms.ts';

export interface Window extends ConvAttrs {
  readonly transposed: boolean;
  /** [O, C/group, taps…], or [C, O/group, taps…] when transposed. */
  readonly wShape: readonly number[];
}

/** The source position that tap k of result position p reads, undefined outside of the source. */
function sourceAt({ transposed, strides, pads, dilations }: Window, axis: number, p: number, k: number, size: number) {
  const [stride, pad, dilation] = [strides[axis], pads[axis], dilations[axis]];
  const at = transposed ? (p + pad - k * dilation) / stride : p * stride - pad + k * dilation;
  return Number.isInteger(at) && at >= 0 && at < size ? at : undefined;
}

/**
 * For every axis of the result the kinds of its positions: positions of one kind read the same taps, and read alike
 * elements.
 */
export function windowKinds(x: Terms, window: Window, shape: readonly number[]): (Marks | undefined)[] {
  return shape.map((size, axis) => {
    if (axis === 0) return x.marks[0];
    return axis === 1 ? positions(size) : readingKinds(window, axis - 2, size, x.shape[axis], x.marks[axis]);
  });
}

/** Positions that lie d apart read d·stride apart; of a transposed convolution d/stride. Every result channel is of its own kind. */
export const windowReadings = (x: Terms, { strides, transposed }: Window): readonly Reading[] =>
  readAlong(readingsOf(x.terms), ([batch, , ...spatial]) => [
    batch,
    0,
    ...spatial.map((slope, a) => (transposed ? slope / strides[a] : slope * strides[a])),
  ]);

/** Positions are alike whose taps read the same: which of them are outside says it for every size of the source. */
const readingKinds = (window: Window, axis: number, size: number, source: number, marks: Marks | undefined): Marks =>
  marked(size, (p) => {
    let key = 'reads ';
    for (let k = 0; k < window.wShape[axis + 2]; k++) {
      const at = sourceAt(window, axis, p, k, source);
      key += at === undefined ? '-,' : `${marks ? marks[at] : ''},`;
    }
    return key;
  });

/** The properties of a window that all positions share, whatever the size of the source. */
export const windowSums = ({ strides, pads, dilations, group, wShape }: Window, x: Terms): readonly unknown[] => [
  strides,
  pads,
  dilations,
  group,
  wShape,
  x.shape[1],
];

/** Terms with the same vector along the channels need one projection of the weights. */
function byChannels(terms: readonly Term[]): Map<Vector, Term[]> {
  const groups = new Map<Vector, Term[]>();
  for (const term of terms) groups.set(term.axes[1], [...(groups.get(term.axes[1]) ?? []), term]);
  return groups;
}

/**
 * scale · batch ⊗ (the element under each tap at each position): [tap, batch, position], taps and positions row major.
 */
function readings(term: Term, window: Window, at: readonly Int32Array[], ring: Ring): Float64Array {
  let table = outer(term.scale, [taken(term.axes[0], at[0])], ring);
  let [rows, columns] = [1, at[0].length];
  for (let axis = 2; axis < at.length; axis++) {
    const { data } = term.axes[axis];
    const [taps, positions] = [window.wShape[axis], at[axis].length];
    const next = new Float64Array(table.length * taps * positions);
    for (let k = 0; k < taps; k++) {
      for (let p = 0; p < positions; p++) {
        const source = sourceAt(window, axis - 2, at[axis][p], k, data.length);
        if (source === undefined) continue;
        for (let row = 0; row < rows; row++)
          for (let column = 0; column < columns; column++)
            next[((row * taps + k) * columns + column) * positions + p] = ring.mul(
              table[row * columns + column],
              data[source],
            );
      }
    }
    table = next;
    rows *= taps;
    columns *= positions;
  }
  return table;
}

/** The result at the coordinates `at`; all result channels. Known weights. */
export function windowProduct(
  x: Terms,
  w: ITensor,
  window: Window,
  shape: readonly number[],
  at: readonly Int32Array[],
  { weights, ring }: Side,
): Dense {
  const layout: ProductLayout = { kind: window.transposed ? 'conv_transpose' : 'conv', group: window.group };
  const [batch, filters] = [at[0].length, shape[1]];
  if (at[1].length !== filters) unsupported('a part of the channels');
  const positions = sizeOf(at.slice(2).map((list) => list.length));
  const taps = sizeOf(window.wShape.slice(2));
  const sums = new Float64Array(filters * batch * positions);
  for (const [vector, terms] of byChannels(x.terms)) {
    const table = terms.map((term) => readings(term, window, at, ring)).reduce((all, part) => ring.add(all, part, 1));
    const projected = weights.projection(w, layout, vector, ring);
    ring.multiplyInto(sums, projected, table, filters, taps, batch * positions);
  }
  return { kind: 'dense', shape, at, data: batchFirst(sums, filters, batch, positions) };
}

function batchFirst(sums: Float64Array, filters: number, batch: number, positions: number): Float64Array {
  if (batch === 1) return sums;
  const data = new Float64Array(sums.length);
  for (let o = 0; o < filters; o++)
    for (let n = 0; n < batch; n++)
      data.set(
        sums.subarray((o * batch + n) * positions, (o * batch + n + 1) * positions),
        (n * filters + o) * positions,
      );
  return data;
}

/** The same for unknown weights: terms times terms. */
export function unknownWindowProduct(
  x: Terms,
  w: Terms,
  window: Window,
  shape: readonly number[],
  at: readonly Int32Array[],
  ring: Ring,
): Dense {
  const { group, transposed, wShape } = window;
  const [filters, channels] = [shape[1], x.shape[1]];
  const [filtersPerGroup, channelsPerGroup] = [filters / group, channels / group];
  const sizes = at.map((list) => list.length);
  const data = new Float64Array(sizeOf(sizes));
  for (const term of x.terms) {
    for (const factor of w.terms) {
      const scale = ring.mul(term.scale, factor.scale);
      const [first, second] = factor.axes.map((v) => v.data);
      const perFilter = new Float64Array(filters);
      for (let o = 0; o < filters; o++) {
        const g = Math.floor(o / filtersPerGroup);
        let sum = 0;
        for (let c = 0; c < channelsPerGroup; c++) {
          const v = term.axes[1].data[g * channelsPerGroup + c];
          const u = transposed ? first[g * channelsPerGroup + c] : second[c];
          sum = ring.reduce(sum + ring.mul(v, u));
        }
        perFilter[o] = ring.mul(sum, transposed ? second[o % filtersPerGroup] : first[o]);
      }
      const axes = at.map((list, axis) => {
        if (axis === 0) return Float64Array.from(list, (n) => term.axes[0].data[n]);
        if (axis === 1) return Float64Array.from(list, (o) => perFilter[o]);
        return Float64Array.from(list, (p) => {
          let sum = 0;
          for (let k = 0; k < wShape[axis]; k++) {
            const source = sourceAt(window, axis - 2, p, k, x.shape[axis]);
            if (source !== undefined)
              sum = ring.reduce(sum + ring.mul(term.axes[axis].data[source], factor.axes[axis].data[k]));
          }
          return sum;
        });
      });
      const part = outer(scale, axes, ring);
      for (let i = 0; i < data.length; i++) data[i] = ring.reduce(data[i] + part[i]);
    }
  }
  return { kind: 'dense', shape, at, data };
}
