import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bfloat16ToNumber, halfToNumber, numberToBfloat16, numberToHalf } from '../../../src/numerics/half.ts';
import { scalar, tensor } from '../../../src/tensors/tensor.ts';
import { ortOutput } from './ort.ts';

const patterns = Uint16Array.from({ length: 65536 }, (_, i) => i);
const isNaN16 = (h: number) => (h & 0x7fff) > 0x7c00;

describe('binary16', () => {
  test('all 65,536 patterns as numbers, and back', async () => {
    const theirs = (await ortOutput({
      ...{ op: 'Cast', opset: 13, attrs: { to: 1 }, outputs: ['f32'] },
      inputs: [{ tensor: tensor('f16', patterns) }],
    })) as Float32Array;
    const wrong = patterns.filter((h) => !Object.is(halfToNumber(h), theirs[h]));
    expect(wrong.length).toBe(0);
    expect(patterns.filter((h) => !isNaN16(h) && numberToHalf(halfToNumber(h)) !== h).length).toBe(0);
    expect(patterns.filter((h) => isNaN16(h) && numberToHalf(halfToNumber(h)) !== 0x7e00).length).toBe(0);
  });

  test('between two patterns: nearest, ties to even, as ONNX Runtime casts', async () => {
    const values: number[] = [65519, 65520, -65520, Infinity, -Infinity, 2 ** -25, 2 ** -26, -0, 3e38];
    for (let h = 0; h < 0x7bff; h += 3) {
      const [low, high] = [halfToNumber(h), halfToNumber(h + 1)];
      const middle = Math.fround((low + high) / 2);
      const step = 2 ** -20 * (high - low);
      values.push(middle, -middle, Math.fround(middle + step), Math.fround(middle - step));
    }
    const theirs = (await ortOutput({
      ...{ op: 'Cast', opset: 13, attrs: { to: 10 }, outputs: ['f16'] },
      inputs: [{ tensor: tensor('f32', values) }],
    })) as Uint16Array;
    expect(values.filter((x, i) => numberToHalf(x) !== theirs[i])).toEqual([]);
  });

  test('a binary64 number is rounded once', () => {
    const tie = 1 + 2 ** -11;
    expect(numberToHalf(tie)).toBe(0x3c00);
    expect(numberToHalf(tie + 2 ** -40)).toBe(0x3c01);
    expect(numberToHalf(2 - 2 ** -40)).toBe(0x4000);
    expect(numberToHalf(2 - 2 ** -11 - 2 ** -40)).toBe(0x3fff);
  });
});

describe('bfloat16', () => {
  test('exact both ways', () => {
    const wrong = patterns.filter((b) => {
      const x = bfloat16ToNumber(b);
      return Number.isNaN(x) ? numberToBfloat16(x) !== 0x7fc0 : numberToBfloat16(x) !== b;
    });
    expect(wrong.length).toBe(0);
    expect(bfloat16ToNumber(0x3f80)).toBe(1);
  });

  test('nearest, ties to even', () => {
    expect(numberToBfloat16(1 + 2 ** -8)).toBe(0x3f80);
    expect(numberToBfloat16(1 + 3 * 2 ** -8)).toBe(0x3f82);
    expect(numberToBfloat16(3.4e38)).toBe(0x7f80);
    const f32 = fc.float({ noNaN: true });
    fc.assert(
      fc.property(f32, (x) => {
        const near = numberToBfloat16(x);
        if ((near & 0x7fff) === 0x7f80) return;
        const error = Math.abs(bfloat16ToNumber(near) - x);
        for (const other of [near - 1, near + 1]) {
          const distance = Math.abs(bfloat16ToNumber(other & 0xffff) - x);
          expect(distance > error || (distance === error && near % 2 === 0) || Number.isNaN(distance)).toBe(true);
        }
      }),
    );
  });

  test('as ONNX Runtime casts', async () => {
    const x = scalar('f32', Math.fround(1.00390625 * 1.5));
    const there = await ortOutput({
      ...{ op: 'Cast', opset: 13, attrs: { to: 1 }, outputs: ['f32'] },
      inputs: [{ tensor: tensor('bf16', Uint16Array.of(numberToBfloat16(x.data[0]))), init: true }],
    });
    expect((there as Float32Array)[0]).toBe(bfloat16ToNumber(numberToBfloat16(x.data[0])));
  });
});
