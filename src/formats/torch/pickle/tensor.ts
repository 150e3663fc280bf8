/** Tensors as PyTorch stores them: a strided view of a storage that others may share. */
import { fail, type Location } from '../../../diagnostics/index.ts';
import {
  byteLengthOf,
  copyStrided,
  type ITensor,
  newArray,
  type StridedView,
  sizeOf,
  stridesOf,
  tensor,
  viewAs,
  wholeOf,
} from '../../../tensors/index.ts';
import type { ScalarType } from './scalar_type.ts';

/** A part of a storage. */
export interface View extends StridedView {
  readonly sizes: readonly number[];
}

export interface Storage {
  readonly type: ScalarType;
  /** The name of its entry below `data/` or `constants/`. */
  readonly key: string;
  /** Elements. */
  readonly length: number;
  /** Little-endian; at least as many as the elements take. */
  bytes(): Uint8Array;
}

export type TensorQuantization =
  | { readonly kind: 'per-tensor'; readonly scale: number; readonly zeroPoint: number }
  | {
      readonly kind: 'per-channel';
      readonly scales: readonly number[];
      readonly zeroPoints: readonly number[];
      readonly axis: number;
    };

/** A view may repeat elements (stride 0), but a file cannot ask for more than this without holding them. */
const MOST_REPEATED = 2 ** 24;
const MOST_AXES = 64;

export class TorchTensor {
  readonly storage: Storage;
  readonly type: ScalarType;
  readonly view: View;
  readonly quantization: TensorQuantization | undefined;
  #tensor: ITensor | undefined;

  /** @throws UnskewError U1004 for a view that leaves its storage, U1006 for one of absurd size */
  constructor(
    storage: Storage,
    view: View,
    where: Location,
    { quantization, type = storage.type }: { quantization?: TensorQuantization; type?: ScalarType } = {},
  ) {
    checkView(storage, view, where);
    this.storage = storage;
    this.type = type;
    this.view = view;
    this.quantization = quantization;
  }

  /** A tensor that the code makes of numbers. */
  static of(
    type: ScalarType,
    values: readonly number[],
    sizes: readonly number[] = [values.length],
    quantization?: TensorQuantization,
  ): TorchTensor {
    const { data } = tensor(type.dtype, values, sizes);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const storage: Storage = { type, key: '', length: values.length, bytes: () => bytes };
    const view = { offset: 0, sizes, strides: stridesOf(sizes) };
    return new TorchTensor(storage, view, {}, quantization && { quantization });
  }

  /** The same elements in memory of their own. */
  copy(): TorchTensor {
    const { quantization, type } = this;
    return new TorchTensor(
      { ...this.storage, key: '' },
      this.view,
      {},
      { type, ...(quantization && { quantization }) },
    );
  }

  get shape(): readonly number[] {
    return this.view.sizes;
  }

  get count(): number {
    return sizeOf(this.view.sizes);
  }

  /** The elements in row-major order: the bytes of the file where they lie so already. */
  tensor(): ITensor {
    return (this.#tensor ??= this.#materialize());
  }

  /** Elements as numbers. */
  numbers(): number[] {
    const { data } = this.tensor();
    const numbers = new Array<number>(data.length);
    for (let i = 0; i < data.length; i++) numbers[i] = Number(data[i]);
    return numbers;
  }

  #materialize(): ITensor {
    const { dtype } = this.type;
    const { offset, sizes, strides } = this.view;
    const all = viewAs(dtype, this.storage.bytes().subarray(0, byteLengthOf(dtype, this.storage.length)));
    const count = sizeOf(sizes);
    const rowMajor = stridesOf(sizes);
    if (sizes.every((size, axis) => size <= 1 || strides[axis] === rowMajor[axis]))
      return { dtype, shape: sizes, data: all.subarray(offset, offset + count) };
    const data = newArray(dtype, count);
    copyStrided(sizes, all, { offset, strides }, data, wholeOf(sizes));
    return { dtype, shape: sizes, data };
  }
}

function checkView(storage: Storage, { offset, sizes, strides }: View, where: Location): void {
  const wrong = (why: string): never =>
    fail(
      'U1004',
      `a tensor of sizes [${sizes.slice(0, MOST_AXES)}], strides [${strides.slice(0, MOST_AXES)}] and offset ${offset} ${why}`,
      { ...where, input: `storage ${storage.key}` },
    );
  if (sizes.length > MOST_AXES) wrong(`has ${sizes.length} axes`);
  if (sizes.length !== strides.length) wrong('has not one stride for each axis');
  for (const n of [offset, ...sizes, ...strides])
    if (!Number.isSafeInteger(n) || n < 0) wrong('has a number that is negative or no integer');
  const count = sizeOf(sizes);
  if (count === 0) return;
  const end = offset + sizes.reduce((sum, size, axis) => sum + (size - 1) * strides[axis], 0) + 1;
  if (!(end <= storage.length)) wrong(`leaves its storage of ${storage.length} elements`);
  if (count > storage.length && count > MOST_REPEATED)
    fail('U1006', `a tensor of sizes [${sizes}] repeats the ${storage.length} elements of its storage`, where);
}
