import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Diagnostic } from '../../../src/diagnostics/index.ts';
import { type OnnxTensor, openOnnx } from '../../../src/formats/onnx/index.ts';
import { type DType, dtypes, viewAs } from '../../../src/tensors/dtype.ts';
import { bytes, errorOf, int, tensorModel, text, varint } from './support.ts';

function opened(...fields: number[][]): { tensor: OnnxTensor; warnings: readonly Diagnostic[] } {
  const { graph, warnings } = openOnnx(tensorModel(...fields));
  return { tensor: graph.initializers.get('t')!, warnings };
}
const tensorOf = (...fields: number[][]): OnnxTensor => opened(...fields).tensor;
const fixed = (field: number, wire: 1 | 5, packed: boolean, elements: number[][]): number[] =>
  packed ? bytes(field, elements.flat()) : elements.flatMap((element) => [...varint(field * 8 + wire), ...element]);
const varints = (field: number, packed: boolean, values: (number | bigint)[]): number[] =>
  packed ? bytes(field, values.flatMap(varint)) : values.flatMap((value) => int(field, value));
const chunks = (all: Uint8Array, size: number): number[][] =>
  Array.from({ length: all.length / size }, (_, i) => [...all.subarray(i * size, (i + 1) * size)]);

/** The fields of TensorProto that hold elements outside of raw_data: the specification's table, by its comments. */
const homes: Record<DType, { field: number; encode(raw: Uint8Array, packed: boolean): number[] }> = Object.fromEntries(
  (Object.keys(dtypes) as DType[]).map((dtype) => {
    if (dtype === 'f32')
      return [dtype, { field: 4, encode: (raw: Uint8Array, p: boolean) => fixed(4, 5, p, chunks(raw, 4)) }];
    if (dtype === 'f64')
      return [dtype, { field: 10, encode: (raw: Uint8Array, p: boolean) => fixed(10, 1, p, chunks(raw, 8)) }];
    const field = dtype === 's64' ? 7 : dtype === 'u64' || dtype === 'u32' ? 11 : 5;
    return [
      dtype,
      {
        field,
        encode: (raw: Uint8Array, p: boolean) => varints(field, p, Array.from(viewAs(dtype, raw) as ArrayLike<number>)),
      },
    ];
  }),
) as never;

describe.each(Object.keys(dtypes) as DType[])('%s', (dtype) => {
  const { bits, onnxCode } = dtypes[dtype];
  // of the elements that share a byte, or of one
  const size = Math.max(1, bits / 8);
  const each = Math.max(1, 8 / bits);
  const data = fc
    .array(fc.uint8Array({ minLength: size, maxLength: size }), { maxLength: 9 })
    .map((elements) =>
      Uint8Array.from(elements.flatMap((element) => (dtype === 'bool' ? [element[0] & 1] : [...element]))),
    );

  it('typed data, packed or not, and raw_data give the same bytes', () => {
    fc.assert(
      fc.property(data, fc.boolean(), (raw, packed) => {
        const head = [int(1, (each * raw.length) / size), int(2, onnxCode)];
        const fromRaw = tensorOf(...head, bytes(9, raw));
        const fromTyped = tensorOf(...head, homes[dtype].encode(raw, packed));
        expect(fromRaw).toMatchObject({
          name: 't',
          dtype,
          onnxType: onnxCode,
          dims: [(each * raw.length) / size],
          byteLength: raw.length,
        });
        expect([...fromRaw.raw()]).toEqual([...raw]);
        expect([...fromTyped.raw()]).toEqual([...raw]);
        expect(fromTyped.raw()).toBe(fromTyped.raw());
      }),
    );
  });

  it('pieces of one field are concatenated', () => {
    const raw = Uint8Array.from({ length: 4 * size }, (_, i) => (dtype === 'bool' ? i & 1 : i));
    const [a, b] = [raw.slice(0, 3 * size), raw.slice(3 * size)];
    const { encode } = homes[dtype];
    const tensor = tensorOf(int(1, 4 * each), int(2, onnxCode), encode(a, true), bytes(200, [1]), encode(b, false));
    expect([...tensor.raw()]).toEqual([...raw]);
  });
});

describe('typed data', () => {
  it('in a field of another type is refused', () => {
    const error = errorOf(() => tensorOf(int(1, 1), int(2, 1), varints(5, true, [1])));
    expect(error.message).toMatch(/^error\[U1004\]: tensor 't' is float32\[1\] but has int32Data/);
  });

  it.each([
    ['s8', 3, 128, [128]],
    ['s8', 3, -129, [127]],
    ['u8', 2, -1, [255]],
    ['bool', 9, 2, [1]],
    ['f16', 10, 65537, [1, 0]],
  ])('that does not fit %s is cut down to its lowest bits, and said', (_name, code, value, taken) => {
    const { tensor, warnings } = opened(int(1, 1), int(2, code), varints(5, true, [value]));
    expect([...tensor.raw()]).toEqual(taken);
    expect(warnings[0].message).toContain(`holds ${value}`);
  });

  it('of uint32 too', () => {
    const { tensor, warnings } = opened(int(1, 1), int(2, 12), varints(11, true, [2n ** 32n + 5n]));
    expect([...tensor.raw()]).toEqual([5, 0, 0, 0]);
    expect(warnings[0].code).toBe('U2010');
  });
});

describe('types that are only carried', () => {
  it.each([
    [14, [2], 16],
    [15, [2], 32],
  ])('type %i %j has %i bytes', (code, dims, size) => {
    const raw = Uint8Array.from({ length: size }, (_, i) => i + 1);
    const head = [bytes(1, dims), int(2, code)];
    const tensor = tensorOf(...head, bytes(9, raw));
    expect(tensor).toMatchObject({ dtype: undefined, onnxType: code, byteLength: size });
    expect([...tensor.raw()]).toEqual([...raw]);
    const typed = code === 14 ? fixed(4, 5, true, chunks(raw, 4)) : fixed(10, 1, true, chunks(raw, 8));
    expect([...tensorOf(...head, typed).raw()]).toEqual([...raw]);
    expect(errorOf(() => tensorOf(...head, bytes(9, [...raw, 0]))).code).toBe('U1004');
  });

  it('strings have no bytes, and are counted', () => {
    const tensor = tensorOf(int(1, 2), int(2, 8), text(6, 'a'), text(6, 'b'));
    expect(tensor).toMatchObject({ dtype: undefined, byteLength: undefined });
    expect(errorOf(() => tensor.raw()).code).toBe('U2006');
    expect(errorOf(() => tensorOf(int(1, 2), int(2, 8), text(6, 'a'))).code).toBe('U1004');
  });

  it('a type of the future keeps its raw_data', () => {
    expect([...tensorOf(int(1, 9), int(2, 99), bytes(9, [1, 2])).raw()]).toEqual([1, 2]);
    expect(errorOf(() => tensorOf(int(1, 9), int(2, 99)).raw()).code).toBe('U1004');
  });
});

describe('sizes', () => {
  const u8 = int(2, 2);
  it.each([
    ['dims that disagree with the data', [int(1, 3), u8, bytes(9, [1, 2])], 'uint8[3], 3 bytes, but has 2'],
    ['no data', [int(1, 3), u8], 'uint8[3], 3 values, but has 0'],
    ['a scalar without data', [u8], 'uint8[], 1 values, but has 0'],
    ['a negative dimension', [int(1, -1), u8, bytes(9, [])], 'has dimension -1'],
    ['a dimension of 2^63-1', [int(1, 2n ** 63n - 1n), u8, bytes(9, [])], 'has dimension 9223372036854775807'],
    [
      'a product that overflows',
      [bytes(1, [...varint(2 ** 40), ...varint(2 ** 40)]), u8, bytes(9, [])],
      'more than any memory holds',
    ],
    ['a claimed terabyte', [int(1, 2 ** 40), u8, bytes(9, [1])], '1099511627776 bytes, but has 1'],
    ['2000 dimensions', [bytes(1, new Array(2000).fill(1)), u8, bytes(9, [1])], 'has 2000 dimensions'],
    ['no element type', [int(1, 1), bytes(9, [1])], 'has no element type'],
    ['raw and typed data', [int(1, 1), u8, bytes(9, [1]), bytes(5, [2])], 'has raw_data and int32Data'],
  ])('%s is refused, with the name of the tensor', (_name, fields, message) => {
    const error = errorOf(() => tensorOf(...fields));
    expect(error.code).toBe('U1004');
    expect(error.message).toContain(message);
    expect(error.diagnostics[0].location.input).toBe('t');
  });

  it('a zero makes the others harmless', () => {
    expect(tensorOf(bytes(1, [...varint(2 ** 50), ...varint(2 ** 50), 0]), u8).raw()).toHaveLength(0);
  });
});
