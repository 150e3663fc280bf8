/** The steps of recurrent layers: one direction of them after another, each step rounded to binary32. */
import { fusedMultiplyAdd, sigmoid, tanh } from '../../numerics/index.ts';
import type { ITensor } from '../../tensors/index.ts';
import type { Refuse } from '../define_op.ts';
import type { Shape, TensorType } from '../types.ts';

const fl = Math.fround;

export const ways = ['forward', 'reverse', 'bidirectional'] as const;
export type Way = (typeof ways)[number];
export const directionsOf = (way: Way): number => (way === 'bidirectional' ? 2 : 1);

interface Types {
  readonly x: TensorType;
  readonly w: TensorType;
  readonly r: TensorType;
  readonly bias?: TensorType;
  readonly h?: TensorType;
  readonly c?: TensorType;
}

/** The sizes of a layer with `gates` parts in each row of its weights; operands that do not fit are refused. */
export function sizesOf({ x, w, r, ...more }: Types, gates: number, way: Way, refuse: Refuse) {
  if (x.shape.length !== 3) refuse('x should be [steps, batch, size]', 'x');
  const [steps, batch, size] = x.shape;
  const directions = directionsOf(way);
  const hidden = r.shape[2];
  if (r.shape.length !== 3 || typeof hidden !== 'number') return refuse('r should be [directions, gates, hidden]', 'r');
  const expect = (name: string, shape: Shape, wanted: Shape) => {
    const fits = shape.length === wanted.length && wanted.every((d, i) => d === shape[i] || !bothKnown(d, shape[i]));
    if (!fits) refuse(`${name} should be [${wanted.join(', ')}], but is [${shape.join(', ')}]`, name);
  };
  expect('w', w.shape, [directions, gates * hidden, size]);
  expect('r', r.shape, [directions, gates * hidden, hidden]);
  if (more.bias) expect('bias', more.bias.shape, [directions, 2 * gates * hidden]);
  for (const name of ['h', 'c'] as const) {
    const state = more[name];
    if (state) expect(name, state.shape, [directions, batch, hidden]);
  }
  return { steps, batch, directions, hidden };
}
const bothKnown = (a: number | string, b: number | string): boolean => typeof a === 'number' && typeof b === 'number';

interface Layer {
  readonly x: ITensor;
  readonly w: ITensor;
  readonly r: ITensor;
  readonly bias?: ITensor;
  readonly h?: ITensor;
  readonly c?: ITensor;
}

/** One step of one element of a batch: new states from the sums of the input, the old states and the recurrent weights. */
export type Step = (sums: Float32Array, state: StepState) => void;
export interface StepState {
  readonly h: Float32Array;
  readonly c: Float32Array;
  /** start + Σ h[k]·R[row, k] for a row of R, each product fused with the sum before it, in the order of k. */
  readonly recurrent: (row: number, start: number, h: ArrayLike<number>) => number;
  /** The second half of the bias, from which the sums of a candidate begin. */
  readonly ownBias: (row: number) => number;
}

/**
 * Runs all directions.
 *
 * The sums of the input are b + Σ x[k]·W[row, k], each product fused with the sum before it, b the sum fl(bW + bR) of both halves of the bias, or bW alone from the row
 * `aloneFrom` on, whose second half the step adds by itself.
 */
export function runRecurrence(layer: Layer, gates: number, way: Way, aloneFrom: number, step: Step) {
  const { x, w, r, bias } = layer;
  const [steps, batch, size] = x.shape;
  const hidden = r.shape[2];
  const rows = gates * hidden;
  const directions = directionsOf(way);
  const y = new Float32Array(steps * directions * batch * hidden);
  const [lastH, lastC] = [layer.h, layer.c].map((t) =>
    t ? Float32Array.from(t.data as Float32Array) : new Float32Array(directions * batch * hidden),
  );
  const numbers = (t: ITensor) => t.data as Float32Array;
  for (let d = 0; d < directions; d++) {
    const biasAt = (row: number) => (bias ? numbers(bias)[d * 2 * rows + row] : 0);
    const starts = Float32Array.from({ length: rows }, (_, row) =>
      row < aloneFrom ? biasAt(row) + biasAt(rows + row) : biasAt(row),
    );
    const sumOf = (
      from: Float32Array,
      at: number,
      count: number,
      v: ArrayLike<number>,
      first: number,
      start: number,
    ) => {
      let sum = start;
      for (let k = 0; k < count; k++) sum = fusedMultiplyAdd(v[first + k], from[at + k], sum);
      return sum;
    };
    for (let b = 0; b < batch; b++) {
      const place = (d * batch + b) * hidden;
      const state: StepState = {
        h: lastH.subarray(place, place + hidden),
        c: lastC.subarray(place, place + hidden),
        recurrent: (row, start, h) => sumOf(numbers(r), (d * rows + row) * hidden, hidden, h, 0, start),
        ownBias: (row) => biasAt(rows + row),
      };
      for (let i = 0; i < steps; i++) {
        const t = way === 'reverse' || d === 1 ? steps - 1 - i : i;
        const sums = starts.map((start, row) =>
          sumOf(numbers(w), (d * rows + row) * size, size, numbers(x), (t * batch + b) * size, start),
        );
        step(sums, state);
        y.set(state.h, ((t * directions + d) * batch + b) * hidden);
      }
    }
  }
  return { y, lastH, lastC };
}

/** Gates i, o, f, c: s = fl(a + Σ h·R), c' = σ(s_f)·c + σ(s_i)·tanh(s_c), h' = σ(s_o)·tanh(c'). */
export const lstmStep: Step = (sums, { h, c, recurrent }) => {
  const hidden = h.length;
  const s = sums.map((sum, row) => recurrent(row, sum, h));
  for (let j = 0; j < hidden; j++) {
    const [input, output, forget, cell] = [0, 1, 2, 3].map((gate) => s[gate * hidden + j]);
    c[j] = fl(sigmoid(forget) * c[j]) + fl(sigmoid(input) * tanh(cell));
    h[j] = sigmoid(output) * tanh(c[j]);
  }
};

/** Gates z, r, h: the candidate n is reset before or after its product with R; h' = (1 − z)·n + z·h. */
export const gruStep =
  (linearBeforeReset: boolean): Step =>
  (sums, { h, recurrent, ownBias }) => {
    const hidden = h.length;
    const gate = (g: number) =>
      Float32Array.from(h, (_, j) => sigmoid(recurrent(g * hidden + j, sums[g * hidden + j], h)));
    const [update, reset] = [gate(0), gate(1)];
    const scaled = Float32Array.from(h, (value, j) => reset[j] * value);
    const candidate = Float32Array.from(h, (_, j) => {
      const row = 2 * hidden + j;
      if (!linearBeforeReset) return tanh(recurrent(row, sums[row], scaled));
      return tanh(fl(sums[row] + fl(reset[j] * recurrent(row, ownBias(row), h))));
    });
    h.forEach((value, j) => {
      h[j] = fl(fl(1 - update[j]) * candidate[j]) + fl(update[j] * value);
    });
  };
