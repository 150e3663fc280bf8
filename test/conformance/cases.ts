/** The cases of the corpus in one form, for all forms in which they are stored. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DType, dtypeOfOnnxName, viewAs } from '../../src/tensors/dtype.ts';
import { type ITensor, sizeOf } from '../../src/tensors/tensor.ts';
import { type CorpusEntry, corpusEntries, corpusRoot, ortVectors } from '../support/corpus.ts';
import type { Tolerance, VectorCase, VectorTensor } from '../support/jsonl.ts';
import { readNpy } from '../support/npy.ts';
import { type ModelAttr, readTensorProto, writeModel } from '../support/onnx.ts';

export interface Expectation {
  /** The position among the graph's outputs. */
  readonly output: number;
  /** The name of this reference, when several are recorded. */
  readonly reference?: string;
  /** undefined: of an element type that unskew does not compute with. */
  readonly tensor: ITensor | undefined;
  readonly tolerance: Tolerance;
  /** Also allowed: so many times the scale of the dequantize that makes the output. */
  readonly steps?: number;
  /** The index of the greatest element of each row must be the same. */
  readonly sameArgmax?: boolean;
}

export interface Case {
  readonly id: string;
  readonly kind: string;
  /** For messages; external data is read beside it. */
  readonly file: string;
  readonly model: () => Uint8Array;
  /** In the order of the graph's inputs; undefined as above. */
  readonly feeds: () => readonly (ITensor | undefined)[];
  readonly expected: () => readonly Expectation[];
}

/** Integers exact; floats as onnx.backend.test compares them. */
export const nodeTolerance = { abs: 1e-7, rel: 1e-3 };

export function allCases(): readonly Case[] {
  const root = corpusRoot();
  return corpusEntries().flatMap((entry): Case[] => {
    switch (entry.kind) {
      case 'onnx-node':
        return [nodeCase(root, entry)];
      case 'ort-vectors':
        return ortVectors(entry.path.replace(/^.*\/|\.jsonl$/g, '')).map(vectorCase);
      case 'ort-model':
        return [ortModelCase(root, entry)];
      case 'onnx-float':
      case 'onnx':
        return [netCase(root, entry)];
      case 'real-model':
        return entry.path.endsWith('model_quantized.onnx') ? [netCase(root, entry)] : [];
      default:
        return [];
    }
  });
}

function nodeCase(root: string, { path, kind }: CorpusEntry): Case {
  const folder = join(root, path);
  const set = (prefix: string) => {
    const files: string[] = [];
    for (let i = 0; ; i++) {
      const file = join(folder, 'test_data_set_0', `${prefix}_${i}.pb`);
      if (!existsSync(file)) return files;
      files.push(file);
    }
  };
  const read = (file: string) => readTensorProto(readFileSync(file)).tensor;
  return {
    id: path.replace('onnx-node/', '').replace('/test_', '/'),
    kind,
    file: join(folder, 'model.onnx'),
    model: () => readFileSync(join(folder, 'model.onnx')),
    feeds: () => set('input').map(read),
    expected: () => set('output').map((file, output) => ({ output, tensor: read(file), tolerance: nodeTolerance })),
  };
}

function vectorCase(vector: VectorCase): Case {
  const given = vector.inputs.filter((input): input is VectorTensor => input !== null);
  return {
    id: vector.id,
    kind: 'ort-vectors',
    file: `${vector.id}.onnx`,
    model: () => vectorModel(vector),
    feeds: () => given.filter((input) => !isInitializer(input)).map(({ tensor }) => tensor),
    expected: () => vector.outputs.map(({ tensor, tolerance }, output) => ({ output, tensor, tolerance })),
  };
}

/** Tensors of types that we cannot write are inputs; a model with such a type is only imported. */
const isInitializer = ({ init, tensor }: VectorTensor) => init && tensor !== undefined;

/** The single-node model of a vector: inputs that were initializers are initializers. */
export function vectorModel({ op, domain, opset, attrs, inputs, outputs }: VectorCase): Uint8Array {
  const given = inputs.filter((input): input is VectorTensor => input !== null);
  const declared = ({ name, type, tensor }: VectorTensor) => ({ name, type, dims: tensor?.shape });
  return writeModel({
    nodes: [
      {
        op,
        domain,
        inputs: inputs.map((input) => input?.name ?? ''),
        outputs: outputs.map(({ name }) => name),
        attrs: Object.fromEntries(
          Object.entries(attrs).map(([name, { type, value }]): [string, ModelAttr] => [
            name,
            type === 'float' ? { f: value } : type === 'floats' ? { floats: value } : value,
          ]),
        ),
      },
    ],
    inputs: given.filter((input) => !isInitializer(input)).map(declared),
    initializers: given.filter(isInitializer).map(({ name, tensor }) => ({ name, tensor: tensor as ITensor })),
    outputs: outputs.map(({ name, type }) => ({ name, type })),
    opsets: domain === '' ? { '': opset } : { '': 17, [domain]: opset },
  });
}

/** Tolerance of the index: quantized outputs ±1; floats in steps of the last dequantize, else rtol 1e-4, atol 1e-5. */
function ortModelCase(root: string, { path, kind }: CorpusEntry): Case {
  const folder = join(root, path);
  interface Stored {
    type: string;
    dims: number[];
    file: string;
  }
  const io: { inputs: Stored[]; outputs: Stored[] } = JSON.parse(readFileSync(join(folder, 'io.json'), 'utf8'));
  const read = ({ type, dims, file }: Stored): ITensor | undefined => {
    const dtype = dtypeOfOnnxName(type);
    if (dtype === undefined) return undefined;
    return {
      dtype,
      shape: dims,
      data: viewAs(dtype, new Uint8Array(readFileSync(join(folder, file)))).subarray(0, sizeOf(dims)),
    } as ITensor;
  };
  const quantized: readonly DType[] = ['u8', 's8', 'u16', 's16'];
  return {
    id: path,
    kind,
    file: join(folder, 'model.onnx'),
    model: () => readFileSync(join(folder, 'model.onnx')),
    feeds: () => io.inputs.map(read),
    expected: () =>
      io.outputs.map(read).map((tensor, output) => {
        if (tensor === undefined || !quantized.includes(tensor.dtype)) {
          return { output, tensor, tolerance: { abs: 1e-5, rel: 1e-4 }, steps: 1 };
        }
        return { output, tensor, tolerance: { abs: 1, rel: 0 } };
      }),
  };
}

/** A trained network against every recorded reference. */
function netCase(root: string, entry: CorpusEntry): Case {
  const { path, kind, inputs, expected } = entry as CorpusEntry & { inputs: string; expected: Record<string, string> };
  const read = (file: string) => readNpy(new Uint8Array(readFileSync(join(root, file))));
  return {
    id: path,
    kind,
    file: join(root, path),
    model: () => new Uint8Array(readFileSync(join(root, path))),
    feeds: () => [read(inputs)],
    expected: () =>
      Object.entries(expected)
        .filter(([reference]) => reference !== 'quantized_output') // the integers of float_output
        .map(([reference, file]) => ({ output: 0, reference, tensor: read(file), ...netTolerance(entry) })),
  };
}

/**
 * The index's words. `onnx-float` and the real MNIST model: atol 1e-4. Networks that ONNX Runtime's tool made of
 * integer operators: atol 1e-4 or one step, equal classes. Quantize-dequantize networks: equal classes, and 1e-4 apart
 * from ties, which a different order of summation breaks differently: two steps in shallow networks, six in the others
 * (the index's figures for PyTorch's exports; it records as much between two modes of ONNX Runtime).
 */
function netTolerance({ kind, path, net }: CorpusEntry): Omit<Expectation, 'output' | 'tensor'> {
  const tolerance = { abs: 1e-4, rel: 0 };
  if (kind !== 'onnx') return { tolerance };
  if (/-(qop|dyn)-/.test(path)) return { tolerance, steps: 1, sameArgmax: true };
  const shallow = /^(digits_a|mlp_a)$/.test(String(net)) && !path.includes('u16');
  return { tolerance, steps: shallow ? 2 : 6, sameArgmax: true };
}
