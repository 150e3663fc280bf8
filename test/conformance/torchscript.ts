/** TorchScript archives of the corpus against PyTorch's results, network by network and layer by layer. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { legalize } from '../../src/codegen/legalize.ts';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import type { TorchProfile } from '../../src/importers/torch/operators/engine.ts';
import { constantOf, type Graph } from '../../src/ir/graph.ts';
import { evaluateNode, interpret } from '../../src/ir/interpret.ts';
import { topologicalOrder } from '../../src/ir/order.ts';
import { specialize } from '../../src/ir/specialize.ts';
import type { ValueId } from '../../src/ir/types.ts';
import { compile } from '../../src/runtime/compile.ts';
import { importModel } from '../../src/runtime/import_model.ts';
import { type ITensor, Tensor } from '../../src/tensors/tensor.ts';
import { type CorpusEntry, corpusEntries } from '../support/corpus.ts';
import { readNpy, readNpz } from '../support/npy.ts';

export interface TorchCase {
  readonly id: string;
  readonly file: string;
  readonly engine: 'qnnpack' | 'onednn';
  readonly isDynamic: boolean;
  readonly inputs: ITensor<'f32'>;
  /** Integers of static networks, floats of dynamic ones. */
  readonly expected: ITensor;
  /** The scale of the integer result. */
  readonly step: number | undefined;
  readonly zeroPoint: number;
  readonly accuracy: number;
  readonly entry: CorpusEntry;
}

const load = (root: string, path: unknown): ITensor => readNpy(new Uint8Array(readFileSync(join(root, String(path)))));

/** Returns a case for every TorchScript entry of the corpus. */
export function torchCases(root: string): TorchCase[] {
  return corpusEntries()
    .filter(({ kind }) => kind === 'torchscript')
    .map((entry) => {
      const expected = entry.expected as Record<string, string>;
      const isDynamic = entry.mode === 'dynamic';
      return {
        id: entry.path.replace(/^.*\//, ''),
        file: join(root, entry.path),
        engine: entry.engine as TorchCase['engine'],
        isDynamic,
        inputs: load(root, entry.inputs) as ITensor<'f32'>,
        expected: load(root, isDynamic ? expected.float_output : expected.quantized_output),
        step: entry.out_scale as number | undefined,
        zeroPoint: Number(entry.out_zero_point ?? 0),
        accuracy: Number(entry.acc_test360),
        entry,
      };
    });
}

export const profileOf = (engine: TorchCase['engine']): TorchProfile => `torch-${engine}`;

/** The graph for batches of any size. */
export const importCase = (c: Pick<TorchCase, 'file' | 'engine' | 'inputs'>): Promise<Graph> =>
  importModel(c.file, {
    profile: profileOf(c.engine),
    inputShapes: { x: ['N', ...c.inputs.shape.slice(1)] },
  });

/** The first `count` images. */
export function images({ data, shape }: ITensor<'f32'>, from: number, count: number): ITensor<'f32'> {
  const size = data.length / shape[0];
  return { dtype: 'f32', shape: [count, ...shape.slice(1)], data: data.subarray(from * size, (from + count) * size) };
}

export interface Difference {
  readonly outputs: number;
  /** Integers of static networks that differ; floats of dynamic ones further apart than 1e-4. */
  readonly differing: number;
  readonly greatest: number;
}

/** Integers are compared as such: the dequantized output is divided by its step. */
export function difference(actual: ArrayLike<number>, c: TorchCase): Difference {
  const result = { outputs: actual.length, differing: 0, greatest: 0 };
  for (let i = 0; i < actual.length; i++) {
    const value = c.step === undefined ? actual[i] : Math.round(actual[i] / c.step) + c.zeroPoint;
    const distance = Math.abs(value - Number(c.expected.data[i]));
    if (distance > (c.step === undefined ? 1e-4 : 0)) result.differing++;
    result.greatest = Math.max(result.greatest, distance);
  }
  return result;
}

export async function onInterpreter(c: TorchCase, count: number): Promise<Difference> {
  const graph = await importCase(c);
  return difference(interpret(graph, { x: images(c.inputs, 0, count) }).output.data as Float32Array, c);
}

export async function onAddon(c: TorchCase, count: number): Promise<Difference> {
  const model = await compile(await importCase(c), { threads: 1 });
  const { shape, data } = images(c.inputs, 0, count);
  const { output } = await model.run({ x: new Tensor('float32', data, shape) });
  model.dispose();
  return difference(output.data as Float32Array, c);
}

/** Dynamic quantization sees one image at a time: the greatest distance of any logit. */
export async function onePerCall(root: string, c: TorchCase): Promise<number> {
  const graph = await importCase(c);
  const expected = load(root, (c.entry.expected as Record<string, string>).float_output_one_image_per_call).data;
  let greatest = 0;
  for (let n = 0; n < c.inputs.shape[0]; n++) {
    const y = interpret(graph, { x: images(c.inputs, n, 1) }).output.data as Float32Array;
    y.forEach((v, i) => {
      greatest = Math.max(greatest, Math.abs(v - Number(expected[n * y.length + i])));
    });
  }
  return greatest;
}

/** The legalized graph as a file of plain ONNX, in ONNX Runtime. */
export async function asOnnx(c: TorchCase, count: number, optimization: 'all' | 'disabled'): Promise<Difference> {
  const { shape, data } = images(c.inputs, 0, count);
  const graph = await importModel(c.file, { profile: profileOf(c.engine), inputShapes: { x: shape } });
  const options = { graphOptimizationLevel: optimization, logSeverityLevel: 3 } as const;
  const session = await InferenceSession.create(exportOnnx(legalize(graph).graph), options);
  const { output } = await session.run({ x: new OrtTensor('float32', data, shape) });
  return difference(output.data as Float32Array, c);
}

/** The share of the 360 test images that are classified as they should be. */
export async function accuracyOf(root: string, c: TorchCase): Promise<number> {
  const net = `nets/${String(c.entry.net)}`;
  const [inputs, labels] = [load(root, `${net}/test360_inputs.npy`), load(root, `${net}/test360_labels.npy`)];
  const model = await compile(await importCase(c), { threads: 1 });
  const { output } = await model.run({ x: new Tensor('float32', inputs.data as Float32Array, inputs.shape) });
  model.dispose();
  const [rows, classes] = output.dims;
  let right = 0;
  for (let i = 0; i < rows; i++) {
    const row = Array.from((output.data as Float32Array).subarray(i * classes, (i + 1) * classes));
    if (row.indexOf(Math.max(...row)) === Number(labels.data[i])) right++;
  }
  return right / rows;
}

export interface Layers {
  readonly layers: number;
  readonly elements: number;
  readonly differing: number;
}

/** Every recorded layer, computed from the recorded layers before it. */
export function compareLayers(open: Graph, input: ITensor, recorded: ReadonlyMap<string, ITensor>): Layers {
  const { shape } = open.values[open.inputs[0]].type;
  const sizes = shape.flatMap((dim, i) => (typeof dim === 'string' ? [[dim, input.shape[i]] as const] : []));
  const graph = specialize(open, new Map(sizes));
  const plain = (name: string) => name.replaceAll(/\W/g, '_');
  const byName = new Map([...recorded].map(([name, layer]) => [plain(name), layer]));
  const values = new Map<ValueId, ITensor>([[graph.inputs[0], input]]);
  const result = { layers: 0, elements: 0, differing: 0 };
  for (const node of topologicalOrder(graph).order) {
    const operands = node.operands.map((id) =>
      id === null ? null : (values.get(id) ?? constantOf(graph, id) ?? null),
    );
    evaluateNode(node, operands).forEach((y, i) => {
      const expected = byName.get(plain(node.results[i]));
      const isLayer = expected !== undefined && expected.dtype === y.dtype && expected.data.length === y.data.length;
      if (isLayer) {
        result.layers++;
        result.elements += y.data.length;
        for (let k = 0; k < y.data.length; k++) if (y.data[k] !== expected.data[k]) result.differing++;
      }
      values.set(node.results[i], isLayer ? { ...expected, shape: y.shape } : y);
    });
  }
  return result;
}

/** The layers recorded for a case, undefined when none were. */
export async function layersOf(root: string, c: TorchCase): Promise<Layers | undefined> {
  const path = (c.entry.expected as Record<string, string>).intermediates_first4;
  if (path === undefined) return undefined;
  const recorded = readNpz(new Uint8Array(readFileSync(join(root, path))));
  return compareLayers(await importCase(c), images(c.inputs, 0, 4), recorded);
}

// ---- real models

const mobilenetFolder = 'real/mobilenet_quantized';

export const mobilenet = (root: string, engine: TorchCase['engine']): Promise<Graph> =>
  importModel(join(root, mobilenetFolder, 'mobilenet_quantized.pt'), {
    profile: profileOf(engine),
    inputShapes: { X: [1, 3, 224, 224] },
  });

/** Logits of the three photographs that differ from PyTorch's; on the addon or on the interpreter. */
export async function mobilenetLogits(root: string, engine: TorchCase['engine'], addon: boolean): Promise<Difference> {
  const graph = await mobilenet(root, engine);
  const photographs = load(root, 'real/imagenet/inputs3.npy') as ITensor<'f32'>;
  const expected = load(root, `${mobilenetFolder}/torch26.${engine}.out.npy`);
  const model = addon ? await compile(graph, { threads: 1 }) : undefined;
  const result = { outputs: 0, differing: 0, greatest: 0 };
  const step = 0.15309934318065643;
  for (let n = 0; n < photographs.shape[0]; n++) {
    const x = images(photographs, n, 1);
    const y = model
      ? ((await model.run({ X: new Tensor('float32', x.data, x.shape) })).output.data as Float32Array)
      : (interpret(graph, { X: x }).output.data as Float32Array);
    for (let i = 0; i < y.length; i++) {
      const distance = Math.round(Math.abs(y[i] - Number(expected.data[n * y.length + i])) / step);
      if (distance !== 0) result.differing++;
      result.greatest = Math.max(result.greatest, distance);
    }
    result.outputs += y.length;
  }
  model?.dispose();
  return result;
}

export async function mobilenetLayers(root: string, engine: TorchCase['engine']): Promise<Layers> {
  const recorded = readNpz(new Uint8Array(readFileSync(join(root, mobilenetFolder, `layers.${engine}.image0.npz`))));
  const photographs = load(root, 'real/imagenet/inputs3.npy') as ITensor<'f32'>;
  return compareLayers(await mobilenet(root, engine), images(photographs, 0, 1), recorded);
}

export interface Transformer {
  readonly images: number;
  /** With every logit within 1e-4. */
  readonly near: number;
  readonly sameClass: number;
  readonly greatest: number;
}

/** A vision transformer with dynamic quantization, one image per call. */
export async function transformer(root: string, engine: TorchCase['engine']): Promise<Transformer> {
  const folder = 'real/vit4mnist';
  const graph = await importModel(join(root, folder, 'vit4mnist.ptl'), {
    profile: profileOf(engine),
    inputShapes: { img: [1, 1, 28, 28] },
  });
  const inputs = load(root, `${folder}/inputs64.npy`) as ITensor<'f32'>;
  const expected = load(root, `${folder}/torch26.${engine}.out_batch1.npy`).data as Float32Array;
  const result = { images: inputs.shape[0], near: 0, sameClass: 0, greatest: 0 };
  const best = (row: Float32Array) => row.indexOf(Math.max(...row));
  for (let n = 0; n < result.images; n++) {
    const y = interpret(graph, { img: images(inputs, n, 1) }).output.data as Float32Array;
    const row = expected.subarray(n * y.length, (n + 1) * y.length);
    const distance = Math.max(...y.map((v, i) => Math.abs(v - row[i])));
    if (distance <= 1e-4) result.near++;
    if (best(y) === best(row)) result.sameClass++;
    result.greatest = Math.max(result.greatest, distance);
  }
  return result;
}
