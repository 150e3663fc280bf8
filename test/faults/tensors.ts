/** Tensors of checks: read, and compared as a check allows. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readNpy } from '../../src/cli/npy.ts';
import { Tensor } from '../../src/index.ts';
import { dtypeOfOnnxName, dtypes, newArray, type TensorLike } from '../../src/ir/index.ts';
import { halfToNumber, numberToHalf } from '../../src/numerics/half.ts';
import type { Expectation, GivenTensor, GivenTensors } from './entries.ts';

export type Tensors = Readonly<Record<string, TensorLike>>;

export const readTensors = (root: string, given: GivenTensors = {}): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(given).map(([name, tensor]) => [name, readTensor(root, tensor)]));

function readTensor(root: string, given: GivenTensor): Tensor {
  if (typeof given === 'string') {
    const { dtype, shape, data } = readNpy(readFileSync(join(root, given)), given);
    return new Tensor(dtypes[dtype].onnx, data, shape);
  }
  const dtype = dtypeOfOnnxName(given.type);
  if (dtype === undefined) throw new Error(`a check has the element type ${given.type}`);
  const data = newArray(dtype, given.data.length);
  given.data.forEach((text, i) => {
    const value = typeof text === 'string' ? Number(text.replace('inf', 'Infinity').replace('nan', 'NaN')) : text;
    const isWide = data instanceof BigInt64Array || data instanceof BigUint64Array;
    data[i] = isWide ? BigInt(value) : dtype === 'f16' ? numberToHalf(value) : value;
  });
  return new Tensor(given.type, data, given.dims);
}

export function numbersOf({ type, data }: TensorLike): number[] {
  const numbers = Array.from(data as ArrayLike<number | bigint>, Number);
  return type === 'float16' ? numbers.map(halfToNumber) : numbers;
}

/** Describes the difference in words; undefined when every output is as expected. */
export function difference(found: Tensors, expected: Tensors, allowed: Expectation): string | undefined {
  for (const [name, wanted] of Object.entries(expected)) {
    const key = findName(found, name);
    if (key === undefined) return `output ${name} is missing among ${Object.keys(found).join(', ')}`;
    const got = found[key];
    if (got.type !== wanted.type) return `${key} is of ${got.type}, not ${wanted.type}`;
    // the expected scalars were stored as [1]
    const isScalar = got.dims.length === 0 && String(wanted.dims) === '1';
    if (!isScalar && String(got.dims) !== String(wanted.dims)) return `${key} is [${got.dims}], not [${wanted.dims}]`;
    const [a, b] = [numbersOf(got), numbersOf(wanted)];
    const largest = b.reduce((most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most), 0);
    const slack = (x: number) =>
      Math.max((allowed.atol ?? 0) + (allowed.rtol ?? 0) * Math.abs(x), (allowed.part ?? 0) * largest);
    const wrong = b.filter((x, i) => !(Object.is(x, a[i]) || x === a[i] || Math.abs(x - a[i]) <= slack(x)));
    const first = b.findIndex((x, i) => !(Object.is(x, a[i]) || x === a[i] || Math.abs(x - a[i]) <= slack(x)));
    if (first >= 0) return `${wrong.length} of ${b.length} of ${key}: [${first}] is ${a[first]}, not ${b[first]}`;
  }
  return undefined;
}

/** `#0` is the first output, `~…` a regular expression for its name. */
function findName(tensors: Tensors, name: string): string | undefined {
  const names = Object.keys(tensors);
  if (name.startsWith('#')) return names[Number(name.slice(1))];
  if (name.startsWith('~')) return names.find((known) => new RegExp(name.slice(1)).test(known));
  return names.find((known) => known === name);
}
