/** Layers with state, drawn at random, and the results of their runs in plain loops on exact integers. */
import type { DType } from '../../src/ir/index.ts';
import { logisticOfWord, tanhOfWord } from '../../src/numerics/index.ts';
import { type ITensor, sizeOf, tensor } from '../../src/tensors/index.ts';
import { type Draw, once, pick, random } from '../fuzz/draw.ts';
import { between } from './drawn.ts';
import { clamp, nearest, two } from './exact.ts';
import { type ModelInit, modelBytes, type TensorInit } from './model_writer.ts';

export interface Drawn {
  readonly model: Uint8Array;
  /** The input of each run, and the result. */
  readonly runs: readonly { readonly x: ITensor; readonly y: ITensor }[];
}

const RUNS = 3;
const f = Math.fround;

/** Tensors of a model in the making, by their places. */
class Tensors {
  readonly list: TensorInit[] = [];
  readonly #draw: Draw;

  constructor(draw: Draw) {
    this.#draw = draw;
  }

  add(init: TensorInit): number {
    return this.list.push(init) - 1;
  }

  /** Integers from −most to most. */
  integers(shape: readonly number[], most: number): number[] {
    return Array.from({ length: sizeOf(shape) }, () => this.#draw(2 * most + 1) - most);
  }

  constant(dtype: DType, shape: readonly number[], values: readonly number[], scale: number): number {
    return this.add({ dtype, shape, scale, data: tensor(dtype, values, shape) });
  }
}

const scaleNear = (draw: Draw, exponent: number): number => f(2 ** exponent * (1 + draw(1000) / 1000));
const zeroPoint = (draw: Draw): number => pick(draw, [0, -128, 127, between(draw, -128, 127)]);
const bytes = (draw: Draw, shape: readonly number[]): ITensor =>
  tensor(
    's8',
    Array.from({ length: sizeOf(shape) }, () => draw(256) - 128),
    shape,
  );
const sat16 = (x: bigint): number => clamp(-(2 ** 15), 2 ** 15 - 1, x);
const sat8 = (x: bigint): number => clamp(-128, 127, x);
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const sumOf = (n: number, term: (i: number) => number): bigint =>
  range(n).reduce((sum, i) => sum + BigInt(term(i)), 0n);

export function svdf(seed: number): Drawn {
  const draw = random(seed);
  const t = new Tensors(draw);
  const [batch, depth, units, rank, memory] = [2, 9, 4, 2, 5].map((most) => between(draw, 1, most));
  const filters = units * rank;
  const [sx, sf, st] = [scaleNear(draw, -6), scaleNear(draw, -7), scaleNear(draw, -15)];
  const ss = f((sx * sf * 5000 * Math.sqrt(depth)) / 12000);
  const sy = f((Math.sqrt(memory * rank) * 12000 * 15000 * ss * st) / between(draw, 20, 90));
  const [zx, zy] = [zeroPoint(draw), zeroPoint(draw)];
  const features = t.integers([filters, depth], 127);
  const time = t.integers([filters, memory], 32767);
  const bias = once(draw, 3) ? undefined : t.integers([units], 200_000);
  const x = t.add({ dtype: 's8', shape: [batch, depth], scale: sx, zeroPoint: zx });
  const inputs = [
    x,
    t.constant('s8', [filters, depth], features, sf),
    t.constant('s16', [filters, memory], time, st),
    bias ? t.constant('s32', [units], bias, f(ss * st)) : -1,
    t.add({ dtype: 's16', shape: [batch, filters * memory], scale: ss, isVariable: true }),
  ];
  const y = t.add({ dtype: 's8', shape: [batch, units], scale: sy, zeroPoint: zy });
  const options = {
    number: 6,
    fields: [
      [0, rank],
      [1, 1, 'int8'],
    ],
  } as const;
  const operators = [{ name: 'SVDF', inputs, outputs: [y], options }];
  const remembered = range(batch * filters).map(() => Array<number>(memory).fill(0));
  const runs = range(RUNS + memory).map(() => {
    const given = bytes(draw, [batch, depth]);
    const values: number[] = [];
    for (const b of range(batch)) {
      for (const k of range(filters)) {
        const sum = sumOf(depth, (i) => (Number(given.data[b * depth + i]) - zx) * features[k * depth + i]);
        const line = remembered[b * filters + k];
        line.shift();
        line.push(sat16(two(sum, f(f(sx * sf) / ss))));
      }
      for (const u of range(units)) {
        const terms = sumOf(rank * memory, (i) => {
          const k = u * rank + Math.floor(i / memory);
          return remembered[b * filters + k][i % memory] * time[k * memory + (i % memory)];
        });
        const sum = BigInt.asIntN(32, terms + BigInt(bias?.[u] ?? 0));
        values.push(sat8(two(sum, f(f(ss * st) / sy)) + BigInt(zy)));
      }
    }
    return { x: given, y: tensor('s8', values, [batch, units]) };
  });
  return { model: modelBytes({ tensors: t.list, inputs: [x], outputs: [y], operators }), runs };
}

const gateNames = ['input', 'forget', 'cell', 'output'] as const;
type GateName = (typeof gateNames)[number];

/** A gate: weights, scales and bias. */
interface Gate {
  readonly w: readonly number[];
  readonly sw: number;
  readonly r: readonly number[];
  readonly sr: number;
  readonly bias: readonly number[];
  readonly peephole: readonly number[] | undefined;
  readonly sp: number;
}

export function lstm(seed: number): Drawn {
  const draw = random(seed);
  const t = new Tensors(draw);
  const [batch, steps, depth, cells] = [3, 4, 5, 6].map((most) => between(draw, 1, most));
  const [hasInputGate, hasPeepholes, hasProjection] = [!once(draw, 3), once(draw, 3), once(draw, 2)];
  const outputs = hasProjection && !hasPeepholes ? between(draw, 1, 6) : cells;
  const isTimeMajor = once(draw, 2);
  const [sx, zx] = [scaleNear(draw, -7), zeroPoint(draw)];
  const [sh, zh] = [f(1 / between(draw, 70, 300)), between(draw, -20, 20)];
  const bits = between(draw, 0, 6);
  const sc = 2 ** (bits - 15);
  const [hidden, z] = hasProjection ? [f(1 / between(draw, 70, 300)), between(draw, -127, 127)] : [sh, zh];
  const [cellClip, projectionClip] = [once(draw, 2) ? 1.25 : 0, once(draw, 2) ? f(0.4) : 0];
  const gates: Partial<Record<GateName, Gate>> = {};
  for (const name of gateNames) {
    if (name === 'input' && !hasInputGate) continue;
    gates[name] = {
      w: t.integers([cells, depth], 127),
      sw: scaleNear(draw, -9),
      r: t.integers([cells, outputs], 127),
      sr: scaleNear(draw, -9),
      bias: t.integers([cells], 3000),
      peephole: hasPeepholes && name !== 'cell' ? t.integers([cells], 32767) : undefined,
      sp: scaleNear(draw, -16),
    };
  }
  const sequence = isTimeMajor ? [steps, batch] : [batch, steps];
  const x = t.add({ dtype: 's8', shape: [...sequence, depth], scale: sx, zeroPoint: zx });
  const each = (names: readonly GateName[], of: (gate: Gate) => number): number[] =>
    names.map((name) => {
      const gate = gates[name];
      return gate ? of(gate) : -1;
    });
  const projection = hasProjection ? t.integers([outputs, cells], 127) : undefined;
  const projectionBias = hasProjection && once(draw, 2) ? t.integers([outputs], 3000) : undefined;
  const sp = scaleNear(draw, -7);
  const inputs = [
    x,
    ...each(gateNames, ({ w, sw }) => t.constant('s8', [cells, depth], w, sw)),
    ...each(gateNames, ({ r, sr }) => t.constant('s8', [cells, outputs], r, sr)),
    ...each(['input', 'forget', 'output'], ({ peephole, sp }) =>
      peephole ? t.constant('s16', [cells], peephole, sp) : -1,
    ),
    ...each(gateNames, ({ bias, sw }) => t.constant('s32', [cells], bias, f(sw * sx))),
    projection ? t.constant('s8', [outputs, cells], projection, sp) : -1,
    projectionBias ? t.constant('s32', [outputs], projectionBias, f(sp * hidden)) : -1,
    t.add({ dtype: 's8', shape: [batch, outputs], scale: sh, zeroPoint: zh, isVariable: true }),
    t.add({ dtype: 's16', shape: [batch, cells], scale: sc, isVariable: true }),
    ...(once(draw, 2) ? [] : [-1, -1, -1, -1]),
  ];
  const y = t.add({ dtype: 's8', shape: [...sequence, outputs], scale: sh, zeroPoint: zh });
  const unread = t.add({ dtype: 's16', shape: [], scale: 2 ** -12 });
  const inner = t.add({ dtype: 's8', shape: [], scale: hidden, zeroPoint: z });
  const intermediates = [unread, unread, unread, unread, inner];
  const fields = [
    [0, 4, 'int8'],
    [1, cellClip, 'float32'],
    [2, projectionClip, 'float32'],
    [3, isTimeMajor],
  ] as const;
  const operators: ModelInit['operators'] = [
    { name: 'UNIDIRECTIONAL_SEQUENCE_LSTM', inputs, outputs: [y], intermediates, options: { number: 71, fields } },
  ];

  const [h, c] = [Array<number>(batch * outputs).fill(zh), Array<number>(batch * cells).fill(0)];
  const gateOf = (name: GateName, at: number, given: readonly number[], before: readonly number[], k: number) => {
    const gate = gates[name];
    if (gate === undefined) throw new Error(`no gate '${name}'`);
    const fromX = sumOf(depth, (i) => (given[i] - zx) * gate.w[k * depth + i]) + BigInt(gate.bias[k]);
    const fromH = sumOf(outputs, (i) => (before[i] - zh) * gate.r[k * outputs + i]);
    const first = sat16(two(fromX, f(f(gate.sw * sx) / 2 ** -12)));
    const sum = sat16(BigInt(first) + two(fromH, f(f(gate.sr * sh) / 2 ** -12)));
    if (gate.peephole === undefined) return sum;
    return sat16(BigInt(sum) + two(BigInt(c[at] * gate.peephole[k]), f((sc * gate.sp) / 2 ** -12)));
  };
  const halved = (a: number, b: number, shift: number) => nearest(BigInt(a * b), 1n << BigInt(shift), 'away');
  const within = (clip: number, scale: number, most: number, value: number) => {
    const limit = Math.min(Math.trunc(f(clip / scale)), most);
    return limit > 0 ? Math.min(Math.max(value, -limit), limit) : value;
  };
  const step = (b: number, given: readonly number[]): number[] => {
    const before = h.slice(b * outputs, (b + 1) * outputs);
    const shown = range(cells).map((k) => {
      const at = b * cells + k;
      const forget = logisticOfWord(gateOf('forget', at, given, before, k));
      const input = hasInputGate ? logisticOfWord(gateOf('input', at, given, before, k)) : 2 ** 15 - 1 - forget;
      const added = halved(input, tanhOfWord(gateOf('cell', at, given, before, k), 3), 15 + bits);
      c[at] = within(cellClip, sc, 2 ** 15 - 1, sat16(halved(forget, c[at], 15) + added));
      const output = logisticOfWord(gateOf('output', at, given, before, k));
      const value = two(BigInt(output * tanhOfWord(c[at], bits)), f(2 ** -30 / hidden));
      return sat8(value + BigInt(projection ? -z : z));
    });
    const results = range(outputs).map((o) => {
      if (projection === undefined) return shown[o];
      const sum = sumOf(cells, (k) => (shown[k] + z) * projection[o * cells + k]) + BigInt(projectionBias?.[o] ?? 0);
      return within(projectionClip, sh, 127, sat8(two(sum, f(f(sp * hidden) / sh)) + BigInt(zh)));
    });
    for (const o of range(outputs)) h[b * outputs + o] = results[o];
    return results;
  };
  const runs = range(RUNS).map(() => {
    const given = bytes(draw, [...sequence, depth]);
    const values = Array<number>(sizeOf(sequence) * outputs).fill(0);
    for (const s of range(steps))
      for (const b of range(batch)) {
        const row = isTimeMajor ? s * batch + b : b * steps + s;
        const part = Array.from({ length: depth }, (_, i) => Number(given.data[row * depth + i]));
        for (const [o, value] of step(b, part).entries()) values[row * outputs + o] = value;
      }
    return { x: given, y: tensor('s8', values, [...sequence, outputs]) };
  });
  return { model: modelBytes({ tensors: t.list, inputs: [x], outputs: [y], operators }), runs };
}
