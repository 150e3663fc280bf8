/** The roundings of ONNX Runtime lie within the declared bounds, even when all of them go the same way. */
import { describe, expect, it } from 'vitest';
import { agreement } from '../../../src/cli/agreement.ts';
import type { Observed } from '../../../src/cli/compare.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { type ITensor, sizeOf, tensor } from '../../../src/ir/index.ts';
import { type ModelInitializer, type ModelNode, writeModel } from '../../support/onnx.ts';
import { runOnnx } from '../onnx_export/support.ts';

interface Sum {
  readonly nodes: readonly ModelNode[];
  readonly initializers?: readonly ModelInitializer[];
  readonly x: ITensor;
}

const filled = (shape: readonly number[], value: (i: number) => number): ITensor =>
  tensor(
    'f32',
    Array.from({ length: sizeOf(shape) }, (_, i) => value(i)),
    shape,
  );
const reduced = (op: string, value: (i: number) => number): Sum => ({
  nodes: [{ op, inputs: ['x'], outputs: ['y'], attrs: { keepdims: 0 } }],
  x: filled([1800], value),
});
const equal = () => 2.4353;
const alternating = (i: number) => (i % 2 === 0 ? 0 : -5.0627e9);

const sums: Readonly<Record<string, Sum>> = {
  'a bias that is large beside the product': {
    nodes: [
      { op: 'MatMul', inputs: ['x', 'w'], outputs: ['p'] },
      { op: 'Add', inputs: ['p', 'b'], outputs: ['y'] },
    ],
    initializers: [
      { name: 'w', tensor: filled([31, 17], (i) => Math.sin(i) * 3) },
      { name: 'b', tensor: filled([17], (i) => Math.cos(i) * 3e5) },
    ],
    x: filled([1, 31], (i) => Math.sin(i * 7) * 2),
  },
  'products of equal terms, column by column': {
    nodes: [{ op: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }],
    initializers: [{ name: 'w', tensor: filled([256, 17], (i) => Math.sin(1 + (i % 17)) / 7) }],
    x: filled([1, 256], equal),
  },
  'convolutions of equal terms, filter by filter': {
    nodes: [{ op: 'Conv', inputs: ['x', 'w'], outputs: ['y'] }],
    initializers: [{ name: 'w', tensor: filled([17, 64, 2, 2], (i) => Math.sin(1 + Math.floor(i / 256)) / 7) }],
    x: filled([1, 64, 5, 5], equal),
  },
  'products of codes of 4 bits with one scale, all positive': {
    nodes: [{ op: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }],
    initializers: [{ name: 'w', tensor: filled([4096, 16], (i) => 0.1 + (i % 16) / 31) }],
    x: filled([64, 4096], (i) => ((i * 7919) % 16) * (0.0731 + Math.floor(i / 4096) / 640)),
  },
  'products of positive terms, the first the largest': {
    nodes: [{ op: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }],
    initializers: [
      { name: 'w', tensor: filled([2048, 64], (i) => (i < 64 ? 2000 : 1) * (0.5 + 0.5 * Math.sin(i * 1.7))) },
    ],
    x: filled([128, 2048], (i) => 0.5 + 0.5 * Math.cos(i * 0.731)),
  },
  'sums of few sizes': reduced('ReduceSum', (i) => ((i * 37) % 5) * 0.1),
  // x − max is rounded in units of itself, and its exponential by that factor
  'a softmax of terms that lie far apart': {
    nodes: [{ op: 'Softmax', inputs: ['x'], outputs: ['y'], attrs: { axis: 0 } }],
    x: filled([300], (i) => Math.fround(0.3) * ((i * 37) % 255) + 0.0137),
  },
  ...Object.fromEntries(
    ['Elu', 'Celu', 'Selu'].map((op) => [
      `${op} with a large factor`,
      {
        nodes: [{ op, inputs: ['x'], outputs: ['y'], attrs: { alpha: { f: 2 ** 8 } } }],
        x: filled([60], (i) => -i / 30),
      },
    ]),
  ),
  ...Object.fromEntries(
    ['ReduceSum', 'ReduceL1', 'ReduceL2', 'ReduceSumSquare', 'ReduceLogSum'].flatMap((op) => [
      [`${op} of equal terms`, reduced(op, equal)],
      ...(op === 'ReduceLogSum' ? [] : [[`${op} of zeros and equal terms`, reduced(op, alternating)]]),
    ]),
  ),
};

describe.each(Object.entries(sums))('%s', (_name, { nodes, initializers = [], x }) => {
  const model = writeModel({
    nodes,
    initializers,
    inputs: [{ name: 'x', type: 'float32', dims: x.shape }],
    outputs: [{ name: 'y', type: 'float32' }],
  });
  const seen = (y: ITensor) =>
    agreement({ graph: importOnnx(model), engine: 'onnxruntime' }, { x }, new Map([['y', y]]) as unknown as Observed);

  it.each(['disabled', 'all'] as const)('holds for onnxruntime, optimizations %s', async (mode) => {
    const { y } = await runOnnx(model, { x }, mode);
    expect(seen(y).divergence).toBeUndefined();
  });

  it('is not anything', async () => {
    const { y } = await runOnnx(model, { x });
    const off = { ...y, data: (y.data as Float32Array).map((v) => v * 1.001) } as ITensor;
    expect(seen(off).divergence).toBeDefined();
  });
});
