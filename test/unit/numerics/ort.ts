/** One-node models run by onnxruntime-node: the oracle of the numerics tests. */
import onnxProto from 'onnx-proto';
import ort from 'onnxruntime-node';
import { type DType, dtypeOfOnnxName, dtypes, isFloat, newArray } from '../../../src/tensors/dtype.ts';
import { bytesOf, type ITensor } from '../../../src/tensors/tensor.ts';

const { onnx } = onnxProto;

export interface OneNode {
  readonly op: string;
  readonly domain?: string;
  readonly opset?: number;
  readonly attrs?: Readonly<Record<string, number | string | readonly number[]>>;
  /** In operand order; `undefined` is an absent optional input, `init` makes the input an initializer. */
  readonly inputs: readonly ({ readonly tensor: ITensor; readonly init?: boolean } | undefined)[];
  readonly outputs?: readonly DType[];
  /** Attributes whose numbers are floats although integral. */
  readonly floatAttrs?: readonly string[];
}

/** Runs one node on ONNX Runtime's CPU provider, one thread, no graph optimization. */
export async function runOrt(node: OneNode): Promise<ITensor[]> {
  const session = await ort.InferenceSession.create(modelOf(node), {
    graphOptimizationLevel: 'disabled',
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  const feeds: Record<string, ort.Tensor> = {};
  node.inputs.forEach((input, i) => {
    if (input !== undefined && !input.init) {
      const { dtype, data, shape } = input.tensor;
      feeds[`i${i}`] = new ort.Tensor(dtypes[dtype].onnx as 'float32', data as Float32Array, [...shape]);
    }
  });
  const results = await session.run(feeds);
  const tensors = (node.outputs ?? ['u8']).map((_, i) => {
    const { type, data, dims } = results[`o${i}`];
    return { dtype: dtypeOfOnnxName(type)!, data: data as ITensor['data'], shape: [...dims] };
  });
  await session.release();
  return tensors;
}

/** Runs and returns the elements of the first output. */
export async function ortOutput(node: OneNode): Promise<ITensor['data']> {
  return (await runOrt(node))[0].data;
}

function modelOf({
  op,
  domain = '',
  opset,
  attrs = {},
  inputs,
  outputs = ['u8'],
  floatAttrs = [],
}: OneNode): Uint8Array {
  const { AttributeType } = onnx.AttributeProto as unknown as { AttributeType: Record<string, number> };
  const attribute = Object.entries(attrs).map(([name, value]) => {
    if (typeof value === 'string') return { name, type: AttributeType.STRING, s: new TextEncoder().encode(value) };
    if (Array.isArray(value)) return { name, type: AttributeType.INTS, ints: value as number[] };
    const float = floatAttrs.includes(name) || !Number.isInteger(value);
    return float ? { name, type: AttributeType.FLOAT, f: value } : { name, type: AttributeType.INT, i: value };
  });
  const named = inputs.flatMap((input, i) => (input === undefined ? [] : [{ name: `i${i}`, ...input }]));
  const model = {
    irVersion: 8,
    opsetImport: [
      { domain: '', version: domain === '' ? (opset ?? 13) : 13 },
      { domain: 'com.microsoft', version: domain === '' ? 1 : (opset ?? 1) },
    ],
    graph: {
      name: 'g',
      node: [
        {
          name: 'n',
          opType: op,
          domain,
          input: inputs.map((input, i) => (input === undefined ? '' : `i${i}`)),
          output: outputs.map((_, i) => `o${i}`),
          attribute,
        },
      ],
      input: named.filter((n) => !n.init).map(({ name, tensor }) => valueInfo(name, tensor.dtype, tensor.shape)),
      initializer: named
        .filter((n) => n.init)
        .map(({ name, tensor }) => ({
          name,
          dataType: dtypes[tensor.dtype].onnxCode,
          dims: [...tensor.shape],
          rawData: bytesOf(tensor.data),
        })),
      output: outputs.map((dtype, i) => valueInfo(`o${i}`, dtype)),
    },
  };
  return onnx.ModelProto.encode(model as unknown as onnxProto.onnx.IModelProto).finish();
}

function valueInfo(name: string, dtype: DType, shape?: readonly number[]) {
  const dims = shape === undefined ? {} : { shape: { dim: shape.map((dimValue) => ({ dimValue })) } };
  return { name, type: { tensorType: { elemType: dtypes[dtype].onnxCode, ...dims } } };
}

/** A small deterministic generator (mulberry32): uniform in [0, 1). */
export function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const integerBetween = (next: () => number, low: number, high: number): number =>
  low + Math.floor(next() * (high - low + 1));

/** A binary32 scale, log-uniform in [low, high]. */
export const randomScale = (next: () => number, low = 1e-3, high = 1): number =>
  Math.fround(low * (high / low) ** next());

/** Uniform over the whole range of an integer type. */
export function randomData<D extends DType>(next: () => number, dtype: D, length: number): ITensor<D>['data'] {
  const { min, max } = dtypes[dtype];
  const data = newArray(dtype, length);
  for (let i = 0; i < length; i++) data[i] = isFloat(dtype) ? next() * 2 - 1 : integerBetween(next, min, max);
  return data;
}
