/** Extremes of nothing, shifts beyond all, factors that are not numbers: written and read again they mean the same. */
import { describe, expect, it } from 'vitest';
import { exportOnnx } from '../../../src/exporters/onnx/export.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { type Feeds, type Graph, interpret, parse, specialize, tensor } from '../../../src/ir/index.ts';

const expectSame = (graph: Graph, feeds: Feeds): void =>
  expect(interpret(importOnnx(exportOnnx(graph)), feeds)).toEqual(interpret(graph, feeds));

describe('extremes of nothing', () => {
  it.each(['u8', 's8', 'u16', 's16', 's32', 'u32', 's64', 'f32', 'f64'] as const)('reductions of %s', (dtype) => {
    for (const op of ['reduce_max', 'reduce_min'])
      expectSame(
        parse(`graph @main(%x: ${dtype}[2,0]) -> (%y) {
  %y = nn.${op}(%x) {axes=[1]} : ${dtype}[2,1]
}
`),
        { x: tensor(dtype, [], [2, 0]) },
      );
  });
  it.each(['u8', 's8', 'f32'] as const)('pools of %s', (dtype) => {
    const graph = parse(`graph @main(%x: ${dtype}[1,2,0]) -> (%y) {
  %y = nn.global_max_pool(%x) : ${dtype}[1,2,1]
}
`);
    expectSame(graph, { x: tensor(dtype, [], [1, 2, 0]) });
  });
});

describe('transposed convolutions of nothing: the output padding alone', () => {
  const encoded = (values: Int8Array | Float32Array) => `base64"${Buffer.from(values.buffer).toString('base64')}"`;
  const cases = [
    { dtype: 's8', sum: 's32', weights: Int8Array.of(3, 4), bias: undefined },
    { dtype: 'f32', sum: 'f32', weights: Float32Array.of(3, 4), bias: undefined },
    { dtype: 'f32', sum: 'f32', weights: Float32Array.of(3, 4), bias: Float32Array.of(7, 8) },
  ] as const;
  it.each(cases)('$dtype, the bias $bias', ({ dtype, sum, weights, bias }) => {
    for (const { padding, stride, size } of [
      { padding: 1, stride: 1, size: 1 },
      { padding: 3, stride: 1, size: 3 },
      { padding: 2, stride: 2, size: 1 },
    ]) {
      const attrs = `strides=[1,${stride}], pads=[0,0,0,0], dilations=[1,1], outputPadding=[0,${padding}]`;
      const graph = parse(`graph @main(%x: ${dtype}[N,1,4,0]) -> (%y) {
  %y = nn.conv_transpose(%x, @w${bias ? ', bias=@b' : ''}) {${attrs}} : ${sum}[N,2,4,${size}]
}
constants {
  @w : ${dtype}[1,2,1,1] = ${encoded(weights)}${bias ? `\n  @b : f32[2] = ${encoded(bias)}` : ''}
}
`);
      expectSame(graph, { x: tensor(dtype, [], [3, 1, 4, 0]) });
    }
  });
});

describe('numbers beyond f32, which the numbers of files are', () => {
  it.each([
    ['lrn', 'size=1, beta=1e+300', 'the attribute beta is 1e+300, which is Infinity as f32'],
    ['lrn', 'size=1, alpha=1e-300', 'the attribute alpha is 1e-300, which is 0 as f32'],
    ['elu', 'alpha=-1e+39', 'the attribute alpha is -1e+39, which is -Infinity as f32'],
  ])('%s with %s', (op, attributes, why) => {
    const graph = parse(`graph @main(%x: f32[1,2]) -> (%y) {
  %y = nn.${op}(%x) {${attributes}} : f32[1,2]
}
`);
    expect(() => exportOnnx(graph)).toThrow(why);
  });
});

it('1 to the power of infinity is 1 in a normalization too', () => {
  const graph = parse(`graph @main(%x: f32[1,2]) -> (%y) {
  %y = nn.lrn(%x) {size=1, alpha=0, beta=inf} : f32[1,2]
}
`);
  expect([...interpret(graph, { x: tensor('f32', [2, 0], [1, 2]) }).y.data]).toEqual([2, 0]);
});

it('an empty shape whose other sizes are computed', () => {
  const graph = parse(`graph @main(%x: f32[1,N,0]) -> (%y) {
  %y = nn.reshape(%x) {shape=[0,3,"N"]} : f32[0,3,N]
}
`);
  const feeds = { x: tensor('f32', [], [1, 2, 0]) };
  expect(interpret(importOnnx(exportOnnx(graph)), feeds)).toEqual(
    interpret(specialize(graph, new Map([['N', 2]])), feeds),
  );
});

const sums = [0, 1, -1, 5, -7, 100, 2 ** 31 - 1, -(2 ** 31)];

describe('requantize', () => {
  it.each([-(2 ** 31), -64, -41, -40, -1, 0, 1, 30, 31, 32, 63, 1024, 2 ** 31 - 1])('fixed, shifted by %d', (shift) => {
    for (const mantissa of [0, 2 ** 30, 2 ** 31 - 1]) {
      const graph = parse(`graph @main(%x: s32[${sums.length}]) -> (%y) {
  %y = qnn.requantize(%x, ${mantissa}:s32, 3:s8, second=${shift}:s32) {arithmetic="fixed", rounding="half-away"} : s8[${sums.length}]
}
`);
      const feeds = { x: tensor('s32', sums, [sums.length]) };
      expectSame(graph, feeds);
      const [y] = Object.values(interpret(graph, feeds));
      expect(y.data[0]).toBe(3); // 0 by any factor
    }
  });

  const recipes = ['f32', 'f64'].flatMap((arithmetic) =>
    ['before', 'after'].map((zeroPoint) => ({ arithmetic, zeroPoint })),
  );
  const ranges = ['', ', low=-64, high=36'];
  const factors = [Number.NaN, Infinity, -Infinity, 0.5, 0, 3e38];
  it.each(recipes)('computed factors, $arithmetic, zero point $zeroPoint the rounding', ({ arithmetic, zeroPoint }) => {
    for (const range of ranges)
      for (const type of ['s32', 'f32'] as const) {
        const recipe = `axis=1, arithmetic="${arithmetic}", zeroPointAt="${zeroPoint}"${range}`;
        const graph =
          parse(`graph @main(%x: ${type}[${sums.length},${factors.length}], %m: ${arithmetic}[${factors.length}]) -> (%y) {
  %y = qnn.requantize(%x, %m, 3:s8) {${recipe}} : s8[${sums.length},${factors.length}]
}
`);
        const shape = [sums.length, factors.length];
        const x = tensor(
          type,
          sums.flatMap((sum) => factors.map(() => sum)),
          shape,
        );
        expectSame(graph, { x, m: tensor(arithmetic as 'f32', factors, [factors.length]) });
      }
  });
});

it('an output padding beyond the stride, of numbers that are not finite', () => {
  for (const special of [Number.NaN, Infinity, 2])
    for (const end of [0, 1, 4])
      for (const padding of [1, 2, 3]) {
        const size = 3 * 1 + 2 * 1 + 1 - 1 - end + padding;
        if (size < 1) continue;
        const graph = parse(`graph @main(%x: f32[1,1,4], %w: f32[1,2,3]) -> (%y) {
  %y = nn.conv_transpose(%x, %w, bias=[0.5, -1]:f32) {strides=[1], pads=[1,${end}], dilations=[1], outputPadding=[${padding}]} : f32[1,2,${size}]
}
`);
        const x = tensor('f32', [1, 2, 3, special], [1, 1, 4]);
        expectSame(graph, { x, w: tensor('f32', [1, 2, 4, -1, 3, 5], [1, 2, 3]) });
      }
});
