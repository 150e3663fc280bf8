/** TensorFlow Lite's arithmetic against independent computations in exact integers and rationals. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  activationRange,
  fixedMultiplier,
  multiplyWide,
  optimizedLogisticWord,
  optimizedTanhWord,
  quantizationOfRow,
  tfliteFunctionOfWords,
  tfliteLogisticWord,
  tfliteMultiplier,
  tfliteSqrt,
  tfliteTanhWord,
  tfliteWordTable,
} from '../../../src/numerics/index.ts';

describe('multiplyWide', () => {
  it('is ⌊(x·r + half)/2^t⌋ in exact integers for every 48-bit sum', () => {
    const sums = fc.bigInt({ min: -(1n << 47n), max: (1n << 47n) - 1n });
    fc.assert(
      fc.property(sums, fc.integer({ min: 2 ** 30, max: 2 ** 31 - 1 }), fc.integer({ min: -31, max: 7 }), (x, m, e) => {
        const r = m >= 0x7fff0000 ? 0x7fffn : (BigInt(m) + 0x8000n) >> 16n;
        const t = BigInt(15 - e);
        const exact = (x * r + (1n << (t - 1n))) >> t;
        // results beyond binary64 are far beyond every integer type, and saturate
        if (exact < 2n ** 53n && exact > -(2n ** 53n)) expect(BigInt(multiplyWide(Number(x), m, e))).toBe(exact);
        else expect(Math.abs(multiplyWide(Number(x), m, e))).toBeGreaterThan(2 ** 52);
      }),
    );
  });

  it('takes ties up', () => {
    const { mantissa, shift } = fixedMultiplier(0.5) as { mantissa: number; shift: number };
    expect([1, -1, 3, -3].map((x) => multiplyWide(x, mantissa, shift))).toEqual([1, 0, 2, -1]);
  });
});

describe('activationRange', () => {
  const q = { dtype: 'u8', scale: Math.fround(0.05), zeroPoint: 10 } as const;
  it.each([
    ['NONE', 0, 255],
    ['RELU', 10, 255],
    ['RELU6', 10, 130],
    ['RELU_N1_TO_1', 0, 30],
  ] as const)('%s leaves %d to %d', (activation, low, high) => {
    expect(activationRange(activation, q)).toEqual({ low, high });
  });
});

it('rounds the product of scales to binary32 for unsigned convolutions alone', () => {
  const [sx, sw, sy] = [0.1, 0.3, 0.7].map(Math.fround);
  expect(tfliteMultiplier('convolution', 's8', sx, sw, sy)).toEqual(fixedMultiplier((sx * sw) / sy));
  expect(tfliteMultiplier('convolution', 'u8', sx, sw, sy)).toEqual(fixedMultiplier(Math.fround(sx * sw) / sy));
  expect(tfliteMultiplier('fully-connected', 'u8', sx, sw, sy)).toEqual({ arithmetic: 'f64', factor: (sx * sw) / sy });
});

describe.each(['symmetric', 'asymmetric', 'xnnpack'] as const)('rows quantized by the recipe %s', (recipe) => {
  const rows = fc.float32Array({ minLength: 1, maxLength: 20, noNaN: true, min: -1000, max: 1000 });

  it('are near what they stand for, and 0 stands for 0', () => {
    fc.assert(
      fc.property(rows, (row) => {
        const q = quantizationOfRow(recipe, row);
        const most = Math.max(0, ...row) - Math.min(0, ...row);
        fc.pre(most > 1e-30);
        expect(q.quantize(0) - q.zeroPoint).toBe(0);
        for (const x of row) {
          const y = q.quantize(x);
          expect(Number.isInteger(y) && y >= -128 && y <= 127).toBe(true);
          expect(Math.abs(q.scale * (y - q.zeroPoint) - x)).toBeLessThanOrEqual(q.scale * 1.01);
        }
      }),
    );
  });

  it('are 0 for a row of zeros', () => {
    const { scale, zeroPoint, quantize } = quantizationOfRow(recipe, new Float32Array(3));
    expect([scale * (quantize(0) - zeroPoint), Number.isFinite(scale)]).toEqual([0, true]);
  });
});

// answers of ai-edge-litert 2.3.0: a scale from a rounded range, and integers next to a tie
it.each([
  [[-0.21826069056987762, 2.2553603649139404, 1.7637887001037598], 0.009700475260615349, [-23, 232, 182]],
  [[-0.04931001737713814, 0.2951846122741699, 0.23140308260917664], 0.0013509594136849046, [-36, 218, 171]],
  [[-0.3549405634403229, 0.6914160251617432, -0.24663273990154266], 0.004103358834981918, [-87, 168, -60]],
])('the asymmetric row %j', (row, scale, steps) => {
  const q = quantizationOfRow('asymmetric', Float32Array.from(row));
  expect(q.scale).toBe(scale);
  expect(row.map((x) => q.quantize(x) - q.zeroPoint)).toEqual(steps);
});

describe('functions of 16-bit integers', () => {
  const words = Array.from({ length: 1024 }, (_, i) => 64 * i - 32768);
  const unit = { dtype: 's16', scale: 2 ** -15, zeroPoint: 0 } as const;

  it.each([0.0001, 0.001, 2 ** -12, 0.003])(
    'sigmoid and tanh are within 2 units of the real function, scale %d',
    (scale) => {
      const x = { dtype: 's16', scale: Math.fround(scale), zeroPoint: 0 } as const;
      const [logistic, tanh] = [tfliteLogisticWord(x), tfliteTanhWord(x)];
      for (const q of words) {
        const real = x.scale * q;
        expect(Math.abs(logistic(q) - 32768 / (1 + Math.exp(-real)))).toBeLessThan(4);
        expect(Math.abs(tanh(q) - 32768 * Math.tanh(real))).toBeLessThan(12);
        expect(Math.abs(logistic(q) + logistic(-Math.max(q, -32767)) - 32768)).toBeLessThanOrEqual(1);
      }
    },
  );

  // answers of the optimized kernels of ai-edge-litert 2.3.0; those of the reference kernels differ
  it.each([
    [optimizedLogisticWord, -12, [11, 243, 3279, 13935, 16369, 16384, 16398, 17932, 24302, 32122, 32756]],
    [optimizedTanhWord, -12, [-32767, -32767, -31972, -9580, -64, 0, 36, 6144, 25684, 32740, 32767]],
    [optimizedTanhWord, -11, [-32767, -32767, -32764, -17652, -104, 0, 76, 11864, 31820, 32767, 32767]],
  ] as const)('fixed point stands in for tables (%#)', (function_, exponent, answers) => {
    const f = function_({ dtype: 's16', scale: 2 ** exponent, zeroPoint: 0 });
    expect([-32768, -20001, -9000, -1234, -7, 0, 5, 777, 4321, 16000, 32767].map(f)).toEqual(answers);
    const other = { dtype: 's16', scale: 0.0003, zeroPoint: 0 } as const;
    const reference = function_ === optimizedTanhWord ? tfliteTanhWord : tfliteLogisticWord;
    expect(words.map(function_(other))).toEqual(words.map(reference(other)));
  });

  it.each([
    [7.368522346951067e-5, 0.00017065259453374892, [23245, 10728, -26544], [32488, 12917, 829]],
    [9.765040158526972e-5, 0.0007484796806238592, [-10373, 27192, 30820], [485, 19010, 27091]],
    [0.00010145800479222089, 0.0004239691188558936, [23624, 25485, -18051], [25917, 31301, 378]],
  ])('an exponential of %s in units of %s, as LiteRT answered', (sx, sy, q, answers) => {
    const of = (scale: number) => ({ dtype: 's16', scale, zeroPoint: 0 }) as const;
    expect(q.map(tfliteFunctionOfWords('EXP')(of(sx), of(sy)))).toEqual(answers);
  });

  // answers of ai-edge-litert 2.3.0
  it.each([
    ['LOG', 7.711558282608166e-5, 8.216028800234199e-5, [-32768, -32768, -32768, -32768, -8098, 2311, 10158, 11283]],
    ['LOG', 9.240080544259399e-5, 0.0002664382918737829, [-32747, -30073, -30052, -11544, -1819, 1392, 3812, 4158]],
    ['GELU', 1.8631521015777253e-5, 8.977554898592643e-6, [-132, -2, -1, 522, 7602, 20010, 32767, 32767]],
    ['GELU', 0.00013598888472188264, 6.469328218372539e-5, [-132, -2, -1, 553, 11458, 32416, 32767, 32767]],
    ['GELU_TANH', 3.0253235308919102e-5, 1.419085128873121e-5, [-136, -2, -1, 539, 8241, 22809, 32767, 32767]],
    ['GELU_TANH', 9.530354145681486e-5, 9.540151222608984e-5, [-63, 0, 0, 259, 4909, 14603, 29784, 32707]],
  ] as const)('%s of %s in units of %s', (name, sx, sy, answers) => {
    const of = (scale: number) => ({ dtype: 's16', scale, zeroPoint: 0 }) as const;
    const f = tfliteFunctionOfWords(name)(of(sx), of(sy));
    expect([-127, -1, 0, 500, 6667, 15680, 29876, 32767].map(f)).toEqual(answers);
  });

  it.each([
    [5.1597740821307525e-5, 0.0010661768028512597, [6, 24, 150, 550, 843, 1164, 1219]],
    [1.732438431645278e-5, 0.00019822217291221023, [20, 75, 469, 1714, 2629, 3629, 3800]],
  ])('a root of %s in units of %s', (sx, sy, answers) => {
    const of = (scale: number) => ({ dtype: 's16', scale, zeroPoint: 0 }) as const;
    expect([1, 13, 500, 6667, 15680, 29876, 32767].map(tfliteSqrt(of(sx), of(sy)))).toEqual(answers);
  });

  it.each([
    [5.116080865263939e-5, 0.001203612657263875, [29142, 14294, 5904, 3675, 1643, 821, 642]],
    [2.073205541819334e-5, 0.00032986869337037206, [32767, 32767, 32740, 21068, 9415, 4708, 3678]],
  ])('one divided by a root of %s in units of %s', (sx, sy, answers) => {
    const of = (scale: number) => ({ dtype: 's16', scale, zeroPoint: 0 }) as const;
    expect([1, 100, 385, 1000, 5001, 20000, 32767].map(tfliteFunctionOfWords('RSQRT')(of(sx), of(sy)))).toEqual(
      answers,
    );
  });

  it('tables of 513 entries hold a straight line exactly, and a bell within its curvature (2) and two roundings', () => {
    const x = { dtype: 's16', scale: 2 ** -13, zeroPoint: 0 } as const;
    const line = tfliteWordTable((v) => v / 4, x, unit);
    for (const q of words) expect(Math.abs(line(q) - q)).toBeLessThanOrEqual(1);
    const bell = tfliteWordTable((v) => Math.exp(-v * v), x, unit);
    for (const q of words) expect(Math.abs(bell(q) - 32768 * Math.exp(-((x.scale * q) ** 2)))).toBeLessThan(4);
  });
});
