/** Operators of ONNX that are graphs of several of ours, and that no released runtime has for these types, by their definitions. */
import { describe, expect, it } from 'vitest';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { type DType, dtypes, type Feeds, type ITensor, interpret, sizeOf, tensor } from '../../../src/ir/index.ts';
import { type ModelNode, writeModel } from '../../support/onnx.ts';

/** The outputs of one node on its inputs. */
function run(node: Omit<ModelNode, 'inputs'>, operands: readonly (ITensor | undefined)[]): Record<string, ITensor> {
  const inputs = operands.map((t, i) => (t ? `i${i}` : ''));
  const given = operands.flatMap((t, i) => (t ? [{ name: `i${i}`, t }] : []));
  const bytes = writeModel({
    nodes: [{ ...node, inputs }],
    inputs: given.map(({ name, t }) => ({ name, type: dtypes[t.dtype].onnx, dims: t.shape })),
    outputs: node.outputs.map((name) => ({ name })),
    opsets: { '': 28 },
  });
  const graph = importOnnx(bytes);
  expect(graph.origin?.unsupported ?? []).toEqual([]);
  return interpret(graph, Object.fromEntries(given.map(({ name, t }) => [name, t])) as Feeds);
}

describe('BitShift', () => {
  const types: readonly DType[] = ['u8', 's8', 'u16', 's16', 'u32', 's32', 'u64', 's64'];
  for (const dtype of types)
    for (const direction of ['LEFT', 'RIGHT'])
      it(`${direction} of ${dtype}`, () => {
        const { bits, kind } = dtypes[dtype];
        const wrap = (v: bigint) => (kind === 'signed' ? BigInt.asIntN(bits, v) : BigInt.asUintN(bits, v));
        const numbers = [0n, 1n, 5n, 77n, -1n, -2n, -77n, 1n << BigInt(bits - 1), (1n << BigInt(bits - 1)) - 1n].map(
          wrap,
        );
        const shifts = [0, 1, 2, 3, bits / 2, bits - 1, bits, bits + 3, ...(kind === 'signed' ? [-1, -3] : [])];
        const pairs = numbers.flatMap((x) => shifts.map((y) => [x, y] as const));
        const of = (values: readonly bigint[]) =>
          tensor(dtype, (bits === 64 ? values : values.map(Number)) as never, [values.length]);
        const { y } = run({ op: 'BitShift', outputs: ['y'], attrs: { direction } }, [
          of(pairs.map(([x]) => x)),
          of(pairs.map(([, by]) => BigInt(by))),
        ]);
        const expected = pairs.map(([x, by]) => {
          const whole = by < 0 || by > bits ? BigInt(bits) : BigInt(by);
          return wrap(direction === 'LEFT' ? x << whole : x >> whole);
        });
        expect(Array.from<number | bigint, bigint>(y.data, BigInt)).toEqual(expected);
      });
});

it('SwiGLU', () => {
  const [a, b] = [tensor('f32', [0, 1, -2], [3]), tensor('f32', [5, 3, 0.5], [3])];
  const { y } = run({ op: 'SwiGLU', outputs: ['y'], attrs: { alpha: { f: 2 } } }, [a, b]);
  const expected = [0, 3 / (1 + Math.exp(-2)), -1 / (1 + Math.exp(4))];
  expect(Array.from(y.data as Float32Array, (v, i) => Math.abs(v - expected[i]) < 1e-6)).toEqual([true, true, true]);
});

describe('CausalConvWithState', () => {
  const x = tensor('f32', [1, 2, 3, 4, 5, 6], [1, 2, 3]);
  const weight = tensor('f32', [1, 10, 100, 2, 20, 200], [2, 1, 3]);
  const node = { op: 'CausalConvWithState', outputs: ['y', 'state'] };
  it('begins with zeros', () => {
    const { y, state } = run(node, [x, weight, tensor('f32', [0.5, 0])]);
    expect([...y.data]).toEqual([100.5, 210.5, 321.5, 800, 1080, 1308]);
    expect([...state.data]).toEqual([2, 3, 5, 6]);
  });
  it('goes on behind the positions of a state', () => {
    const { y, state } = run(node, [x, weight, undefined, tensor('f32', [7, 8, 9, 0], [1, 2, 2])]);
    expect([...y.data]).toEqual([187, 218, 321, 818, 1080, 1308]);
    expect([...state.data]).toEqual([2, 3, 5, 6]);
  });
});

describe('recurrent layers', () => {
  const [steps, batch, size, hidden] = [3, 2, 4, 5];
  const drawn = (shape: readonly number[], seed: number) =>
    tensor(
      'f32',
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * 1.7 + seed)),
      shape,
    );
  const exchanged = ({ shape: [a, b, ...rest], data }: ITensor): ITensor => {
    const inner = rest.reduce((x, y) => x * y, 1);
    const values = Array.from({ length: data.length }, (_, i) => {
      const [row, column] = [Math.floor(i / inner / a), Math.floor(i / inner) % a];
      return Number(data[(column * b + row) * inner + (i % inner)]);
    });
    return tensor('f32', values, [b, a, ...rest]);
  };
  for (const [op, gates] of [
    ['LSTM', 4],
    ['GRU', 3],
  ] as const)
    for (const direction of ['forward', 'bidirectional'])
      it(`${op}, ${direction}, with the batch first`, () => {
        const count = direction === 'forward' ? 1 : 2;
        const weights = [drawn([count, gates * hidden, size], 1), drawn([count, gates * hidden, hidden], 2)];
        const [x, h] = [drawn([steps, batch, size], 3), drawn([count, batch, hidden], 4)];
        const node = { op, outputs: ['y', 'last'] };
        const attrs = { hidden_size: hidden, direction };
        const usual = run({ ...node, attrs }, [x, ...weights, undefined, undefined, h]);
        const first = run({ ...node, attrs: { ...attrs, layout: 1 } }, [
          exchanged(x),
          ...weights,
          undefined,
          undefined,
          exchanged(h),
        ]);
        expect(first.y.shape).toEqual([batch, steps, count, hidden]);
        expect(exchanged(first.last)).toEqual(usual.last);
        // [batch, steps, directions, hidden] of [steps, directions, batch, hidden]
        const place = (n: number, s: number, d: number) => ((s * count + d) * batch + n) * hidden;
        for (let i = 0; i < first.y.data.length; i += hidden) {
          const [n, s, d] = [
            Math.floor(i / hidden / count / steps),
            Math.floor(i / hidden / count) % steps,
            (i / hidden) % count,
          ];
          const at = place(n, s, d);
          expect([...first.y.data.slice(i, i + hidden)]).toEqual([...usual.y.data.slice(at, at + hidden)]);
        }
      });
});

it('SpaceToDepth in the order of channels', () => {
  const x = tensor(
    'f32',
    Array.from({ length: 16 }, (_, i) => i),
    [1, 2, 2, 4],
  );
  const { y } = run({ op: 'SpaceToDepth', outputs: ['y'], attrs: { blocksize: 2, mode: 'CRD' } }, [x]);
  expect(y.shape).toEqual([1, 8, 1, 2]);
  expect([...y.data]).toEqual([0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15]);
});

describe('BitCast', () => {
  const bits = [0, 1, 127, 128, 255];
  it('between integers of one size', () => {
    const bytes = tensor('u8', bits, [5]);
    const { y } = run({ op: 'BitCast', outputs: ['y'], attrs: { to: 3 } }, [bytes]);
    expect([y.dtype, ...y.data]).toEqual(['s8', ...new Int8Array(Uint8Array.from(bits).buffer)]);
    const wide = tensor('s64', [-1n, 5n], [2]);
    const { z } = run({ op: 'BitCast', outputs: ['z'], attrs: { to: 13 } }, [wide]);
    expect([...z.data]).toEqual([2n ** 64n - 1n, 5n]);
  });
  it('of truth values', () => {
    const { y } = run({ op: 'BitCast', outputs: ['y'], attrs: { to: 2 } }, [tensor('bool', [1, 0, 1], [3])]);
    expect([y.dtype, ...y.data]).toEqual(['u8', 1, 0, 1]);
  });
});

describe('extremes of truth values', () => {
  for (const [op, ofNone, ofBoth] of [
    ['ReduceMax', 0, 1],
    ['ReduceMin', 1, 0],
  ] as const)
    it(op, () => {
      const of = (values: readonly number[]) => {
        const x = tensor('bool', values, [values.length, 1]);
        const { y } = run({ op, outputs: ['y'], attrs: { keepdims: 0 } }, [x]);
        return [y.dtype, ...y.data];
      };
      expect([of([0, 0]), of([0, 1]), of([1, 1]), of([])]).toEqual(
        [0, ofBoth, 1, ofNone].map((value) => ['bool', value]),
      );
    });
});

describe('LinearAttention', () => {
  const [n, steps, heads, groups, size, width] = [2, 3, 2, 2, 2, 3];
  const drawn = (seed: number, shape: readonly number[]) =>
    tensor(
      'f32',
      Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i * seed + 1)),
      shape,
    );
  const q = drawn(1.3, [n, steps, heads * groups * size]);
  const [k, v] = [drawn(0.7, [n, steps, heads * size]), drawn(2.1, [n, steps, heads * width])];
  const past = drawn(0.3, [n, heads, size, width]);
  const decay = drawn(0.9, [n, steps, heads]);
  const beta = drawn(1.7, [n, steps, 1]);

  /** By the formulas, element by element. */
  function expected(rule: string, before: ITensor | undefined): readonly [y: number[], state: number[]] {
    const state = Array.from({ length: n * heads * size * width }, (_, i) => (before ? Number(before.data[i]) : 0));
    const y = Array<number>(n * steps * heads * groups * width).fill(0);
    const at = (t: ITensor, i: number) => Number(t.data[i]);
    for (let b = 0; b < n; b++)
      for (let t = 0; t < steps; t++)
        for (let h = 0; h < heads; h++) {
          const row = b * steps + t;
          const cell = (i: number, j: number) => ((b * heads + h) * size + i) * width + j;
          const gate = rule.startsWith('gated') ? Math.exp(at(decay, row * heads + h)) : 1;
          for (let i = 0; i < size; i++) for (let j = 0; j < width; j++) state[cell(i, j)] *= gate;
          for (let j = 0; j < width; j++) {
            let seen = 0;
            for (let i = 0; i < size; i++) seen += at(k, (row * heads + h) * size + i) * state[cell(i, j)];
            const rest = at(v, (row * heads + h) * width + j) - (rule.endsWith('delta') ? seen : 0);
            const added = rest * (rule.endsWith('delta') ? at(beta, row) : 1);
            for (let i = 0; i < size; i++) state[cell(i, j)] += at(k, (row * heads + h) * size + i) * added;
          }
          for (let g = 0; g < groups; g++)
            for (let j = 0; j < width; j++)
              for (let i = 0; i < size; i++) {
                const head = row * heads * groups + h * groups + g;
                y[head * width + j] += (at(q, head * size + i) * state[cell(i, j)]) / Math.sqrt(size);
              }
        }
    return [y, state];
  }

  for (const rule of ['linear', 'gated', 'delta', 'gated_delta'])
    for (const before of [undefined, past])
      it(`${rule}, ${before ? 'behind a state' : 'from the start'}`, () => {
        const attrs = { update_rule: rule, q_num_heads: heads * groups, kv_num_heads: heads };
        const operands = [q, k, v, before, rule.startsWith('gated') ? decay : undefined];
        if (rule.endsWith('delta')) operands.push(beta);
        const made = run({ op: 'LinearAttention', outputs: ['y', 'state'], attrs }, operands);
        const right = expected(rule, before);
        for (const [i, got] of [made.y, made.state].entries())
          for (const [at, value] of right[i].entries()) expect(Number(got.data[at])).toBeCloseTo(value, 5);
        expect([made.y.shape, made.state.shape]).toEqual([[n, steps, heads * groups * width], past.shape]);
      });
});
