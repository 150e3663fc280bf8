/** Single-node cases of the corpus (ort-vectors/*.jsonl), one JSON object per line. */

import { numberToFloat8 } from '../../src/numerics/float8.ts';
import { numberToBfloat16, numberToHalf } from '../../src/numerics/half.ts';
import {
  type DType,
  dtypeOfOnnxName,
  dtypes,
  isFloat8,
  isInteger,
  isPackedType,
  newArray,
  viewAs,
} from '../../src/tensors/dtype.ts';
import { packed } from '../../src/tensors/packed.ts';
import type { ITensor } from '../../src/tensors/tensor.ts';

export type VectorAttr =
  | { readonly type: 'int' | 'float'; readonly value: number }
  | { readonly type: 'ints' | 'floats'; readonly value: readonly number[] }
  | { readonly type: 'string'; readonly value: string };

export interface Tolerance {
  readonly abs: number;
  readonly rel: number;
}

export interface VectorTensor {
  readonly name: string;
  /** ONNX element type, also where `tensor` is absent. */
  readonly type: string;
  /** undefined: an element type that unskew does not compute with (float8 …). */
  readonly tensor: ITensor | undefined;
  /** True when the operand was an initializer. */
  readonly init: boolean;
}

export interface VectorCase {
  readonly id: string;
  readonly test: string;
  readonly op: string;
  readonly domain: string;
  readonly opset: number;
  readonly attrs: Readonly<Record<string, VectorAttr>>;
  /** In operand order; null is an absent optional input. */
  readonly inputs: readonly (VectorTensor | null)[];
  /** With the tolerance of the output where it has one of its own. */
  readonly outputs: readonly (VectorTensor & { readonly tolerance: Tolerance })[];
  /** Zero means exact. */
  readonly tolerance: Tolerance;
  /** The result of ONNX Runtime 1.30: 'pass', 'na' (not run), 'run-error'; and the number of elements that differed. */
  readonly ort: { readonly status: string; readonly differing: number };
}

type Json = Record<string, unknown>;

export const parseJsonl = (text: string): VectorCase[] =>
  text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => parseCase(JSON.parse(line)));

export function parseCase(json: Json): VectorCase {
  const ort = json.ort_1_30 as Json;
  const tolerance = { abs: Number(json.abs ?? 0), rel: Number(json.rel ?? 0) };
  return {
    ...(json as { id: string; test: string; op: string; domain: string; opset: number }),
    attrs: Object.fromEntries(Object.entries(json.attrs as Json).map(([name, value]) => [name, parseAttr(value)])),
    inputs: (json.inputs as (Json | null)[]).map((input) => (input === null ? null : parseTensor(input))),
    outputs: (json.outputs as Json[]).map((output) => ({
      ...parseTensor(output),
      tolerance: { abs: Number(output.abs ?? tolerance.abs), rel: Number(output.rel ?? tolerance.rel) },
    })),
    tolerance,
    ort: { status: String(ort.status), differing: Number(ort.nDiff ?? 0) },
  };
}

/** |actual − expected| ≤ abs + rel·|expected|; NaN equals NaN. */
export function isWithin(actual: number, expected: number, { abs, rel }: Tolerance): boolean {
  if (Object.is(actual, expected) || actual === expected) return true;
  return Math.abs(actual - expected) <= abs + rel * Math.abs(expected);
}

function parseAttr(value: unknown): VectorAttr {
  if (typeof value === 'number') return { type: 'int', value };
  if (typeof value === 'string') return { type: 'string', value };
  if (Array.isArray(value)) return { type: 'ints', value };
  const { f, floats } = value as { f?: number; floats?: number[] };
  return f === undefined ? { type: 'floats', value: floats! } : { type: 'float', value: f };
}

function parseTensor(json: Json): VectorTensor {
  const { name, type, dims, init, data, b64 } = json as {
    name: string;
    type: string;
    dims: number[];
    init: boolean;
    data?: (number | string)[];
    b64?: string;
  };
  const dtype = dtypeOfOnnxName(type);
  if (dtype === undefined) return { name, type, tensor: undefined, init };
  const bytes = b64 === undefined ? undefined : new Uint8Array(Buffer.from(b64, 'base64'));
  return { name, type, tensor: { dtype, shape: dims, data: bytes ? viewAs(dtype, bytes) : fill(dtype, data!) }, init };
}

/** JSON numbers, and 'inf', '-inf', 'nan'. */
function fill(dtype: DType, values: readonly (number | string)[]): ITensor['data'] {
  if (isPackedType(dtype)) return packed(dtype, values.map(Number), [values.length]).data;
  const array = newArray(dtype, values.length);
  values.forEach((value, i) => {
    const x = typeof value === 'string' ? Number(value.replace('inf', 'Infinity')) : value;
    if (array instanceof BigInt64Array || array instanceof BigUint64Array) array[i] = BigInt(x);
    else if (dtype === 'f16') array[i] = numberToHalf(x);
    else if (dtype === 'bf16') array[i] = numberToBfloat16(x);
    else if (isFloat8(dtype)) array[i] = numberToFloat8(dtype, Number(x), true);
    else array[i] = x;
    const fits = !isInteger(dtype) || (x >= dtypes[dtype].min && x <= dtypes[dtype].max);
    if (!fits) throw new RangeError(`${x} is not of type ${dtype}`);
  });
  return array;
}
