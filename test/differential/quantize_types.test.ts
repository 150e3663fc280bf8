/**
 * QuantizeLinear and DequantizeLinear of 16-bit floats, to the bit: per tensor, along an axis and by blocks. A quotient is in binary32 before
 * version 23, and then in the type of the scale or of `precision`; a product is rounded to the output type alone. So say the operator's
 * description and ONNX Runtime 1.32; that of Node.js, 1.30, agrees before version 23.
 */
import { expect, it } from 'vitest';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { interpret, tensor } from '../../src/ir/index.ts';
import {
  clampTo,
  float8ToNumber,
  halfToNumber,
  numberToFloat8,
  numberToHalf,
  roundHalfEven,
} from '../../src/numerics/index.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { Model } from '../../src/runtime/model.ts';
import { type DType, dtypes, isFloat8 } from '../../src/tensors/dtype.ts';
import { type ITensor, sizeOf, toPublic } from '../../src/tensors/tensor.ts';
import { type ModelNode, writeModel } from '../support/onnx.ts';
import { random } from '../unit/numerics/ort.ts';
import { runOnnx } from '../unit/onnx_export/support.ts';

type Real = 'f16' | 'f32';
const SHAPE = [4, 256];
const BLOCK = 64;
const ways = {
  'per tensor': { shape: [], attrs: {}, indexOf: () => 0 },
  'along an axis': { shape: [4], attrs: { axis: 0 }, indexOf: (i: number) => Math.floor(i / SHAPE[1]) },
  'by blocks': {
    shape: [4, SHAPE[1] / BLOCK],
    attrs: { axis: 1, block_size: BLOCK },
    indexOf: (i: number) => Math.floor(i / BLOCK),
  },
} as const;
const everyWay = Object.keys(ways) as (keyof typeof ways)[];

const next = random(11);
const rounded = (dtype: Real, x: number): number =>
  dtype === 'f16' ? halfToNumber(numberToHalf(Math.fround(x))) : Math.fround(x);
const stored = (dtype: Real, numbers: readonly number[], shape: readonly number[]): ITensor =>
  tensor(dtype, dtype === 'f16' ? Uint16Array.from(numbers, numberToHalf) : Float32Array.from(numbers), shape);
const drawn = (dtype: Real, count: number, make: () => number) =>
  Array.from({ length: count }, () => rounded(dtype, make()));
const scales = (dtype: Real, way: keyof typeof ways) => drawn(dtype, sizeOf(ways[way].shape), () => 0.02 + next() / 5);

/** The meaning, the addon, and ONNX Runtime where its version agrees. */
async function expectOutputs(
  { nodes, initializers, opset }: { nodes: ModelNode[]; initializers: Record<string, ITensor>; opset: number },
  x: ITensor,
  expected: ITensor,
) {
  const bytes = writeModel({
    nodes,
    inputs: [{ name: 'x', type: dtypes[x.dtype].onnx, dims: [...x.shape] }],
    outputs: [{ name: 'y' }],
    initializers: Object.entries(initializers).map(([name, value]) => ({ name, tensor: value })),
    opsets: { '': opset },
  });
  const graph = importOnnx(bytes);
  expect(graph.origin?.unsupported ?? []).toEqual([]);
  const { y } = interpret(graph, { x });
  expect([y.dtype, y.shape]).toEqual([expected.dtype, expected.shape]);
  expect([...y.data]).toEqual([...expected.data]);
  const model = new Model(compileGraph(graph));
  expect([...model.runSync({ x: toPublic(x) }).y.data]).toEqual([...y.data]);
  model.dispose();
  if (opset < 23) expect([...(await runOnnx(bytes, { x })).y.data]).toEqual([...y.data]);
}

const quotients: readonly (readonly [opset: number, x: Real, scale: Real, precision?: Real])[] = [
  [19, 'f16', 'f16'],
  [21, 'f16', 'f16'],
  [23, 'f16', 'f16'],
  [23, 'f32', 'f16'],
  [25, 'f16', 'f32'],
  [23, 'f16', 'f16', 'f32'],
  [25, 'f32', 'f32', 'f16'],
];
for (const [opset, from, by, precision] of quotients)
  for (const way of everyWay)
    for (const to of ['s8', 's16', 'u4', 'f8e4m3fn'] as const)
      if (opset >= 21 || (way !== 'by blocks' && (to === 's8' || to === 'f8e4m3fn')))
        it(`${from} / ${by}${precision ? ` in ${precision}` : ''} to ${to} ${way}, version ${opset}`, async () => {
          const { shape, attrs, indexOf } = ways[way];
          const { min, max } = dtypes[to];
          const [x, scale] = [drawn(from, sizeOf(SHAPE), () => 8 * (next() - 0.5)), scales(by, way)];
          const within = opset < 23 ? 'f32' : (precision ?? by);
          const zero = new dtypes[to].storage(to === 'u4' ? Math.ceil(scale.length / 2) : scale.length);
          const y = x.map((value, i) => {
            const quotient = rounded(within, rounded(within, value) / rounded(within, scale[indexOf(i)]));
            return isFloat8(to)
              ? float8ToNumber(to, numberToFloat8(to, quotient, true))
              : clampTo(min, max, roundHalfEven(quotient));
          });
          await expectOutputs(
            {
              nodes: [
                {
                  op: 'QuantizeLinear',
                  inputs: ['x', 'scale', 'zero'],
                  outputs: ['q'],
                  attrs: { ...attrs, ...(precision && { precision: dtypes[precision].onnxCode }) },
                },
                { op: 'Cast', inputs: ['q'], outputs: ['y'], attrs: { to: dtypes.f32.onnxCode } },
              ],
              initializers: { scale: stored(by, scale, shape), zero: { dtype: to, shape, data: zero } as ITensor },
              opset,
            },
            stored(from, x, SHAPE),
            stored(
              'f32',
              y.map((value) => value + 0), // integers have no −0
              SHAPE,
            ),
          );
        });

const products: readonly (readonly [opset: number, scale: Real, to?: Real])[] = [
  [21, 'f16'],
  [23, 'f16'],
  [23, 'f16', 'f32'],
  [25, 'f32', 'f16'],
];
for (const [opset, by, to = by] of products)
  for (const way of everyWay)
    for (const from of ['s8', 's16', 's32', 'f8e4m3fn', 'f8e5m2'] satisfies DType[])
      it(`${from} · ${by} as ${to} ${way}, version ${opset}`, async () => {
        const { shape, attrs, indexOf } = ways[way];
        const codes = Array.from({ length: sizeOf(SHAPE) }, () =>
          isFloat8(from) ? Math.floor(next() * 120) : Math.floor((next() - 0.5) * 2 ** Math.min(dtypes[from].bits, 22)),
        );
        const scale = scales(by, way);
        const numbers = codes.map((code) => (isFloat8(from) ? float8ToNumber(from, code) : code));
        const y = numbers.map((value, i) => rounded(to, Math.fround(Math.fround(value) * scale[indexOf(i)])));
        // behind it stands an input, without which nothing of the model would run
        const rest = drawn(to, SHAPE[1], next);
        await expectOutputs(
          {
            nodes: [
              {
                op: 'DequantizeLinear',
                inputs: ['q', 'scale'],
                outputs: ['d'],
                attrs: { ...attrs, ...(to !== by && { output_dtype: dtypes[to].onnxCode }) },
              },
              { op: 'Concat', inputs: ['d', 'x'], outputs: ['y'], attrs: { axis: 0 } },
            ],
            initializers: { q: tensor(from, codes, SHAPE), scale: stored(by, scale, shape) },
            opset,
          },
          stored(to, rest, [1, SHAPE[1]]),
          stored(to, [...y, ...rest], [SHAPE[0] + 1, SHAPE[1]]),
        );
      });
