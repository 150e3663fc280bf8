/** Layers with state on floats, drawn at random, and the results of their runs in plain loops in binary64. */
import { type ITensor, sizeOf, tensor } from '../../src/tensors/index.ts';
import { type Draw, once, pick, random } from '../fuzz/draw.ts';
import { between } from './drawn.ts';
import { modelBytes, type TensorInit } from './model_writer.ts';
import type { Drawn } from './recurrent_layers.ts';

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const sumOf = (n: number, term: (i: number) => number): number => range(n).reduce((sum, i) => sum + term(i), 0);
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const within = (clip: number, x: number): number => (clip > 0 ? Math.min(Math.max(x, -clip), clip) : x);
/** Multiples of 1/64 from −2 to 2. */
const floats = (draw: Draw, shape: readonly number[]): ITensor<'f32'> =>
  tensor(
    'f32',
    Array.from({ length: sizeOf(shape) }, () => (draw(257) - 128) / 64),
    shape,
  );

const gateNames = ['input', 'forget', 'cell', 'output'] as const;
type GateName = (typeof gateNames)[number];

const activations = [
  [4, Math.tanh],
  [1, (x: number) => Math.max(x, 0)],
  [3, (x: number) => Math.min(Math.max(x, 0), 6)],
] as const;

export function lstm(seed: number): Drawn {
  const draw = random(seed);
  const [batch, steps, depth, cells] = [2, 3, 4, 5].map((most) => between(draw, 1, most));
  const [hasInputGate, hasPeepholes, isNormalized, hasProjection, isTimeMajor] = range(5).map(() => once(draw, 2));
  const outputs = hasProjection ? between(draw, 1, 5) : cells;
  const [cellClip, projectionClip] = [once(draw, 2) ? 0.75 : 0, once(draw, 2) ? 0.5 : 0];
  const [number, activation] = pick(draw, activations);
  const tensors: TensorInit[] = [];
  const add = (init: TensorInit): number => tensors.push(init) - 1;
  const sequence = isTimeMajor ? [steps, batch] : [batch, steps];
  const x = add({ dtype: 'f32', shape: [...sequence, depth] });
  const inputs = [x];
  /** One constant for each gate, where the layer has it. */
  const parts = (names: readonly GateName[], shape: readonly number[], has = true) => {
    const made: Partial<Record<GateName, ArrayLike<number>>> = {};
    for (const name of names) {
      if (!has || (name === 'input' && !hasInputGate)) inputs.push(-1);
      else {
        const data = floats(draw, shape);
        made[name] = data.data;
        inputs.push(add({ dtype: 'f32', shape, data }));
      }
    }
    return (name: GateName, i: number): number => made[name]?.[i] ?? 0;
  };
  const single = (shape: readonly number[], has: boolean) => {
    const data = floats(draw, shape);
    inputs.push(has ? add({ dtype: 'f32', shape, data }) : -1);
    return (i: number): number => (has ? data.data[i] : 0);
  };
  const w = parts(gateNames, [cells, depth]);
  const r = parts(gateNames, [cells, outputs]);
  const p = parts(['input', 'forget', 'output'], [cells], hasPeepholes);
  const bias = parts(gateNames, [cells]);
  const projection = single([outputs, cells], hasProjection);
  const projectionBias = single([outputs], hasProjection && once(draw, 2));
  inputs.push(add({ dtype: 'f32', shape: [batch, outputs], isVariable: true }));
  inputs.push(add({ dtype: 'f32', shape: [batch * cells], isVariable: true }));
  const norm = parts(gateNames, [cells], isNormalized);
  const y = add({ dtype: 'f32', shape: [...sequence, outputs] });
  const fields = [
    [0, number, 'int8'],
    [1, cellClip, 'float32'],
    [2, projectionClip, 'float32'],
    [3, isTimeMajor],
  ] as const;
  const name = 'UNIDIRECTIONAL_SEQUENCE_LSTM';
  const operators = [{ name, inputs, outputs: [y], options: { number: 71, fields } }];

  const [h, c] = [outputs, cells].map((size) => range(batch).map(() => Array<number>(size).fill(0)));
  const gate = (name: GateName, given: readonly number[], b: number): number[] => {
    const sums = range(cells).map((k) => {
      const fromX = sumOf(depth, (i) => w(name, k * depth + i) * given[i]);
      const fromH = sumOf(outputs, (i) => r(name, k * outputs + i) * h[b][i]);
      return fromX + fromH + p(name, k) * c[b][k] + (isNormalized ? 0 : bias(name, k));
    });
    if (!isNormalized) return sums;
    const mean = sumOf(cells, (k) => sums[k]) / cells;
    const variance = sumOf(cells, (k) => (sums[k] - mean) ** 2) / cells;
    return sums.map((v, k) => ((v - mean) / Math.sqrt(variance + 1e-8)) * norm(name, k) + bias(name, k));
  };
  const step = (given: readonly number[], b: number): readonly number[] => {
    const forget = gate('forget', given, b).map(sigmoid);
    const input = hasInputGate ? gate('input', given, b).map(sigmoid) : forget.map((v) => 1 - v);
    const added = gate('cell', given, b).map(activation);
    c[b] = c[b].map((v, k) => within(cellClip, forget[k] * v + input[k] * added[k]));
    const shown = gate('output', given, b).map((v, k) => sigmoid(v) * activation(c[b][k]));
    if (!hasProjection) h[b] = shown;
    else
      h[b] = range(outputs).map((o) =>
        within(projectionClip, sumOf(cells, (k) => projection(o * cells + k) * shown[k]) + projectionBias(o)),
      );
    return h[b];
  };
  const runs = range(2).map(() => {
    const given = floats(draw, [...sequence, depth]);
    const values = Array<number>(batch * steps * outputs).fill(0);
    for (const s of range(steps))
      for (const b of range(batch)) {
        const row = isTimeMajor ? s * batch + b : b * steps + s;
        const part = range(depth).map((i) => given.data[row * depth + i]);
        for (const [o, value] of step(part, b).entries()) values[row * outputs + o] = value;
      }
    return { x: given, y: tensor('f32', values, [...sequence, outputs]) };
  });
  return { model: modelBytes({ tensors, inputs: [x], outputs: [y], operators }), runs };
}

/** SVDF on floats, by weights of floats or of bytes; the rows of x are such that they are quantized without a rest. */
export function svdf(seed: number): Drawn {
  const draw = random(seed);
  const [batch, depth, units, rank, memory] = [2, 5, 3, 2, 4].map((most) => between(draw, 1, most));
  const [filters, isHybrid, hasBias, isPositive] = [units * rank, ...range(3).map(() => once(draw, 2))] as const;
  const scale = isHybrid ? 2 ** -6 : 1;
  const weights = (shape: readonly number[]): TensorInit & { readonly data: ITensor } =>
    isHybrid
      ? {
          dtype: 's8',
          shape,
          scale,
          data: tensor(
            's8',
            range(sizeOf(shape)).map(() => draw(255) - 127),
            shape,
          ),
        }
      : { dtype: 'f32', shape, data: floats(draw, shape) };
  const [features, time] = [weights([filters, depth]), weights([filters, memory])];
  const bias = floats(draw, [units]);
  const tensors: TensorInit[] = [
    { dtype: 'f32', shape: [batch, depth] },
    features,
    time,
    { dtype: 'f32', shape: [units], data: bias },
    { dtype: 'f32', shape: [batch, filters * memory], isVariable: true },
    { dtype: 'f32', shape: [batch, units] },
  ];
  const options = {
    number: 6,
    fields: [
      [0, rank],
      [1, Number(isPositive), 'int8'],
    ],
  } as const;
  const operators = [{ name: 'SVDF', inputs: [0, 1, 2, hasBias ? 3 : -1, 4], outputs: [5], options }];
  const remembered = range(batch * filters).map(() => Array<number>(memory).fill(0));
  const runs = range(memory + 2).map(() => {
    const x = tensor(
      'f32',
      range(batch * depth).map((i) => (i % depth === 0 ? 127 / 64 : (draw(255) - 127) / 64)),
      [batch, depth],
    );
    const values = range(batch * units).map((at) => {
      const [b, u] = [Math.floor(at / units), at % units];
      const filtered = sumOf(rank, (i) => {
        const k = u * rank + i;
        const line = remembered[b * filters + k];
        line.shift();
        line.push(sumOf(depth, (d) => x.data[b * depth + d] * Number(features.data.data[k * depth + d]) * scale));
        return sumOf(memory, (m) => line[m] * Number(time.data.data[k * memory + m]) * scale);
      });
      const value = filtered + (hasBias ? bias.data[u] : 0);
      return isPositive ? Math.max(value, 0) : value;
    });
    return { x, y: tensor('f32', values, [batch, units]) };
  });
  return { model: modelBytes({ tensors, inputs: [0], outputs: [5], operators }), runs };
}
