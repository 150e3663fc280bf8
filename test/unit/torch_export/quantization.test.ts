/** quantized_decomposed and torchao: the arithmetic of their definitions, and their grouping. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { legalize } from '../../../src/codegen/legalize.ts';
import { nodesOf } from '../../../src/ir/graph.ts';
import { interpret } from '../../../src/ir/interpret.ts';
import { type DType, dtypes } from '../../../src/tensors/dtype.ts';
import { type ITensor, numbersOf, sizeOf, tensor } from '../../../src/tensors/tensor.ts';
import { dtype, evaluate, f, importProgram, type NodeSpec, node, type Size, t } from './programs.ts';

const x = (values: readonly number[], shape: readonly number[] = [values.length]) => tensor('f32', values, shape);
const fl = Math.fround;
const rne = (v: number) => {
  const floor = Math.floor(v);
  return v - floor === 0.5 ? floor + (floor % 2 === 0 ? 0 : 1) : Math.round(v);
};

interface Quantization {
  readonly scale: number;
  readonly zeroPoint: number;
  readonly low: number;
  readonly high: number;
}
/** clamp(round(x · (1/s)) + zp, low, high): torch/ao/quantization/fx/_decomposed.py, in binary32. */
const quantize = (v: number, { scale, zeroPoint, low, high }: Quantization) =>
  Math.min(Math.max(rne(fl(v * fl(1 / scale))) + zeroPoint, low), high);

const signed = fc.boolean();
const quantizations = signed.chain((isSigned) =>
  fc
    .tuple(
      fc.double({ min: 1e-3, max: 4, noNaN: true }).map(fl),
      fc.constantFrom(...(isSigned ? [-128, -127, -8] : [0, 0, 3])),
      fc.constantFrom(...(isSigned ? [127, 127, 7, 0] : [255, 127, 15])),
      fc.integer({ min: 0, max: 255 }),
    )
    .map(([scale, low, high, z]) => ({
      type: isSigned ? ('s8' as const) : ('u8' as const),
      scale,
      low,
      high,
      zeroPoint: low + (z % (high - low + 1)),
    })),
);
const range = ({ low, high }: { low: number; high: number }) => ({ quant_min: low, quant_max: high });

describe('quantized_decomposed', () => {
  it('quantizes by the reciprocal and limits to the range that is given', async () => {
    const reals = fc.array(fc.double({ min: -600, max: 600, noNaN: true }).map(fl), { minLength: 4, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(quantizations, reals, async (q, values) => {
        // halves of a step are ties
        const all = [...values, ...values.map((v) => fl((Math.round(v) + 0.5) * q.scale))];
        const args = { input: x(all), scale: f(q.scale), zero_point: q.zeroPoint, ...range(q), dtype: dtype(q.type) };
        const [y] = await evaluate('quantized_decomposed.quantize_per_tensor.default', args, [q.type, [all.length]]);
        expect(numbersOf(y)).toEqual(all.map((v) => quantize(v, q)));
      }),
      { numRuns: 60 },
    );
  });

  it.each(['tensor', 'tensor2'])('takes tensors of one element (.%s)', async (overload) => {
    const bounds =
      overload === 'tensor'
        ? { quant_min: 0, quant_max: 15 }
        : { quant_min: tensor('s64', [0]), quant_max: tensor('s64', [15]) };
    const args = {
      input: x([-9, 1, 99]),
      scale: tensor('f64', [2]),
      zero_point: tensor('s64', [3]),
      ...bounds,
      dtype: dtype('u8'),
    };
    if (overload === 'tensor2') {
      // a graph cannot have a range that is computed
      await expect(evaluate(`quantized_decomposed.quantize_per_tensor.${overload}`, args, ['u8', [3]])).rejects.toThrow(
        'computed while',
      );
      return;
    }
    const [y] = await evaluate(`quantized_decomposed.quantize_per_tensor.${overload}`, args, ['u8', [3]]);
    expect(numbersOf(y)).toEqual([0, 3, 15]);
  });

  it('quantizes per channel', async () => {
    const args = {
      input: x([1, 2, 30, 40], [2, 2]),
      scales: x([1, 10]),
      zero_points: tensor('s64', [5, -1]),
      axis: -2,
      quant_min: -127,
      quant_max: 127,
      dtype: dtype('s8'),
    };
    const [y] = await evaluate('quantized_decomposed.quantize_per_channel.default', args, ['s8', [2, 2]]);
    expect(numbersOf(y)).toEqual([6, 7, 2, 3]);
  });

  it('quantizes biases to int32', async () => {
    const args = {
      input: x([1, 2], [2]),
      scales: x([0.25, 0.5]),
      zero_points: tensor('s64', [0, 1]),
      axis: 0,
      quant_min: -(2 ** 31),
      quant_max: 2 ** 31 - 1,
      dtype: dtype('s32'),
    };
    const [y] = await evaluate('quantized_decomposed.quantize_per_channel.default', args, ['s32', [2]]);
    expect(numbersOf(y)).toEqual([4, 5]);
  });

  it('dequantizes, also to half precision', async () => {
    const args = {
      input: tensor('u8', [0, 5]),
      scale: f(0.5),
      zero_point: 3,
      quant_min: 0,
      quant_max: 255,
      dtype: dtype('u8'),
    };
    const [y] = await evaluate('quantized_decomposed.dequantize_per_tensor.default', args, ['f32', [2]]);
    expect(numbersOf(y)).toEqual([-1.5, 1]);
    const half = await evaluate(
      'quantized_decomposed.dequantize_per_tensor.default',
      { ...args, out_dtype: dtype('f16') },
      ['f16', [2]],
    );
    expect(half[0].dtype).toBe('f16');
  });

  it.each([
    ['choose_qparams', [-1, 3], fl(4 / 255), -64, 's8'],
    ['choose_qparams', [1, 3], fl(3 / 255), -128, 's8'],
    ['choose_qparams', [0, 0], fl(0.01), -128, 's8'],
    ['choose_qparams_symmetric', [-1, 3], fl(3 / 127.5), 0, 's8'],
    ['choose_qparams_symmetric', [-1, 3], fl(3 / 127.5), 128, 'u8'],
  ] as const)('%s of %j', async (name, values, scale, zeroPoint, type) => {
    const { min, max } = dtypes[type];
    const args = { input: x(values), quant_min: min, quant_max: max, eps: f(0.01), dtype: dtype(type) };
    const [s, z] = await evaluate(`quantized_decomposed.${name}.tensor`, args, ['f64', [1]], ['s64', [1]]);
    expect([s.dtype, z.dtype]).toEqual(['f64', 's64']); // read by others than quantize: as PyTorch has them
    expect([...numbersOf(s), ...numbersOf(z)]).toEqual([scale, zeroPoint]);
  });

  it.each([
    [{ quant_min: -129 }, 'the range -129 to 127 is not one of int8'],
    [{ quant_min: 127 }, 'the range 127 to 127 is not one of int8'],
    [{ zero_point: 300 }, 'the number 300 as s8'],
  ])('refuses %j', async (wrong, message) => {
    const args = {
      input: x([1]),
      scale: f(1),
      zero_point: 0,
      quant_min: -128,
      quant_max: 127,
      dtype: dtype('s8'),
      ...wrong,
    };
    await expect(evaluate('quantized_decomposed.quantize_per_tensor.default', args, ['s8', [1]])).rejects.toThrow(
      message,
    );
  });
});

describe('torchao', () => {
  /** Blocks of [2, 4] by the definition: which parameter an element has. */
  const blocks: readonly (readonly [readonly number[], readonly number[], (i: number, j: number) => number])[] = [
    [[2, 4], [1], () => 0],
    [[1, 4], [2, 1], (i) => i],
    [[2, 1], [1, 4], (_i, j) => j],
    [[1, 2], [2, 2], (i, j) => 2 * i + (j >> 1)],
    [[2, 2], [1, 2], (_i, j) => j >> 1],
    [[1, 1], [2, 4], (i, j) => 4 * i + j],
  ];
  const values = [-3, 0.4, 1.5, 7, 90, -90, 2.5, 3.5];

  it.each(blocks)('quantizes and dequantizes in blocks of %j', async (block, shape, of) => {
    const count = sizeOf(shape);
    const scales = Array.from({ length: count }, (_, i) => 0.5 + i);
    const zeroPoints = Array.from({ length: count }, (_, i) => i - 2);
    const parameters = { block_size: block, scale: x(scales, shape), zero_point: tensor('s32', zeroPoints, shape) };
    const index = (k: number) => of(Math.floor(k / 4), k % 4);
    const wanted = values.map((v, k) =>
      quantize(v, { scale: scales[index(k)], zeroPoint: zeroPoints[index(k)], low: -8, high: 7 }),
    );
    const [q] = await evaluate(
      'torchao.quantize_affine.default',
      { input: x(values, [2, 4]), ...parameters, output_dtype: dtype('s8'), quant_min: -8, quant_max: 7 },
      ['s8', [2, 4]],
    );
    expect(numbersOf(q)).toEqual(wanted);
    const [y] = await evaluate(
      'torchao.dequantize_affine.default',
      { input: q, ...parameters, input_dtype: dtype('s8'), quant_min: -8, quant_max: 7 },
      ['f32', [2, 4]],
    );
    expect(numbersOf(y)).toEqual(wanted.map((v, k) => fl((v - zeroPoints[index(k)]) * scales[index(k)])));
  });

  it.each([
    ['ASYMMETRIC', [1, 2], [fl(2 / 255), fl(8 / 255)], [-1, -1]],
    ['SYMMETRIC', [1, 2], [fl(1 / 127.5), fl(4 / 127.5)], [0, 0]],
    ['SYMMETRIC', [2, 2], [fl(4 / 127.5)], [0]],
  ])('chooses parameters (%s, blocks of %j)', async (mapping, block, scales, zeroPoints) => {
    const args = {
      input: x([-1, 1, -4, 4], [2, 2]),
      mapping_type: mapping,
      block_size: block,
      target_dtype: dtype('s8'),
    };
    const shape: Size[] = block[0] === 1 ? [2] : [];
    const [s, z] = await evaluate('torchao.choose_qparams_affine.default', args, ['f32', shape], ['s32', shape]);
    expect(numbersOf(s)).toEqual(scales);
    expect(numbersOf(z)).toEqual(zeroPoints); // fl(2/255) is above 2/255: −1 is 127 steps and a bit less than a half
  });

  it('leaves float zero points alone', async () => {
    const args = {
      input: x([1]),
      block_size: [1],
      scale: x([1]),
      zero_point: x([0.5]),
      output_dtype: dtype('s8'),
      zero_point_domain: 'FLOAT',
    };
    await expect(evaluate('torchao.quantize_affine.default', args, ['s8', [1]])).rejects.toThrow(
      'zero points that are not integers',
    );
  });
});

describe('grouping', () => {
  const quant = (from: string, to: string, scale: number, zeroPoint: number, low: number, high: number): NodeSpec =>
    node(
      'quantized_decomposed.quantize_per_tensor.default',
      { input: t(from), scale: f(scale), zero_point: zeroPoint, quant_min: low, quant_max: high, dtype: dtype('u8') },
      to,
    );
  const dequant = (from: string, to: string, scale: number, zeroPoint: number, type: 'u8' | 's8' = 'u8'): NodeSpec =>
    node(
      'quantized_decomposed.dequantize_per_tensor.default',
      {
        input: t(from),
        scale: f(scale),
        zero_point: zeroPoint,
        ...range({ low: dtypes[type].min, high: dtypes[type].max }),
        dtype: dtype(type),
      },
      to,
    );

  /** conv → relu → max_pool → quantize to seven bits (reduce_range). */
  const spec = {
    inputs: { x: ['f32', ['s0', 1, 4, 4]] },
    weights: { w: tensor('s8', [3, -2, 5, 1], [1, 1, 2, 2]) },
    nodes: [
      quant('x', 'q', 0.1, 60, 0, 127),
      dequant('q', 'dq', 0.1, 60),
      dequant('w', 'dw', 0.2, 0, 's8'),
      node('aten.conv2d.default', { input: t('dq'), weight: t('dw'), padding: [1, 1] }, 'c'),
      node('aten.relu.default', { self: t('c') }, 'r'),
      node('aten.max_pool2d.default', { self: t('r'), kernel_size: [5, 5] }, 'p'),
      quant('p', 'y', 0.05, 3, 0, 127),
    ],
    values: Object.fromEntries([
      ...['q', 'dq'].map((name) => [name, [name === 'q' ? 'u8' : 'f32', ['s0', 1, 4, 4]]] as const),
      ['dw', ['f32', [1, 1, 2, 2]]],
      ...['c', 'r'].map((name) => [name, ['f32', ['s0', 1, 5, 5]]] as const),
      ['p', ['f32', ['s0', 1, 1, 1]]],
      ['y', ['u8', ['s0', 1, 1, 1]]],
    ]) as Readonly<Record<string, readonly ['f32' | 'u8', readonly Size[]]>>,
    outputs: ['y'],
  } as const;

  it('takes a range narrower than the type into the requantization, across a pool', async () => {
    const graph = await importProgram(spec);
    const { quantized } = legalize(graph, { target: 'onednn' });
    const [requantize] = nodesOf(quantized).filter(({ op }) => op === 'qnn.requantize');
    expect(requantize.attrs).toMatchObject({ low: 3, high: 127 });
    expect(nodesOf(quantized).map(({ op }) => op)).not.toContain('nn.conv');
    const values = fc.array(fc.double({ min: -8, max: 8, noNaN: true }).map(fl), { minLength: 16, maxLength: 16 });
    fc.assert(
      fc.property(values, (data) => {
        const feeds: Record<string, ITensor<DType>> = { x: x(data, [1, 1, 4, 4]) };
        const [before, after] = [graph, quantized].map((g) => numbersOf(interpret(g, feeds).y)[0]);
        expect(Math.abs(before - after)).toBeLessThanOrEqual(1);
        expect(after).toBeLessThanOrEqual(127);
      }),
    );
  });

  it('keeps the range where nothing can take it', async () => {
    const graph = await importProgram(spec);
    const feeds = { x: x(Array(16).fill(1000), [1, 1, 4, 4]) };
    expect(numbersOf(interpret(graph, feeds).y)).toEqual([127]);
    expect(numbersOf(interpret(legalize(graph).graph, feeds).y)).toEqual([127]);
  });
});
