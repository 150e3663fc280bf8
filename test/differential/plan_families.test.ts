/** A network at many sizes whose plans follow from a few: every result is that of the interpreter. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PlanFamilies } from '../../src/codegen/index.ts';
import { type Graph, GraphBuilder, interpret, specialize, tensor } from '../../src/ir/index.ts';
import { nnAdd } from '../../src/ir/ops/nn_elementwise_binary.op.ts';
import { nnMatmul } from '../../src/ir/ops/nn_matmul.op.ts';
import { nnConcat, nnReshape, nnShape, nnTranspose } from '../../src/ir/ops/nn_movement.op.ts';
import { nnLayerNorm } from '../../src/ir/ops/nn_norm.op.ts';
import { nnMaxPool } from '../../src/ir/ops/nn_pool.op.ts';
import { nnRange } from '../../src/ir/ops/nn_range.op.ts';
import { nnReduceMean } from '../../src/ir/ops/nn_reduce.op.ts';
import { nnSlice } from '../../src/ir/ops/nn_slice.op.ts';
import { nnSoftmax } from '../../src/ir/ops/nn_softmax.op.ts';
import { qnnConv } from '../../src/ir/ops/qnn_conv.op.ts';
import { qnnDynamicQuantize } from '../../src/ir/ops/qnn_dynamic_quantize.op.ts';
import { qnnGlobalAveragePool } from '../../src/ir/ops/qnn_global_average_pool.op.ts';
import { qnnMatmul } from '../../src/ir/ops/qnn_matmul.op.ts';
import { openHere } from '../../src/runtime/backends.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { Executable } from '../../src/runtime/executable.ts';
import { feedsOf } from '../../src/testing/index.ts';
import { draws } from '../support/draws.ts';

const bytes = (shape: readonly number[], seed: number) =>
  tensor(
    'u8',
    Uint8Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (i * 37 + seed) % 256),
    shape,
  );
const floats = (count: number, first: number) =>
  tensor(
    'f32',
    Float32Array.from({ length: count }, (_, i) => first + i / 8),
    [count],
  );
const scalar = (value: bigint) => tensor('s64', BigInt64Array.of(value), []);

/** Attention over `length` positions of a batch, with what stands around it. */
function attention(): Graph {
  const b = new GraphBuilder();
  const x = b.input('x', 'f32', ['batch', 'length', 24]);
  const mask = b.input('mask', 'f32', ['batch', 1, 1, 'length']);
  const normal = b.emit(nnLayerNorm, { x, scale: b.constant(floats(24, 1)), bias: b.constant(floats(24, -1)) });
  const { y: byte, zp } = b.emit(qnnDynamicQuantize, { x: normal });
  const sums = b.emit(qnnMatmul, {
    a: byte,
    b: b.constant(bytes([24, 24], 2)),
    za: zp,
    zb: b.constant(tensor('u8', [131], [])),
  });
  const heads = b.emit(
    nnTranspose,
    { x: b.emit(nnReshape, { x }, { shape: ['batch', 'length', 4, 6] }) },
    { perm: [0, 2, 1, 3] },
  );
  const scores = b.emit(nnMatmul, { a: heads, b: b.emit(nnTranspose, { x: heads }, { perm: [0, 1, 3, 2] }) });
  const weights = b.emit(nnSoftmax, { x: b.emit(nnAdd, { a: scores, b: mask }) }, { axis: -1 });
  const mixed = b.emit(nnMatmul, { a: weights, b: heads });
  const joined = b.emit(nnConcat, { xs: [x, x] }, { axis: 1 });
  const tail = b.emit(nnSlice, { x: joined }, { starts: [3], ends: [-2], axes: [1], steps: [1] });
  const positions = b.emit(
    nnRange,
    { start: b.constant(scalar(5n)), delta: b.constant(scalar(-3n)) },
    { count: ['length'] },
  );
  const mean = b.emit(nnReduceMean, { x: tail }, { axes: [1], keepdims: false });
  // in front of a quantization products of floats are exact
  const step = b.emit(qnnDynamicQuantize, { x: mixed });
  return b.finish([sums, step.y, step.scale, mean, positions, b.emit(nnShape, { x: tail })]);
}

/** A convolution whose image grows. */
function convolution(): Graph {
  const b = new GraphBuilder();
  const image = b.emit(qnnDynamicQuantize, { x: b.input('image', 'f32', ['batch', 16, 'length', 9]) });
  const attrs = { strides: [1, 2], dilations: [1, 1], pads: [1, 1, 1, 1], group: 1 };
  const w = b.constant(bytes([70, 16, 3, 3], 1));
  return b.finish([b.emit(qnnConv, { x: image.y, w, zx: image.zp, zw: b.constant(bytes([70], 5)) }, attrs)]);
}

/** Windows with a step of 2, twice, and a mean, whose factor is a quotient of the sizes. */
function strided(): Graph {
  const b = new GraphBuilder();
  const quantized = (seed: number) => ({
    sx: b.scalar('f32', 0.1 + seed / 8),
    zx: b.scalar('u8', 7),
    sy: b.scalar('f32', 0.17),
    zy: b.scalar('u8', 40),
  });
  const steps = { strides: [2, 2], dilations: [1, 1], pads: [1, 1, 1, 1] };
  const window = { ...steps, kernel: [3, 3] };
  const x = b.input('image', 'u8', ['batch', 16, 'length', 9]);
  const w = b.constant(
    tensor(
      's8',
      Int8Array.from({ length: 24 * 16 * 9 }, (_, i) => ((i * 37) % 256) - 128),
      [24, 16, 3, 3],
    ),
  );
  const sums = b.emit(qnnConv, { x, w, zx: b.scalar('u8', 7) }, { ...steps, group: 1 });
  const halved = b.emit(nnMaxPool, { x }, window);
  const mean = b.emit(qnnGlobalAveragePool, { x: b.emit(nnMaxPool, { x: halved }, window), ...quantized(1) });
  return b.finish([sums, mean]);
}

/** True where the plan at these sizes follows from others. Its results are those of the interpreter in any case. */
function isMember(families: PlanFamilies, bound: ReadonlyMap<string, number>, seed: number): boolean {
  const { graph } = families;
  const feeds = feedsOf(specialize(graph, bound), { pattern: 'random', seed });
  const executable = Executable.at(families, bound);
  expect(executable.runSync(feeds)).toEqual(interpret(graph, feeds));
  executable.dispose();
  return families.memberAt(bound) !== undefined;
}

const sizes = fc.record({ batch: fc.integer({ min: 1, max: 5 }), length: fc.integer({ min: 3, max: 30 }) });

describe.each([
  ['attention', attention()],
  ['convolution', convolution()],
])('%s', (_, network) => {
  it.each([
    [
      'one symbol',
      fc.array(sizes, { minLength: 4, maxLength: 12 }).map((all) => all.map((one) => ({ ...one, batch: 1 }))),
    ],
    ['two symbols', fc.array(sizes, { minLength: 6, maxLength: 14 })],
  ])('equals the interpreter at all sizes of %s', (_, runs) => {
    const { graph } = compileGraph(network, { threads: 1 });
    let members = 0;
    fc.assert(
      fc.property(runs, (all) => {
        const families = new PlanFamilies(graph, openHere(['onednn'], 1));
        for (const one of all) {
          if (isMember(families, new Map(Object.entries(one)), one.length)) members++;
        }
      }),
      draws(8),
    );
    expect(members).toBeGreaterThan(10);
  });
});

it('windows with a step, at sizes of every remainder, give what the interpreter gives', () => {
  const { graph } = compileGraph(strided(), { threads: 1 });
  const families = new PlanFamilies(graph, openHere(['onednn'], 1));
  let members = 0;
  for (let i = 0; i < 48; i++) {
    const bound = new Map([
      ['batch', 2],
      ['length', 26 + ((i * 7) % 48)],
    ]);
    if (isMember(families, bound, i)) members++;
  }
  expect(members).toBeGreaterThan(30);
});

/** A word behind `past` others, whose mask is one longer: each word has sizes of its own, which grow together. */
function decoder(): Graph {
  const b = new GraphBuilder();
  const query = b.input('query', 'f32', ['batch', 4, 'length', 6]);
  const past = b.input('past', 'f32', ['batch', 4, 'past', 6]);
  const mask = b.input('mask', 'f32', ['batch', 1, 1, 'whole']);
  const present = b.emit(nnConcat, { xs: [past, query] }, { axis: 2 });
  const keys = b.emit(nnTranspose, { x: present }, { perm: [0, 1, 3, 2] });
  const scores = b.emit(nnAdd, { a: b.emit(nnMatmul, { a: query, b: keys }), b: mask });
  const mixed = b.emit(nnMatmul, { a: b.emit(nnSoftmax, { x: scores }, { axis: -1 }), b: present });
  return b.finish([mixed, present]);
}

it('sizes that grow together have one family, and no run of other sizes is its member', () => {
  const { graph } = compileGraph(decoder(), { threads: 1 });
  const families = new PlanFamilies(graph, openHere(['onednn'], 1));
  const sizesOf = (past: number, length = 1, batch = 1) =>
    new Map(Object.entries({ batch, length, past, whole: past + length }));
  let members = 0;
  const steps = [
    sizesOf(0, 5),
    ...Array.from({ length: 40 }, (_, i) => sizesOf(5 + i)),
    sizesOf(7, 2),
    sizesOf(9, 3, 2),
  ];
  for (const [i, bound] of steps.entries()) {
    if (isMember(families, bound, i)) members++;
  }
  expect(members).toBeGreaterThan(30);
  const wrong = new Map([...sizesOf(20), ['whole', 30]]);
  expect(families.memberAt(wrong)).toBeUndefined();
  expect(() => Executable.at(families, wrong)).toThrowError(expect.objectContaining({ code: 'U2004' }));
});
