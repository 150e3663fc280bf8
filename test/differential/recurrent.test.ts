/** Recurrent layers: on the addon as on the interpreter, and near ONNX Runtime. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createPeer, type Feeds } from '../../src/cli/onnxruntime.ts';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { compile } from '../../src/index.ts';
import { type Graph, GraphBuilder, type ITensor, interpret } from '../../src/ir/index.ts';
import { nnGru, nnLstm } from '../../src/ir/ops/nn_recurrent.op.ts';
import { qnnDynamicLstm } from '../../src/ir/ops/qnn_ops.ts';
import { sizeOf, tensor, toPublic } from '../../src/tensors/tensor.ts';
import { kernelIsas, random } from '../native/support.ts';
import { draws } from '../support/draws.ts';
import { writeModel } from '../support/onnx.ts';
import { expectAgreementOn } from './agreement.ts';

const int = (min: number, max: number) => fc.integer({ min, max });
const setting = fc.record({ isa: fc.constantFrom(...kernelIsas), threads: int(1, 2) });
const layer = fc.record({
  cell: fc.constantFrom('lstm' as const, 'gru' as const, 'gru-linear' as const),
  direction: fc.constantFrom('forward' as const, 'reverse' as const, 'bidirectional' as const),
  steps: int(1, 5),
  batch: int(1, 3),
  size: int(1, 20),
  hidden: fc.oneof(int(1, 9), int(10, 70)),
  hasBias: fc.boolean(),
  hasState: fc.boolean(),
  seed: fc.nat(0xffff),
});
type Layer = typeof layer extends fc.Arbitrary<infer D> ? D : never;

function graphOf({ cell, direction, steps, batch, size, hidden, hasBias, hasState, seed }: Layer) {
  const next = random(seed);
  const drawn = (...shape: number[]): ITensor =>
    tensor(
      'f32',
      Float32Array.from({ length: sizeOf(shape) }, () => 3 * (next() - 0.5)),
      shape,
    );
  const [directions, gates] = [direction === 'bidirectional' ? 2 : 1, cell === 'lstm' ? 4 : 3];
  const b = new GraphBuilder();
  const feeds: Record<string, ITensor> = { x: drawn(steps, batch, size) };
  const constant = (...shape: number[]) => b.constant(drawn(...shape) as ITensor<'f32'>);
  const state = (name: string) => {
    feeds[name] = drawn(directions, batch, hidden);
    return b.input(name, 'f32', [directions, batch, hidden]);
  };
  const operands = {
    x: b.input('x', 'f32', [steps, batch, size]),
    w: constant(directions, gates * hidden, size),
    r: constant(directions, gates * hidden, hidden),
    ...(hasBias && { bias: constant(directions, 2 * gates * hidden) }),
    ...(hasState && { h: state('h') }),
  };
  if (cell === 'lstm') {
    const all = b.emit(nnLstm, { ...operands, ...(hasState && { c: state('c') }) }, { direction });
    return { graph: b.finish([all.y, all.lastH, all.lastC]), feeds };
  }
  const { y, lastH } = b.emit(nnGru, operands, { direction, linearBeforeReset: cell === 'gru-linear' });
  return { graph: b.finish([y, lastH]), feeds };
}

/** Layers of bytes, whose inputs and states are quantized by each run. */
const dynamic = fc.record({
  layer,
  type: fc.constantFrom('u8' as const, 's8' as const),
  hasZeros: fc.boolean(),
  byColumn: fc.boolean(),
});

function dynamicGraphOf({
  layer: of,
  type,
  hasZeros,
  byColumn,
}: typeof dynamic extends fc.Arbitrary<infer D> ? D : never) {
  const { direction, steps, batch, size, hidden, hasBias, hasState, seed } = of;
  const next = random(seed);
  const low = type === 's8' ? -128 : 0;
  const floats = (shape: number[], factor = 3): ITensor<'f32'> =>
    tensor(
      'f32',
      Float32Array.from({ length: sizeOf(shape) }, () => factor * (next() - 0.5)),
      shape,
    );
  const bytes = (shape: number[]) =>
    tensor(
      type,
      Array.from({ length: sizeOf(shape) }, () => low + Math.floor(256 * next())),
      shape,
    );
  const directions = direction === 'bidirectional' ? 2 : 1;
  const each = byColumn ? [directions, 4 * hidden] : [directions];
  const b = new GraphBuilder();
  const feeds: Record<string, ITensor> = { x: floats([steps, batch, size]) };
  const state = (name: string) => {
    feeds[name] = floats([directions, batch, hidden]);
    return b.input(name, 'f32', [directions, batch, hidden]);
  };
  const { y, lastH, lastC } = b.emit(
    qnnDynamicLstm,
    {
      x: b.input('x', 'f32', [steps, batch, size]),
      w: b.constant(bytes([directions, size, 4 * hidden])),
      r: b.constant(bytes([directions, hidden, 4 * hidden])),
      sw: b.constant(floats(each, 0.02)),
      sr: b.constant(floats([directions], 0.02)),
      ...(hasZeros && { zw: b.constant(bytes(each)), zr: b.constant(bytes([directions])) }),
      ...(hasBias && { bias: b.constant(floats([directions, 8 * hidden])) }),
      ...(hasState && { h: state('h'), c: state('c') }),
    },
    { direction },
  );
  return { graph: b.finish([y, lastH, lastC]), feeds };
}

it('of bytes, on the addon as on the interpreter', () => {
  fc.assert(
    fc.property(dynamic, setting, (drawn, by) => {
      const { graph, feeds } = dynamicGraphOf(drawn);
      expectAgreementOn(graph, feeds, by);
    }),
    draws(100),
  );
});

it.each([
  [0, 2, 3],
  [2, 0, 3],
  [2, 2, 0],
])('of bytes, of %i steps, %i elements and %i inputs, on the interpreter', (steps, batch, size) => {
  const of = { cell: 'lstm', direction: 'bidirectional', hidden: 4, hasBias: true, hasState: true, seed: 7 } as const;
  const { graph, feeds } = dynamicGraphOf({
    layer: { ...of, steps, batch, size },
    type: 'u8',
    hasZeros: true,
    byColumn: false,
  });
  const [all, ...states] = graph.outputs.map((id) => interpret(graph, feeds)[id]);
  expect(all.data.length).toBe(steps * 2 * batch * 4);
  for (const state of states) expect(state.data.every(Number.isFinite)).toBe(true);
});

it('of bytes, written and read back', () => {
  fc.assert(
    fc.property(dynamic, (drawn) => {
      const { graph, feeds } = dynamicGraphOf(drawn);
      expect(interpret(importOnnx(exportOnnx(graph)), feeds)).toEqual(interpret(graph, feeds));
    }),
    draws(25),
  );
});

it('on the addon as on the interpreter', () => {
  fc.assert(
    fc.property(layer, setting, (drawn, by) => {
      const { graph, feeds } = graphOf(drawn);
      expectAgreementOn(graph, feeds, by);
    }),
    draws(100),
  );
});

/** Some units in the last place for each step. */
const NEAR = 1e-4;

function expectNear(actual: Float32Array, expected: ITensor): void {
  expect(actual.length).toBe(expected.data.length);
  for (let i = 0; i < actual.length; i++)
    expect(Math.abs(Number(actual[i]) - Number(expected.data[i]))).toBeLessThan(NEAR);
}

it('near ONNX Runtime, written and read back', async () => {
  await fc.assert(
    fc.asyncProperty(layer, async (drawn) => {
      const { graph, feeds } = graphOf(drawn);
      const bytes = exportOnnx(graph);
      const again: Graph = importOnnx(bytes);
      const expected = interpret(graph, feeds);
      expect(interpret(again, feeds)).toEqual(expected);
      const publicFeeds = Object.fromEntries(Object.entries(feeds).map(([id, t]) => [id, toPublic(t)]));
      const peer = await createPeer(bytes, { threads: 1 });
      const results = await peer.run(publicFeeds as unknown as Feeds);
      await peer.dispose();
      for (const [id, t] of Object.entries(expected)) expectNear(results[id].data as Float32Array, t);
    }),
    draws(30),
  );
});

/** ONNX Runtime leaves last states unwritten there, or ends the process. */
it.each(['LSTM', 'GRU'])('of no steps, %s: states are the given ones, whichever sizes come first', async (op) => {
  const [rows, names] = op === 'LSTM' ? [4 * 5, ['h', 'c']] : [3 * 5, ['h']];
  const next = random(11);
  const drawn = (...shape: number[]): ITensor<'f32'> =>
    tensor(
      'f32',
      Float32Array.from({ length: sizeOf(shape) }, () => next() - 0.5),
      shape,
    );
  const bytes = writeModel({
    inputs: [
      { name: 'x', type: 'float32', dims: ['steps', 'batch', 3] },
      ...names.map((name) => ({ name, type: 'float32', dims: [2, 'batch', 5] })),
    ],
    outputs: ['y', ...names.map((name) => `last ${name}`)].map((name) => ({ name, type: 'float32' })),
    nodes: [
      {
        op,
        inputs: ['x', 'w', 'r', '', '', ...names],
        outputs: ['y', ...names.map((name) => `last ${name}`)],
        attrs: { hidden_size: 5, direction: 'bidirectional' },
      },
    ],
    initializers: [
      { name: 'w', tensor: drawn(2, rows, 3) },
      { name: 'r', tensor: drawn(2, rows, 5) },
    ],
    opsets: { '': 17 },
  });
  const graph = importOnnx(bytes);
  for (const steps of [
    [0, 3, 0],
    [2, 0, 4],
  ]) {
    const model = await compile(bytes, { backends: ['onednn', 'onnxruntime'] });
    for (const count of steps) {
      const feeds: Record<string, ITensor> = { x: drawn(count, 2, 3) };
      for (const name of names) feeds[name] = drawn(2, 2, 5);
      const expected = interpret(graph, feeds);
      const given = Object.fromEntries(Object.entries(feeds).map(([id, t]) => [id, toPublic(t)]));
      const actual = await model.run(given);
      for (const [id, t] of Object.entries(expected)) expect(actual[id].data).toEqual(t.data);
      if (count > 0) continue;
      expect(actual.y.dims).toEqual([0, 2, 2, 5]);
      for (const name of names) expect(actual[`last ${name}`].data).toEqual(feeds[name].data);
    }
    model.dispose();
  }
});
