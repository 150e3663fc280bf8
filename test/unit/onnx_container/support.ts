/** Wire-level building blocks, written here and apart from the code under test. */
import fc from 'fast-check';
import onnxProto from 'onnx-proto';
import { UnskewError } from '../../../src/diagnostics/index.ts';

export const { onnx } = onnxProto;

export function varint(value: number | bigint): number[] {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
}

export const int = (field: number, value: number | bigint): number[] => [...varint(field * 8), ...varint(value)];
export const bytes = (field: number, payload: Iterable<number>): number[] => {
  const list = [...payload];
  return [...varint(field * 8 + 2), ...varint(list.length), ...list];
};
export const text = (field: number, value: string): number[] => bytes(field, new TextEncoder().encode(value));

/** A model around the fields of a graph. */
export const modelOf = (graph: readonly number[], more: readonly number[] = []): Uint8Array =>
  Uint8Array.from([...int(1, 8), ...bytes(7, graph), ...bytes(8, int(2, 17)), ...more]);

/** A model around one node with the given further fields. */
export const nodeModel = (...fields: readonly number[][]): Uint8Array =>
  modelOf(bytes(1, [...text(3, 'n'), ...text(4, 'Op'), ...fields.flat()]));

/** A model with one attribute of that node. */
export const attributeModel = (...fields: readonly number[][]): Uint8Array =>
  nodeModel(bytes(5, [...text(1, 'a'), ...fields.flat()]));

/** A model with one initializer, named `t`. */
export const tensorModel = (...fields: readonly number[][]): Uint8Array =>
  modelOf(bytes(5, [...text(8, 't'), ...fields.flat()]));

/** The diagnostics of a call that must fail as the user's fault. */
export function errorOf(body: () => unknown): UnskewError {
  try {
    body();
  } catch (error) {
    if (error instanceof UnskewError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const name = fc.string({ minLength: 1, maxLength: 6, unit: 'grapheme' });

/** Fields that no schema knows: numbers 100 and up, all wire types, groups too. */
export const unknownField: fc.Arbitrary<number[]> = fc.oneof(
  fc
    .tuple(fc.integer({ min: 100, max: 2 ** 29 - 1 }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))
    .map(([f, v]) => int(f, v)),
  fc.tuple(fc.integer({ min: 100, max: 5000 }), fc.uint8Array({ maxLength: 9 })).map(([f, v]) => bytes(f, v)),
  fc
    .tuple(fc.integer({ min: 100, max: 5000 }), fc.uint8Array({ minLength: 4, maxLength: 4 }))
    .map(([f, v]) => [...varint(f * 8 + 5), ...v]),
  fc
    .tuple(fc.integer({ min: 100, max: 5000 }), fc.uint8Array({ minLength: 8, maxLength: 8 }))
    .map(([f, v]) => [...varint(f * 8 + 1), ...v]),
  fc.integer({ min: 100, max: 5000 }).map((f) => [...varint(f * 8 + 3), ...int(1, 5), ...varint(f * 8 + 4)]),
);

const unknown = fc.array(unknownField, { maxLength: 2 }).map((fields) => fields.flat());
const metadata = (field: number): fc.Arbitrary<number[]> =>
  fc
    .array(fc.tuple(name, name), { maxLength: 2 })
    .map((list) => list.flatMap(([k, v]) => bytes(field, [...text(1, k), ...text(2, v)])));

/** The fields of a message in any order: protobuf readers may not depend on it. */
const shuffled = (fields: readonly number[][]): fc.Arbitrary<number[]> =>
  fc.shuffledSubarray([...fields], { minLength: fields.length, maxLength: fields.length }).map((list) => list.flat());

const tensor = (named: string): fc.Arbitrary<number[]> =>
  fc
    .tuple(fc.uint8Array({ maxLength: 12 }), unknown, metadata(16))
    .chain(([data, extra, meta]) =>
      shuffled([int(1, data.length), int(2, 3), bytes(9, data), text(8, named), text(12, 'doc'), extra, meta]),
    );

const attribute = (named: string, depth: number): fc.Arbitrary<number[]> =>
  fc
    .oneof(
      fc.maxSafeInteger().map((v) => [int(20, 2), int(3, v)]),
      fc.array(fc.maxSafeInteger(), { maxLength: 4 }).map((vs) => [int(20, 7), bytes(8, vs.flatMap(varint))]),
      fc.array(fc.maxSafeInteger(), { maxLength: 4 }).map((vs) => [int(20, 7), ...vs.map((v) => int(8, v))]),
      fc.uint8Array({ maxLength: 5 }).map((v) => [int(20, 3), bytes(4, v)]),
      tensor('').map((t) => [int(20, 4), bytes(5, t)]),
      ...(depth > 0 ? [graph(depth - 1).map((g) => [int(20, 5), bytes(6, g)])] : []),
    )
    .chain((fields) => unknown.chain((extra) => shuffled([...fields, text(1, named), extra])));

const node = (depth: number): fc.Arbitrary<number[]> =>
  fc
    .tuple(
      fc.array(name, { maxLength: 3 }),
      fc.array(name, { maxLength: 2 }),
      fc.uniqueArray(name, { maxLength: 3 }),
      name,
      unknown,
      metadata(9),
      fc.option(name),
    )
    .chain(([inputs, outputs, attributes, op, extra, meta, overload]) =>
      fc
        .tuple(...attributes.map((a) => attribute(a, depth)))
        .chain((list) =>
          shuffled([
            inputs.flatMap((i) => text(1, i)),
            outputs.flatMap((o) => text(2, o)),
            text(4, op),
            ...list.map((a) => bytes(5, a)),
            extra,
            meta,
            overload === null ? [] : text(8, overload),
          ]),
        ),
    );

/** The payload of a valid graph. */
const graph = (depth: number): fc.Arbitrary<number[]> =>
  fc
    .tuple(
      fc.array(node(depth), { maxLength: 3 }),
      fc.uniqueArray(name, { maxLength: 3 }),
      fc.uniqueArray(name, { maxLength: 3 }),
      unknown,
    )
    .chain(([nodes, initializers, infos, extra]) =>
      fc
        .tuple(...initializers.map(tensor))
        .chain((tensors) =>
          shuffled([
            ...nodes.map((n) => bytes(1, n)),
            text(2, 'g'),
            ...tensors.map((t) => bytes(5, t)),
            ...infos.map((i) => bytes(11, text(1, i))),
            ...infos.map((i) => bytes(13, text(1, i))),
            bytes(14, text(1, 'q')),
            extra,
          ]),
        ),
    );

/** Small valid models with unknown fields everywhere, in any field order. */
export const model: fc.Arbitrary<Uint8Array> = fc
  .tuple(graph(2), unknown, metadata(14), fc.uint8Array({ maxLength: 4 }))
  .chain(([g, extra, meta, opaque]) =>
    shuffled([
      int(1, 9),
      bytes(7, g),
      bytes(8, int(2, 17)),
      bytes(8, [...text(1, 'com.microsoft'), ...int(2, 1)]),
      meta,
      extra,
      bytes(20, opaque),
      bytes(25, [...text(1, 'f'), ...text(10, 'local')]),
    ]),
  )
  .map((list) => Uint8Array.from(list));
