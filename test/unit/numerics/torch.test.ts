/** Edges of PyTorch's recipes; their bulk is compared with recorded kernels in test/unit/torch. */
import { expect, it } from 'vitest';
import {
  type QLinearBinary,
  qnnpackAdd,
  qnnpackAddConstants,
  quantize,
  quantizeByReciprocal,
  reciprocal32,
  torchAdd,
  torchDynamicParameters,
} from '../../../src/numerics/index.ts';

const binary = (scaleA: number, scaleB: number, scaleC: number, zeroPointC = 128): QLinearBinary => ({
  dtype: 'u8',
  scaleA,
  zeroPointA: 0,
  scaleB,
  zeroPointB: 0,
  scaleC,
  zeroPointC,
});

it('a reciprocal is not a division', () => {
  const [x, s] = [Math.fround(1.5 / 7), Math.fround(1 / 7)];
  expect(quantize(x, s, 0, 0, 255)).toBe(2);
  expect(quantizeByReciprocal(x, reciprocal32(s), 0, 0, 255)).toBe(1);
});

it('QNNPACK keeps 21 bits of the greater ratio', () => {
  expect(qnnpackAddConstants(binary(1, 0.5, 1))).toEqual({ multiplierA: 2 ** 21, multiplierB: 2 ** 20, shift: 21 });
  expect(qnnpackAddConstants(binary(3.5, 1, 1))).toEqual({
    multiplierA: 3.5 * 2 ** 20,
    multiplierB: 2 ** 20,
    shift: 20,
  });
  const last = Math.fround(2 - 2 ** -23);
  expect(qnnpackAddConstants(binary(last, last, 1))?.shift).toBe(21);
});

it('QNNPACK takes ratios from 2^-14 to 2^8', () => {
  expect(qnnpackAddConstants(binary(1, 2 ** -14, 1))).toBeDefined();
  expect(qnnpackAddConstants(binary(1, 2 ** -15, 1))).toBeUndefined();
  expect(qnnpackAddConstants(binary(2 ** 8, 1, 1))).toBeUndefined();
  const [a, b] = [Uint8Array.of(0, 1, 2), Uint8Array.of(3, 4, 5)];
  const [x, y] = [new Uint8Array(3), new Uint8Array(3)];
  qnnpackAdd(binary(1, 2 ** -15, 1), a, b, x);
  torchAdd(binary(1, 2 ** -15, 1), a, b, y);
  expect(x).toEqual(y);
});

it('QNNPACK rounds halves away from zero, the others to even', () => {
  const q = { ...binary(0.5, 0.5, 1), zeroPointA: 4 };
  const a = Uint8Array.of(1, 3, 5, 7);
  const zero = new Uint8Array(4);
  const [away, even] = [new Uint8Array(4), new Uint8Array(4)];
  qnnpackAdd(q, a, zero, away);
  torchAdd(q, a, zero, even);
  expect([...away]).toEqual([126, 127, 129, 130]); // −1.5 −0.5 0.5 1.5
  expect([...even]).toEqual([126, 128, 128, 130]);
});

it('dynamic parameters cover 0, and are never tiny', () => {
  expect(torchDynamicParameters([0, 0], 255)).toEqual({ scale: Math.fround(0.1), zeroPoint: 0 });
  expect(torchDynamicParameters([1, 2.55], 255)).toEqual({ scale: Math.fround(0.01), zeroPoint: 0 });
  expect(torchDynamicParameters([-2.55, -1], 255)).toEqual({ scale: Math.fround(0.01), zeroPoint: 255 });
  expect(torchDynamicParameters([-1, 1], 127)).toEqual({ scale: Math.fround(2 / 127), zeroPoint: 64 });
  expect(torchDynamicParameters([0, 1e-9], 255)).toEqual({ scale: Math.fround(6.1e-5), zeroPoint: 0 });
  expect(torchDynamicParameters([-1e-9, 0], 255)).toEqual({ scale: Math.fround(6.1e-5), zeroPoint: 255 });
});
