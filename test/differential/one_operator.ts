/** One operator of an ONNX file, here and in ONNX Runtime. */
import { expect } from 'vitest';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { type Dim, type Feeds, type ITensor, interpret, tensor } from '../../src/ir/index.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { Model } from '../../src/runtime/model.ts';
import { toPublic } from '../../src/tensors/tensor.ts';
import { type ModelAttr, type ModelInitializer, writeModel } from '../support/onnx.ts';
import { random } from '../unit/numerics/ort.ts';
import { runOnnx } from '../unit/onnx_export/support.ts';

const typeNames = { u8: 'uint8', s8: 'int8', s32: 'int32', s64: 'int64', f32: 'float32', bool: 'bool' } as const;
type Known = keyof typeof typeNames;

export interface Form {
  readonly op: string;
  /** com.microsoft by default. */
  readonly domain?: string;
  readonly opset?: number;
  readonly attrs: Readonly<Record<string, ModelAttr>>;
  /** In the order of the operator; absent ones undefined. The first `computed` are inputs of the model. */
  readonly operands: readonly (ITensor | undefined)[];
  /** Sizes of inputs that the file leaves open, by the place of the operand. */
  readonly open?: Readonly<Record<number, readonly Dim[]>> | undefined;
  readonly computed: number;
  /** Element types of the outputs; absent ones undefined. */
  readonly outputs: readonly (Known | undefined)[];
  /** False for elements of an output that the operator leaves open. */
  readonly isDefined?: (output: number, element: number) => boolean;
}

interface Given {
  readonly name: string;
  readonly t: ITensor;
}

export function modelOf({ op, domain = 'com.microsoft', opset = 17, attrs, operands, open, computed, outputs }: Form) {
  const given = operands.flatMap((t, i): Given[] => (t ? [{ name: `i${i}`, t }] : []));
  const isInput = ({ name }: Given) => Number(name.slice(1)) < computed;
  const bytes = writeModel({
    opsets: { '': opset, 'com.microsoft': 1 },
    nodes: [
      {
        op,
        domain,
        attrs,
        inputs: operands.map((t, i) => (t ? `i${i}` : '')),
        outputs: outputs.map((type, i) => (type ? `o${i}` : '')),
      },
    ],
    inputs: given.filter(isInput).map(({ name, t }) => ({
      name,
      type: typeNames[t.dtype as Known],
      dims: open?.[Number(name.slice(1))] ?? t.shape,
    })),
    outputs: outputs.flatMap((type, i) => (type ? [{ name: `o${i}`, type: typeNames[type] }] : [])),
    initializers: given.filter((v) => !isInput(v)).map(({ name, t }): ModelInitializer => ({ name, tensor: t })),
  });
  return { bytes, inputs: given.filter(isInput) };
}

/**
 * The operator is understood, runs natively, and gives what ONNX Runtime gives: integers exactly, floats within a part of the largest
 * number of the output.
 */
export async function expectLikeOnnxRuntime(form: Form, within: number): Promise<void> {
  const { bytes, inputs } = modelOf(form);
  const feeds: Feeds = Object.fromEntries(inputs.map(({ name, t }) => [name, t]));
  const expected = await runOnnx(bytes, feeds);
  const graph = importOnnx(bytes);
  expect(graph.origin?.unsupported ?? []).toEqual([]);
  const model = new Model(compileGraph(graph));
  const native = model.runSync(Object.fromEntries(inputs.map(({ name, t }) => [name, toPublic(t)])));
  expect(model.fallbacks, 'nodes that are not native').toEqual([]);
  model.dispose();
  const interpreted = interpret(graph, feeds);
  for (const [name, t] of Object.entries(expected)) {
    expectClose(form, name, t, interpreted[name], within);
    expectClose(form, name, t, { shape: native[name].dims, data: native[name].data }, within);
  }
}

/** The operator is left to ONNX Runtime for `reason`: the file is read, and gives what ONNX Runtime gives. */
export async function expectCarried(form: Form, reason: string | RegExp): Promise<void> {
  const { bytes, inputs } = modelOf(form);
  const expected = await runOnnx(bytes, Object.fromEntries(inputs.map(({ name, t }) => [name, t])));
  const graph = importOnnx(bytes);
  expect(graph.origin?.unsupported.map((u) => u.reason)).toEqual([expect.stringMatching(reason)]);
  const model = new Model(compileGraph(graph));
  const results = model.runSync(Object.fromEntries(inputs.map(({ name, t }) => [name, toPublic(t)])));
  model.dispose();
  for (const [name, t] of Object.entries(expected))
    expectClose(form, name, t, { shape: results[name].dims, data: results[name].data }, 1e-6);
}

type Contents = Pick<ITensor, 'data' | 'shape'>;

function expectClose(form: Form, name: string, { shape, data }: Contents, actual: Contents, within: number): void {
  const most = numbersOf({ data }).reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  expect(actual.shape, name).toEqual(shape);
  const isFar = (v: number, i: number) => !(Math.abs(v - Number(data[i])) <= within * most);
  const isDefined = (i: number) => form.isDefined?.(Number(name.slice(1)), i) ?? true;
  const far = numbersOf(actual).findIndex((v, i) => isFar(v, i) && isDefined(i));
  expect(far, `${name}: ${actual.data[far]} for ${data[far]}`).toBe(-1);
}

const numbersOf = ({ data }: Pick<ITensor, 'data'>): number[] => Array.from<number | bigint, number>(data, Number);
export const next = random(11);
const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
export const bytes = (dtype: 'u8' | 's8', shape: readonly number[]): ITensor =>
  tensor(
    dtype,
    Array.from({ length: sizeOf(shape) }, () => Math.floor(next() * 256) - (dtype === 's8' ? 128 : 0)),
    shape,
  );
export const floats = (shape: readonly number[], most = 1): ITensor =>
  tensor(
    'f32',
    Float32Array.from({ length: sizeOf(shape) }, () => (2 * next() - 1) * most),
    shape,
  );
/** Integers from 0 up to, not including, `end`. */
export const integers = (dtype: 's32' | 's64', shape: readonly number[], end: number): ITensor =>
  tensor(
    dtype,
    Array.from({ length: sizeOf(shape) }, () => Math.floor(next() * end)),
    shape,
  );
