import { describe, expect, test } from 'vitest';
import { qlinearSoftmax } from '../../../src/numerics/qlinear_softmax.ts';
import { dtypes, newArray } from '../../../src/tensors/dtype.ts';
import { scalar, tensor } from '../../../src/tensors/tensor.ts';
import { integerBetween, ortOutput, random, randomData, randomScale } from './ort.ts';

describe.each(['u8', 's8'] as const)('QLinearSoftmax %s', (dtype) => {
  const { min, max } = dtypes[dtype];
  const onOrt = (x: Uint8Array | Int8Array, length: number, sx: number, sy: number, zy: number, init: boolean) =>
    ortOutput({
      ...{ op: 'QLinearSoftmax', domain: 'com.microsoft', attrs: { axis: -1, opset: 13 }, outputs: [dtype] },
      inputs: [
        { tensor: tensor(dtype, x, [x.length / length, length]) },
        { tensor: scalar('f32', sx), init },
        ...[scalar(dtype, 3), scalar('f32', sy), scalar(dtype, zy)].map((t) => ({ tensor: t })),
      ],
    });

  test.each([true, false])('equals ONNX Runtime; scale of x constant: %s', async (constant) => {
    const next = random(max + (constant ? 1 : 0));
    for (let round = 0; round < 60; round++) {
      const sx = randomScale(next);
      const sy = [1 / 256, Math.fround(1 / 127), Math.fround(1 / 255), randomScale(next, 1e-3, 0.1)][round % 4];
      // Below this length ORT overflows, see the next test.
      const least = Math.floor(1 / sy / 148) + 1;
      const length = integerBetween(next, least, round % 3 ? 1500 : 30);
      const zy = integerBetween(next, min, max);
      const x = randomData(next, dtype, 3 * length) as Uint8Array;
      const ours = newArray(dtype, x.length);
      qlinearSoftmax({ dtype, sx, sy, zy }, length, x, ours);
      expect([...ours], `${round}`).toEqual([...(await onOrt(x, length, sx, sy, zy, constant))]);
    }
  });

  test('a quotient that only binary32 rounds to a tie is not a tie', () => {
    // Element 14 is 8.50000017 steps of 1/256; fl of it is 8.5. ONNX Runtime 1.32 computes 9, 1.30 computed 8.
    const row = [115, 139, 123, 115, 128, 122, 110, 147, 121, 109, 105, 111, 115, 111, 113, 124];
    const x = tensor(
      dtype,
      row.map((q) => q - 64),
    ).data;
    const ours = newArray(dtype, x.length);
    qlinearSoftmax({ dtype, sx: Math.fround(0.05942057445645332), sy: 1 / 256, zy: min }, 16, x, ours);
    expect(Array.from(ours, (y) => y - min)).toEqual([10, 40, 15, 10, 21, 15, 7, 64, 14, 7, 5, 8, 10, 8, 9, 16]);
  });

  test('one element with scale 1/256 is 1, where ONNX Runtime overflows', async () => {
    const ours = newArray(dtype, 1);
    qlinearSoftmax({ dtype, sx: 0.1, sy: 1 / 256, zy: 3 }, 1, newArray(dtype, 1), ours);
    expect(ours[0]).toBe(max);
    expect((await onOrt(newArray(dtype, 1), 1, 0.1, 1 / 256, 3, true))[0]).toBe(dtype === 'u8' ? 3 : min);
  });

  test('a row does not depend on the others', () => {
    const x = tensor(dtype, [1, 2, 3, 4, 90, 80, 70, 60]).data;
    const [both, second] = [newArray(dtype, 8), newArray(dtype, 4)];
    const q = { dtype, sx: 0.05, sy: 1 / 256, zy: min };
    qlinearSoftmax(q, 4, x, both);
    qlinearSoftmax(q, 4, x.subarray(4), second);
    expect([...both.subarray(4)]).toEqual([...second]);
  });
});
