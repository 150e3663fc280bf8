/** Writes small TensorFlow Lite files for tests: tables by the numbers of their fields, as the schema has them. */
import { Builder } from 'flatbuffers';
import type { TfliteSparsity } from '../../src/formats/tflite/index.ts';
import { builtinOperators } from '../../src/formats/tflite/operators.ts';
import { tensorTypes } from '../../src/formats/tflite/schema.ts';
import { dtypeOfTensor } from '../../src/importers/tflite/element_types.ts';
import { bytesOf, type DType, type ITensor } from '../../src/tensors/index.ts';

/** A field of options: its number, its value, and its type where it is not int32 or bool. */
export type OptionField = readonly [id: number, value: number | boolean | readonly number[], type?: 'int8' | 'float32'];

/** The number in the union of options, and fields. */
export interface OptionsInit {
  readonly number: number;
  readonly fields: readonly OptionField[];
}

export interface TensorInit {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly scale?: number | readonly number[];
  readonly zeroPoint?: number | readonly number[];
  /** A constant. */
  readonly data?: ITensor;
  readonly isVariable?: boolean;
  /** The places of the elements of `data`, which are then no more than the stored ones. */
  readonly sparsity?: TfliteSparsity;
}

export interface OperatorInit {
  readonly name: string;
  /** Places in the list of tensors; -1 for an absent one. */
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly intermediates?: readonly number[];
  readonly options?: OptionsInit;
}

export interface ModelInit {
  readonly tensors: readonly TensorInit[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly operators: readonly OperatorInit[];
}

const list = (value: number | readonly number[]): readonly number[] => (typeof value === 'number' ? [value] : value);

/** Positions in the file that were written before. */
class Writer {
  readonly b = new Builder(1024);

  int32s(values: readonly number[]): number {
    this.b.startVector(4, values.length, 4);
    for (const value of values.toReversed()) this.b.addInt32(value);
    return this.b.endVector();
  }

  float32s(values: readonly number[]): number {
    this.b.startVector(4, values.length, 4);
    for (const value of values.toReversed()) this.b.addFloat32(value);
    return this.b.endVector();
  }

  int64s(values: readonly number[]): number {
    this.b.startVector(8, values.length, 8);
    for (const value of values.toReversed()) this.b.addInt64(BigInt(value));
    return this.b.endVector();
  }

  tables(offsets: readonly number[]): number {
    this.b.startVector(4, offsets.length, 4);
    for (const offset of offsets.toReversed()) this.b.addOffset(offset);
    return this.b.endVector();
  }

  /** A table of `count` fields; `add` writes those that are there. */
  table(count: number, add: (b: Builder) => void): number {
    this.b.startObject(count);
    add(this.b);
    return this.b.endObject();
  }

  /** Numbers of the narrowest type that holds them: the member of the union SparseIndexVector, and its table. */
  indices(values: readonly number[]): readonly [member: number, table: number] {
    const most = Math.max(0, ...values);
    const [member, width] = most < 2 ** 8 ? [3, 1] : most < 2 ** 16 ? [2, 2] : [1, 4];
    this.b.startVector(width, values.length, 4);
    for (const value of values.toReversed())
      width === 1 ? this.b.addInt8(value) : width === 2 ? this.b.addInt16(value) : this.b.addInt32(value);
    const vector = this.b.endVector();
    return [member, this.table(1, (b) => b.addFieldOffset(0, vector, 0))];
  }

  sparsity({ order, blocks, levels }: TfliteSparsity): number {
    const [axes, map] = [this.int32s(order), this.int32s(blocks)];
    const dimensions = levels.map((level) => {
      if ('size' in level) return this.table(6, (b) => b.addFieldInt32(1, level.size, 0));
      const [segments, indices] = [this.indices(level.segments), this.indices(level.indices)];
      return this.table(6, (b) => {
        b.addFieldInt8(0, 1, 0);
        for (const [i, [member, table]] of [segments, indices].entries()) {
          b.addFieldInt8(2 + 2 * i, member, 0);
          b.addFieldOffset(3 + 2 * i, table, 0);
        }
      });
    });
    const all = this.tables(dimensions);
    return this.table(3, (b) => {
      b.addFieldOffset(0, axes, 0);
      b.addFieldOffset(1, map, 0);
      b.addFieldOffset(2, all, 0);
    });
  }

  tensor(
    { dtype, shape, scale, zeroPoint = 0, isVariable = false, sparsity }: TensorInit,
    buffer: number,
    name: string,
  ): number {
    const places = sparsity ? this.sparsity(sparsity) : 0;
    const [dims, text] = [this.int32s(shape), this.b.createString(name)];
    let quantization = 0;
    if (scale !== undefined) {
      const [scales, zeros] = [this.float32s(list(scale)), this.int64s(list(zeroPoint))];
      quantization = this.table(7, (b) => {
        b.addFieldOffset(2, scales, 0);
        b.addFieldOffset(3, zeros, 0);
      });
    }
    const type = tensorTypes.findIndex((word) => dtypeOfTensor(word) === dtype);
    return this.table(8, (b) => {
      b.addFieldOffset(0, dims, 0);
      b.addFieldInt8(1, type, 0);
      b.addFieldInt32(2, buffer, 0);
      b.addFieldOffset(3, text, 0);
      b.addFieldOffset(4, quantization, 0);
      b.addFieldInt8(5, Number(isVariable), 0);
      b.addFieldOffset(6, places, 0);
    });
  }

  operator({ inputs, outputs, intermediates = [], options }: OperatorInit, code: number): number {
    const [ins, outs, inner] = [inputs, outputs, intermediates].map((list) => this.int32s(list));
    const table = options ? this.options(options) : 0;
    return this.table(12, (b) => {
      b.addFieldInt32(0, code, 0);
      b.addFieldOffset(1, ins, 0);
      b.addFieldOffset(2, outs, 0);
      b.addFieldInt8(3, options?.number ?? 0, 0);
      b.addFieldOffset(4, table, 0);
      b.addFieldOffset(8, inner, 0);
    });
  }

  options({ fields }: OptionsInit): number {
    const lists = fields.map(([, value]) => (typeof value === 'object' ? this.int32s(value) : 0));
    return this.table(16, (b) => {
      for (const [i, [id, value, type]] of fields.entries()) {
        if (typeof value === 'object') b.addFieldOffset(id, lists[i], 0);
        else if (typeof value === 'boolean' || type === 'int8') b.addFieldInt8(id, Number(value), -1);
        else if (type === 'float32') b.addFieldFloat32(id, value, Number.NaN);
        else b.addFieldInt32(id, value, -(2 ** 31));
      }
    });
  }
}

/** The bytes of a model of one subgraph; tensor i has the name `t{i}`. */
export function modelBytes({ tensors, inputs, outputs, operators }: ModelInit): Uint8Array {
  const w = new Writer();
  const constants = tensors.flatMap(({ data }) => (data ? [data] : []));
  const buffers = [undefined, ...constants].map((constant) => {
    const bytes = constant ? w.b.createByteVector(bytesOf(constant.data)) : 0;
    return w.table(1, (b) => b.addFieldOffset(0, bytes, 0));
  });
  const places = tensors.map(({ data }) => (data ? constants.indexOf(data) + 1 : 0));
  const all = w.tables(tensors.map((init, i) => w.tensor(init, places[i], `t${i}`)));
  const nodes = w.tables(operators.map((init, i) => w.operator(init, i)));
  const [ins, outs] = [w.int32s(inputs), w.int32s(outputs)];
  const subgraph = w.table(5, (b) => {
    b.addFieldOffset(0, all, 0);
    b.addFieldOffset(1, ins, 0);
    b.addFieldOffset(2, outs, 0);
    b.addFieldOffset(3, nodes, 0);
  });
  const codes = operators.map(({ name }) => {
    const number = builtinOperators.indexOf(name);
    return w.table(4, (b) => {
      b.addFieldInt8(0, Math.min(number, 127), 0);
      b.addFieldInt32(3, number, 0);
    });
  });
  const lists = { codes: w.tables(codes), subgraphs: w.tables([subgraph]), buffers: w.tables(buffers) };
  const root = w.table(8, (b) => {
    b.addFieldInt32(0, 3, 0);
    b.addFieldOffset(1, lists.codes, 0);
    b.addFieldOffset(2, lists.subgraphs, 0);
    b.addFieldOffset(4, lists.buffers, 0);
  });
  w.b.finish(root, 'TFL3');
  return w.b.asUint8Array();
}
