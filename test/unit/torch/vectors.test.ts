/** Quantized kernels of torch 2.6, one operator at a time, through the importer's operators and the interpreter. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import {
  type ScalarType,
  scalarTypeOfName,
  scalarTypes,
  TorchTensor,
} from '../../../src/formats/torch/pickle/index.ts';
import { type TorchProfile, torchProfiles } from '../../../src/importers/torch/operators/engine.ts';
import { GraphSink } from '../../../src/importers/torch/script/graph_sink.ts';
import { TensorOperators } from '../../../src/importers/torch/script/tensor_operators.ts';
import { GraphTensor, PackedWeights, type TorchValue } from '../../../src/importers/torch/values.ts';
import { interpret } from '../../../src/ir/interpret.ts';
import { viewAs } from '../../../src/tensors/dtype.ts';
import { type ITensor, stridesOf } from '../../../src/tensors/tensor.ts';
import { describeCorpus, itWhole } from '../../support/corpus.ts';

interface Packed {
  readonly dtype: string;
  readonly dims: number[];
  readonly b64: string;
  readonly scale: number | number[];
  readonly zero_point: number | number[];
  readonly axis?: number | null;
  readonly channels_last?: boolean;
}

interface VectorCase {
  readonly id: string;
  readonly op: string;
  readonly engine: 'onednn' | 'qnnpack' | 'any';
  readonly inputs: Readonly<Record<string, Packed>>;
  readonly attrs: Readonly<Record<string, number | number[] | string>>;
  readonly output: Packed;
}

const bytesOf = ({ b64 }: Packed): Uint8Array => new Uint8Array(Buffer.from(b64, 'base64'));
const arrayOf = (p: Packed): ITensor => {
  const { dtype } = scalarTypeOfName(p.dtype)!;
  return { dtype, shape: p.dims, data: viewAs(dtype, bytesOf(p)) };
};

/** A stored tensor, as an archive would hold it. */
function stored(p: Packed, type: ScalarType): TorchTensor {
  const bytes = bytesOf(p);
  const storage = { type, key: '0', length: p.dims.reduce((a, b) => a * b, 1), bytes: () => bytes };
  const view = { offset: 0, sizes: p.dims, strides: stridesOf(p.dims) };
  if (!type.isQuantized) return new TorchTensor(storage, view, {});
  const quantization = Array.isArray(p.scale)
    ? ({ kind: 'per-channel', scales: p.scale, zeroPoints: p.zero_point as number[], axis: 0 } as const)
    : ({ kind: 'per-tensor', scale: p.scale, zeroPoint: p.zero_point as number } as const);
  return new TorchTensor(storage, view, {}, { quantization });
}

function packedOf({ inputs: { weight, bias }, attrs, op }: VectorCase): PackedWeights {
  const isConv = op.includes('conv');
  const geometry = {
    stride: attrs.stride as number[],
    padding: attrs.padding as number[],
    dilation: attrs.dilation as number[],
    outputPadding: [0, 0],
    groups: attrs.groups as number,
    transposed: false,
  };
  return new PackedWeights(
    stored(weight, scalarTypes.qint8),
    bias ? stored(bias, scalarTypes.float32) : undefined,
    isConv ? geometry : undefined,
  );
}

/** The arguments of the operator, graph tensors being named after the inputs. */
function argumentsOf(c: VectorCase, tensor: (name: string) => GraphTensor): TorchValue[] {
  const { attrs } = c;
  const out = [attrs.out_scale as number, attrs.out_zero_point as number];
  switch (c.op.replace(/^\w+::/, '')) {
    case 'conv2d':
    case 'conv2d_relu':
    case 'linear':
    case 'linear_relu':
      return [tensor('x'), packedOf(c), ...out];
    case 'add':
    case 'add_relu':
    case 'mul':
      return [tensor('a'), tensor('b'), ...out];
    case 'cat':
      return [Object.keys(c.inputs).sort().map(tensor), attrs.dim as number, ...out];
    case 'max_pool2d':
    case 'avg_pool2d':
      return [tensor('x'), [attrs.kernel as number], [attrs.stride as number], [attrs.padding as number]];
    case 'adaptive_avg_pool2d':
      return [tensor('x'), attrs.output_size as number[]];
    case 'leaky_relu':
      return [tensor('x'), attrs.negative_slope as number, false, ...out];
    case 'hardswish':
      return [tensor('x'), ...out];
    case 'hardtanh':
      return [tensor('x'), attrs.min_val as number, attrs.max_val as number];
    case 'quantize_per_tensor':
      return [tensor('x'), attrs.scale as number, attrs.zero_point as number, attrs.dtype === 'quint8' ? 13 : 12];
    default:
      return [tensor('x')];
  }
}

/** Elements that differ from PyTorch's. */
function differing(c: VectorCase, profile: TorchProfile): number {
  const sink = new GraphSink();
  const operators = new TensorOperators(sink, { profile }, {}, new Map());
  const feeds: Record<string, ITensor> = {};
  const tensor = (name: string): GraphTensor => {
    const packed = c.inputs[name];
    const array = arrayOf(packed);
    feeds[name] = array;
    const value = sink.input(name, array);
    if (packed.dtype === 'float32') return new GraphTensor(value, scalarTypes.float32);
    const quantization = {
      kind: 'per-tensor',
      scale: packed.scale as number,
      zeroPoint: packed.zero_point as number,
    } as const;
    return new GraphTensor(value, scalarTypes.quint8, { quantization, channelsLast: packed.channels_last ?? false });
  };
  const call = { name: c.op, args: argumentsOf(c, tensor), keywords: new Map(), module: '', variable: 'y', where: {} };
  const result = operators.apply(call) as GraphTensor;
  expect(operators.unsupported).toEqual([]);
  expect(result.quantization).toMatchObject({
    kind: 'per-tensor',
    scale: c.output.scale,
    zeroPoint: c.output.zero_point,
  });
  const y = interpret(sink.finish('main', [['output', result.value]], { kind: 'test', unsupported: [] }), feeds).output;
  const expected = arrayOf(c.output);
  expect(y.shape).toEqual(expected.shape);
  return Array.from(y.data as Uint8Array).filter((v, i) => v !== expected.data[i]).length;
}

describeCorpus('kernels of torch 2.6', (root) => {
  const lines = readFileSync(join(root, 'torch-vectors/torch26.jsonl'), 'utf8').trim().split('\n');
  const cases = lines.map((line): VectorCase => JSON.parse(line));
  const groups = new Map<string, VectorCase[]>();
  for (const c of cases) {
    const name = `${c.op}, ${c.engine}`;
    groups.set(name, [...(groups.get(name) ?? []), c]);
  }

  itWhole('are 853', () => expect(cases.length).toBe(853));

  it.each([...groups])('%s', (_name, group) => {
    for (const c of group) {
      const profiles = c.engine === 'any' ? torchProfiles : [`torch-${c.engine}` as const];
      for (const profile of profiles) expect([c.id, profile, differing(c, profile)]).toEqual([c.id, profile, 0]);
    }
  });
});
