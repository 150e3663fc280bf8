import { describe, expect, test } from 'vitest';
import { sigmoid } from '../../../src/numerics/binary32_functions.ts';
import { leakyRelu } from '../../../src/numerics/float_functions.ts';
import {
  dequantizeTable,
  lookUp,
  type Quantization,
  requantizeTable,
  unaryTable,
} from '../../../src/numerics/tables.ts';
import { dtypes, newArray } from '../../../src/tensors/dtype.ts';
import { scalar, tensor } from '../../../src/tensors/tensor.ts';
import { integerBetween, ortOutput, random, randomData, randomScale } from './ort.ts';

type Byte = 'u8' | 's8';

function randomQuantization<D extends Byte>(next: () => number, dtype: D, scale = randomScale(next)): Quantization<D> {
  return { dtype, scale, zeroPoint: integerBetween(next, dtypes[dtype].min, dtypes[dtype].max) };
}

/** An output scale that puts many values next to a tie. */
const nearTies = (next: () => number, scale: number) =>
  Math.fround((scale * integerBetween(next, 1, 9)) / integerBetween(next, 1, 9));

const scaleAndZero = ({ dtype, scale, zeroPoint }: Quantization) => [
  { tensor: scalar('f32', scale), init: true },
  { tensor: scalar(dtype, zeroPoint), init: true },
];

const everyByte = (dtype: Byte) =>
  tensor(
    dtype,
    Array.from({ length: 256 }, (_, i) => dtypes[dtype].min + i),
  );

describe.each(['u8', 's8'] as const)('%s tables equal ONNX Runtime', (dtype) => {
  const all = everyByte(dtype);
  const applied = (table: Uint8Array | Int8Array) => {
    const out = newArray(dtype, 256);
    lookUp(all.data, table, out);
    return [...out];
  };

  test('QLinearLeakyRelu', async () => {
    const next = random(dtypes[dtype].max);
    for (let round = 0; round < 100; round++) {
      const x = randomQuantization(next, dtype);
      const y = randomQuantization(next, dtype, round % 2 ? nearTies(next, x.scale) : randomScale(next));
      const alpha = Math.fround(next());
      const theirs = await ortOutput({
        ...{ op: 'QLinearLeakyRelu', domain: 'com.microsoft', attrs: { alpha }, outputs: [dtype] },
        inputs: [{ tensor: all }, ...scaleAndZero(x), ...scaleAndZero(y)],
      });
      expect(applied(unaryTable(x, leakyRelu(alpha), y))).toEqual([...(theirs as Int8Array)]);
    }
  });

  test('QLinearSigmoid, but for values within 1e-4 of a tie', async () => {
    const next = random(dtypes[dtype].max + 1);
    for (let round = 0; round < 100; round++) {
      const x = randomQuantization(next, dtype, randomScale(next, 1e-3, 0.3));
      const y = randomQuantization(next, dtype, round % 2 ? 1 / 256 : randomScale(next, 2e-3, 0.1));
      const theirs = await ortOutput({
        ...{ op: 'QLinearSigmoid', domain: 'com.microsoft', outputs: [dtype] },
        inputs: [{ tensor: all }, ...scaleAndZero(x), ...scaleAndZero(y)],
      });
      const values = dequantizeTable(x);
      const differing = applied(unaryTable(x, sigmoid, y)).flatMap((q, i) => (q === theirs[i] ? [] : [i]));
      const distances = differing.map((i) => {
        const exact = sigmoid(values[all.data[i] & 255]) / y.scale;
        return Math.abs(exact - Math.floor(exact) - 0.5);
      });
      expect(distances.filter((distance) => distance > 1e-4)).toEqual([]);
    }
  });

  test('QLinearConcat', async () => {
    const next = random(dtypes[dtype].max + 2);
    for (let round = 0; round < 100; round++) {
      const x = randomQuantization(next, dtype);
      const y = round % 4 === 3 ? x : randomQuantization(next, dtype, round % 2 ? nearTies(next, x.scale) : undefined);
      const theirs = await ortOutput({
        ...{ op: 'QLinearConcat', domain: 'com.microsoft', attrs: { axis: 0 }, outputs: [dtype] },
        inputs: [...scaleAndZero(y), { tensor: all }, ...scaleAndZero(x)],
      });
      expect(applied(requantizeTable(x, y))).toEqual([...(theirs as Int8Array)]);
      if (y === x) expect(applied(requantizeTable(x, y))).toEqual([...all.data]);
    }
  });

  test('QLinearWhere', async () => {
    const next = random(dtypes[dtype].max + 3);
    for (let round = 0; round < 40; round++) {
      const [x, y, z] = [0, 1, 2].map(() => randomQuantization(next, dtype, randomScale(next, 0.01, 1)));
      const other = randomData(next, dtype, 256);
      const condition = Uint8Array.from({ length: 256 }, () => integerBetween(next, 0, 1));
      const theirs = await ortOutput({
        ...{ op: 'QLinearWhere', domain: 'com.microsoft', outputs: [dtype] },
        inputs: [
          { tensor: tensor('bool', condition) },
          ...[{ tensor: all }, ...scaleAndZero(x)],
          ...[{ tensor: tensor(dtype, other) }, ...scaleAndZero(y)],
          ...scaleAndZero(z),
        ],
      });
      const [fromX, fromY] = [requantizeTable(x, z), requantizeTable(y, z)];
      const ours = Array.from(condition, (c, i) => (c ? fromX[all.data[i] & 255] : fromY[(other[i] as number) & 255]));
      expect(ours).toEqual([...(theirs as Int8Array)]);
    }
  });
});

test('a table may change the type', () => {
  const table = requantizeTable({ dtype: 'u8', scale: 0.5, zeroPoint: 128 }, { dtype: 's8', scale: 0.5, zeroPoint: 0 });
  expect([table[0], table[128], table[255]]).toEqual([-128, 0, 127]);
});
