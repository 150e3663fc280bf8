/** Writes small TensorFlow Lite files for tests, right or wrong: the reader's schema is not asked. */
import { Builder } from 'flatbuffers';
import type { TensorTypeName } from '../../src/formats/tflite/index.ts';
import { builtinOperators } from '../../src/formats/tflite/operators.ts';
import { tensorTypes } from '../../src/formats/tflite/schema.ts';

export interface TensorInit {
  readonly name?: string;
  readonly type: TensorTypeName;
  readonly shape: readonly number[];
  readonly data?: Uint8Array;
  readonly scale?: readonly number[];
  readonly zeroPoint?: readonly number[];
  readonly axis?: number;
  readonly isVariable?: boolean;
  readonly signature?: readonly number[];
}

/** One field of an options table. */
export type OptionInit = readonly [field: number, kind: 'bool' | 'int8' | 'int32' | 'float32', value: number];

export interface OperatorInit {
  readonly op: string;
  readonly custom?: boolean;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly optionsType?: number;
  readonly options?: readonly OptionInit[];
  readonly customOptions?: Uint8Array;
}

export interface ModelInit {
  readonly tensors: readonly TensorInit[];
  readonly operators: readonly OperatorInit[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly version?: number;
}

type Offset = number;

function table(b: Builder, fields: number, fill: () => void): Offset {
  b.startObject(fields);
  fill();
  return b.endObject();
}

function offsets(b: Builder, list: readonly Offset[]): Offset {
  b.startVector(4, list.length, 4);
  for (const offset of list.toReversed()) b.addOffset(offset);
  return b.endVector();
}

function ints(b: Builder, list: readonly number[]): Offset {
  b.startVector(4, list.length, 4);
  for (const value of list.toReversed()) b.addInt32(value);
  return b.endVector();
}

function quantization(b: Builder, { scale = [], zeroPoint = scale.map(() => 0), axis = 0 }: TensorInit): Offset {
  b.startVector(4, scale.length, 4);
  for (const value of scale.toReversed()) b.addFloat32(value);
  const scales = b.endVector();
  b.startVector(8, zeroPoint.length, 8);
  for (const value of zeroPoint.toReversed()) b.addInt64(BigInt(value));
  const zeroPoints = b.endVector();
  return table(b, 7, () => {
    b.addFieldOffset(2, scales, 0);
    b.addFieldOffset(3, zeroPoints, 0);
    b.addFieldInt32(6, axis, 0);
  });
}

function tensor(b: Builder, init: TensorInit, buffer: number): Offset {
  const [shape, name] = [ints(b, init.shape), b.createString(init.name ?? '')];
  const signature = init.signature && ints(b, init.signature);
  const quantized = init.scale && quantization(b, init);
  return table(b, 11, () => {
    b.addFieldOffset(0, shape, 0);
    b.addFieldInt8(1, tensorTypes.indexOf(init.type), 0);
    b.addFieldInt32(2, buffer, 0);
    b.addFieldOffset(3, name, 0);
    if (quantized !== undefined) b.addFieldOffset(4, quantized, 0);
    b.addFieldInt8(5, init.isVariable ? 1 : 0, 0);
    if (signature !== undefined) b.addFieldOffset(7, signature, 0);
  });
}

const adders = {
  bool: (b: Builder, field: number, value: number) => b.addFieldInt8(field, value, 0),
  int8: (b: Builder, field: number, value: number) => b.addFieldInt8(field, value, 0),
  int32: (b: Builder, field: number, value: number) => b.addFieldInt32(field, value, 0),
  float32: (b: Builder, field: number, value: number) => b.addFieldFloat32(field, value, 0),
};

function operator(b: Builder, init: OperatorInit, code: number): Offset {
  const [inputs, outputs] = [ints(b, init.inputs), ints(b, init.outputs)];
  const { options, optionsType = 0, customOptions } = init;
  const custom = customOptions && b.createByteVector(customOptions);
  const written =
    options &&
    table(b, 1 + Math.max(0, ...options.map(([field]) => field)), () => {
      for (const [field, kind, value] of options) adders[kind](b, field, value);
    });
  return table(b, 12, () => {
    b.addFieldInt32(0, code, 0);
    b.addFieldOffset(1, inputs, 0);
    b.addFieldOffset(2, outputs, 0);
    b.addFieldInt8(3, optionsType, 0);
    if (written !== undefined) b.addFieldOffset(4, written, 0);
    if (custom !== undefined) b.addFieldOffset(5, custom, 0);
  });
}

/** Every operator has a code of its own; buffer 0 is the empty one. */
export function writeTflite({ tensors, operators, inputs, outputs, version = 3 }: ModelInit): Uint8Array {
  const b = new Builder(1024);
  const constants = tensors.filter(({ data }) => data);
  const data = constants.map((init) => {
    b.startVector(1, init.data?.length ?? 0, 16);
    for (const byte of (init.data ?? new Uint8Array(0)).toReversed()) b.addInt8(byte);
    return b.endVector();
  });
  const buffers = offsets(b, [
    table(b, 1, () => {}),
    ...data.map((vector) => table(b, 1, () => b.addFieldOffset(0, vector, 0))),
  ]);
  const allTensors = offsets(
    b,
    tensors.map((init) => tensor(b, init, constants.indexOf(init) + 1)),
  );
  const codes = offsets(
    b,
    operators.map(({ op, custom }) => {
      const name = custom ? b.createString(op) : undefined;
      const number = custom ? 32 : builtinOperators.indexOf(op);
      return table(b, 4, () => {
        b.addFieldInt8(0, Math.min(number, 127), 0);
        if (name !== undefined) b.addFieldOffset(1, name, 0);
        b.addFieldInt32(3, number, 0);
      });
    }),
  );
  const allOperators = offsets(
    b,
    operators.map((init, i) => operator(b, init, i)),
  );
  const [ins, outs, name] = [ints(b, inputs), ints(b, outputs), b.createString('main')];
  const subgraph = table(b, 5, () => {
    b.addFieldOffset(0, allTensors, 0);
    b.addFieldOffset(1, ins, 0);
    b.addFieldOffset(2, outs, 0);
    b.addFieldOffset(3, allOperators, 0);
    b.addFieldOffset(4, name, 0);
  });
  const subgraphs = offsets(b, [subgraph]);
  const model = table(b, 8, () => {
    b.addFieldInt32(0, version, 0);
    b.addFieldOffset(1, codes, 0);
    b.addFieldOffset(2, subgraphs, 0);
    b.addFieldOffset(4, buffers, 0);
  });
  b.finish(model, 'TFL3');
  return b.asUint8Array().slice();
}
