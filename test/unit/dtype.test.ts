import fc from 'fast-check';
import onnxProto from 'onnx-proto';
import { describe, expect, it } from 'vitest';
import {
  allDTypes,
  byteLengthOf,
  byteTypes,
  dtypeOfOnnxCode,
  dtypeOfOnnxName,
  dtypes,
  elementTypeOfOnnxCode,
  elementTypes,
  isByteType,
  isDType,
  isInteger,
  keysOf,
  newArray,
  otherByteType,
  packed,
  packedTypes,
  shiftBetween,
  shiftTo,
  storedTypes,
  unpacked,
  viewAs,
} from '../../src/tensors/index.ts';

const all = keysOf(elementTypes);
const carried = all.filter((type) => !isDType(type));
const sized = all.filter((type) => type !== 'string');

/** The newest ones are not in onnx-proto: https://github.com/onnx/onnx/blob/main/onnx/onnx.in.proto */
const newest = 'FLOAT8E4M3FN FLOAT8E4M3FNUZ FLOAT8E5M2 FLOAT8E5M2FNUZ UINT4 INT4 FLOAT4E2M1 FLOAT8E8M0 UINT2 INT2';
const enumOfOnnx: Readonly<Record<string, number>> = {
  ...Object.fromEntries(newest.split(' ').map((name, i) => [name, 17 + i])),
  ...onnxProto.onnx.TensorProto.DataType,
};
const enumNames: Readonly<Record<string, string>> = { float32: 'FLOAT', float64: 'DOUBLE' };

describe('the table of element types', () => {
  it('has one row for each code of TensorProto.DataType', () => {
    const codes = Object.values(elementTypes).map(({ onnxCode }) => onnxCode);
    expect(codes.sort((a, b) => a - b)).toEqual(Array.from({ length: 26 }, (_, i) => i + 1));
  });

  it.each(all)('%s has the code and the bits that its ONNX name says', (type) => {
    const { onnx, onnxCode, bits } = elementTypes[type];
    expect(onnxCode).toBe(enumOfOnnx[enumNames[onnx] ?? onnx.toUpperCase()]);
    const bitsOfName = { bool: 8, string: undefined }[onnx] ?? /\d+/.exec(onnx)?.[0];
    expect(bits).toBe(bitsOfName === undefined ? undefined : Number(bitsOfName));
  });

  it('is found by code and by name', () => {
    for (const type of all) expect(elementTypeOfOnnxCode(elementTypes[type].onnxCode)).toBe(type);
    for (const type of allDTypes) {
      expect(dtypeOfOnnxCode(dtypes[type].onnxCode)).toBe(type);
      expect(dtypeOfOnnxName(dtypes[type].onnx)).toBe(type);
      expect(dtypes[type]).toBe(elementTypes[type]);
    }
    for (const code of [-1, 0, 27]) expect(elementTypeOfOnnxCode(code)).toBeUndefined();
  });

  it('names types that are carried only, and nothing computes with them', () => {
    expect(carried).toHaveLength(all.length - allDTypes.length - storedTypes.length);
    for (const type of carried) {
      expect(elementTypes[type]).not.toHaveProperty('storage');
      expect(dtypeOfOnnxCode(elementTypes[type].onnxCode)).toBeUndefined();
      expect(dtypeOfOnnxName(elementTypes[type].onnx)).toBeUndefined();
    }
  });

  it.each(allDTypes.filter((type) => isInteger(type) && dtypes[type].bits <= 32))('%s holds its ends', (type) => {
    const { min, max } = dtypes[type];
    const data = newArray(type, 4);
    [min, max, min - 1, max + 1].forEach((value, i) => {
      data[i] = value;
    });
    expect([...data]).toEqual([min, max, max, min]);
  });
});

describe('elements that share a byte', () => {
  it.each(packedTypes)('of %s come back, modulo 2^bits', (type) => {
    const { min, max, bits } = dtypes[type];
    const values = Array.from({ length: 2 ** bits }, (_, i) => min + i);
    expect([...unpacked(packed(type, values, [values.length])).data]).toEqual(values);
    expect([...unpacked(packed(type, [min - 1, max + 1, min], [3])).data]).toEqual([max, min, min]);
  });

  it('begin in its lowest bits', () => {
    expect([...packed('s4', [1, -1, 2], [3]).data]).toEqual([0xf1, 0x02]);
    expect([...packed('u2', [1, 2, 3, 0, 1], [5]).data]).toEqual([0b00111001, 0b01]);
  });
});

describe('bytes of elements', () => {
  it('fill up the last byte when elements are packed', () => {
    const lengths = [0, 1, 2, 3, 4, 5, 8, 9];
    expect(lengths.map((count) => byteLengthOf('u4', count))).toEqual([0, 1, 1, 2, 2, 3, 4, 5]);
    expect(lengths.map((count) => byteLengthOf('f4e2m1', count))).toEqual([0, 1, 1, 2, 2, 3, 4, 5]);
    expect(lengths.map((count) => byteLengthOf('s2', count))).toEqual([0, 1, 1, 1, 1, 2, 2, 3]);
    expect(lengths.map((count) => byteLengthOf('f8e8m0', count))).toEqual(lengths);
    expect(byteLengthOf('c128', 3)).toBe(48);
  });

  it('are those of the array in memory where unskew computes with a type', () => {
    for (const type of [...allDTypes, ...storedTypes])
      for (const count of [0, 1, 7]) expect(byteLengthOf(type, count)).toBe(newArray(type, count).byteLength);
  });

  it('are the fewest that hold all bits, also of more elements than memory holds', () => {
    fc.assert(
      fc.property(fc.constantFrom(...sized), fc.nat(2 ** 47), (type, count) => {
        const bits = BigInt(elementTypes[type].bits) * BigInt(count);
        const bytes = byteLengthOf(type, count);
        return 8n * BigInt(bytes) >= bits && 8n * (BigInt(bytes) - 1n) < bits;
      }),
    );
  });
});

describe('the integers of 8 bits', () => {
  it('are the integer types of one byte, in the order of their codes', () => {
    expect(byteTypes).toEqual(allDTypes.filter((type) => isInteger(type) && dtypes[type].bits === 8));
    expect(all.filter(isByteType)).toEqual(byteTypes);
    expect(['', 'opaque', 'U8'].filter(isByteType)).toEqual([]);
  });

  it.each(byteTypes)('move to %s by as much as flips bit 7', (to) => {
    const from = otherByteType(to);
    expect(otherByteType(from)).toBe(to);
    expect(shiftTo(to)).toBe(-shiftTo(from));
    expect(shiftBetween(from, to)).toBe(shiftTo(to));
    expect(shiftBetween(to, to)).toBe(0);
    const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    const flipped = viewAs(
      to,
      bytes.map((byte) => byte ^ 0x80),
    );
    expect([...flipped]).toEqual(Array.from(viewAs(from, bytes), (value) => value + shiftTo(to)));
  });
});
