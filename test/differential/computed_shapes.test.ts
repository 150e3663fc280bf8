/** Shapes, pads and sizes that exporters compute from the sizes of inputs: natively for all sizes, or for those of the run. */
import { describe, expect, it } from 'vitest';
import { importOnnx } from '../../src/importers/index.ts';
import { compile, type Tensor } from '../../src/index.ts';
import { toFeeds } from '../../src/runtime/feeds.ts';
import { type ITensor, tensor } from '../../src/tensors/index.ts';
import { type ModelAttr, type ModelNode, writeModel } from '../support/onnx.ts';
import { runOnnx } from '../unit/onnx_export/support.ts';

const node = (op: string, inputs: string[], outputs: string[], attrs: Record<string, ModelAttr> = {}): ModelNode => ({
  op,
  inputs,
  outputs,
  attrs,
});
/** The size of an axis of x as `to`: s64[]. */
const size = (axis: string, to: string): ModelNode[] => [node('Gather', ['shape', axis], [to], { axis: 0 })];
/** [1, a, b, 4] as the target of a Reshape. */
const target = (a: string, b: string): ModelNode[] => [
  node('Unsqueeze', [a, 'first'], ['a.1']),
  node('Unsqueeze', [b, 'first'], ['b.1']),
  node('Concat', ['unit', 'a.1', 'b.1', 'four'], ['to'], { axis: 0 }),
];
/** (4 − n mod 4) mod 4 */
const missing = (n: string, to: string): ModelNode[] => [
  node('Mod', [n, '4'], [`${to}.rest`]),
  node('Sub', ['4', `${to}.rest`], [`${to}.more`]),
  node('Mod', [`${to}.more`, '4'], [to]),
];
/** n / divisor, rounded and doubled, by floats. */
const rounded = (rounding: 'Ceil' | 'Floor', by: 'Div' | 'Mul', factor: string, to: string): ModelNode[] => [
  node('Cast', ['h'], [`${to}.float`], { to: 1 }),
  node(by, [`${to}.float`, factor], [`${to}.part`]),
  node(rounding, [`${to}.part`], [`${to}.whole`]),
  node('Mul', [`${to}.whole`, '2f'], [`${to}.twice`]),
  node('Cast', [`${to}.twice`], [to], { to: 7 }),
];
const resized: ModelNode[] = [
  ...target('p', 'w'),
  node('Resize', ['x', '', '', 'to'], ['y'], { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' }), // biome-ignore format: a node
];

interface Case {
  readonly nodes: readonly ModelNode[];
  /** The sizes h, w of x: f32[1,h,w,4]. */
  readonly sizes: readonly (readonly [number, number])[];
  /** Understood at known sizes alone. */
  readonly atSizes?: boolean;
}
const several = [
  [5, 3],
  [4, 8],
  [9, 7],
  [5, 3],
] as const;

/** Nodes from x, shape, h and w to y. */
const cases: Readonly<Record<string, Case>> = {
  'windows of a padded image, and back': {
    nodes: [
      ...missing('h', 'down'),
      ...missing('w', 'right'),
      ...['down', 'right'].map((name) => node('Unsqueeze', [name, 'first'], [`${name}.1`])),
      node('Concat', ['zeros5', 'down.1', 'right.1', 'zeros1'], ['pads'], { axis: 0 }),
      node('Pad', ['x', 'pads'], ['padded']),
      node('Shape', ['padded'], ['larger']),
      ...['1', '2'].flatMap((axis) => [
        node('Gather', ['larger', axis], [`size${axis}`], { axis: 0 }),
        node('Div', [`size${axis}`, '4'], [`windows${axis}`]),
        node('Unsqueeze', [`windows${axis}`, 'first'], [`rows${axis}`]),
      ]),
      node('Concat', ['unit', 'rows1', 'four', 'rows2', 'four', 'four'], ['cut'], { axis: 0 }),
      node('Reshape', ['padded', 'cut'], ['parts']),
      node('Transpose', ['parts'], ['turned'], { perm: [0, 1, 3, 2, 4, 5] }),
      node('Reshape', ['turned', 'flat'], ['windows']),
      node('Shape', ['windows'], ['counts']),
      node('Gather', ['counts', '0'], ['count'], { axis: 0 }),
      node('Mul', ['windows1', 'windows2'], ['each']),
      node('Div', ['count', 'each'], ['images']),
      node('Unsqueeze', ['images', 'first'], ['images.1']),
      node('Concat', ['images.1', 'rows1', 'rows2', 'four', 'four', 'four'], ['back'], { axis: 0 }),
      node('Reshape', ['windows', 'back'], ['y']),
    ],
    sizes: several,
  },
  'a size rounded up by floats': { nodes: [...rounded('Ceil', 'Div', '3f', 'p'), ...resized], sizes: several },
  'a size rounded down by floats': { nodes: [...rounded('Floor', 'Div', '3f', 'p'), ...resized], sizes: several },
  'a size times a half, rounded up': { nodes: [...rounded('Ceil', 'Mul', 'half', 'p'), ...resized], sizes: several },
  'half of a size, without its fraction': {
    nodes: [
      node('Cast', ['h'], ['float'], { to: 1 }),
      node('Div', ['float', '2f'], ['part']),
      node('Cast', ['part'], ['p'], { to: 7 }),
      ...resized,
    ],
    sizes: several,
  },
  'a division towards −∞ that is written out': {
    nodes: [
      node('Div', ['h', '4'], ['part']),
      node('Less', ['h', '0'], ['negative']),
      node('Less', ['4', '0'], ['below']),
      node('Xor', ['negative', 'below'], ['differ']),
      node('Mul', ['part', '4'], ['whole']),
      node('Sub', ['h', 'whole'], ['left']),
      node('Equal', ['left', '0'], ['none']),
      node('Not', ['none'], ['some']),
      node('And', ['differ', 'some'], ['fix']),
      node('Cast', ['fix'], ['one.less'], { to: 7 }),
      node('Sub', ['part', 'one.less'], ['p']),
      ...resized,
    ],
    sizes: several.filter(([h]) => h >= 4),
  },
  'a size by floats that are quantized and dequantized': {
    nodes: [
      node('DequantizeLinear', ['2q', 'sq', 'zq'], ['two']),
      node('Cast', ['h'], ['float'], { to: 1 }),
      node('Div', ['float', 'two'], ['part']),
      node('Ceil', ['part'], ['whole']),
      node('QuantizeLinear', ['whole', 'sq', 'zq'], ['whole.q']),
      node('DequantizeLinear', ['whole.q', 'sq', 'zq'], ['again']),
      node('Mul', ['again', 'two'], ['twice']),
      node('QuantizeLinear', ['twice', 'sq', 'zq'], ['twice.q']),
      node('DequantizeLinear', ['twice.q', 'sq', 'zq'], ['rounded']),
      node('Cast', ['rounded'], ['p'], { to: 7 }),
      ...resized,
    ],
    sizes: several,
    atSizes: true,
  },
  'the root of a size': {
    nodes: [
      node('Cast', ['h'], ['float'], { to: 1 }),
      node('Sqrt', ['float'], ['root']),
      node('Cast', ['root'], ['p'], { to: 7 }),
      node('Div', ['h', 'p'], ['q']),
      node('Mul', ['q', 'w'], ['columns']),
      ...target('p', 'columns'),
      node('Reshape', ['x', 'to'], ['y']),
    ],
    sizes: [
      [4, 3],
      [9, 2],
      [4, 3],
    ],
    atSizes: true,
  },
};

const modelOf = (nodes: readonly ModelNode[]): Uint8Array =>
  writeModel({
    inputs: [{ name: 'x', type: 'float32', dims: [1, 'H', 'W', 4] }],
    outputs: [{ name: 'y' }],
    initializers: [
      ...[0, 1, 2, 4].map((n) => ({ name: String(n), tensor: tensor('s64', [BigInt(n)], []) })),
      { name: 'first', tensor: tensor('s64', [0n], [1]) },
      { name: 'unit', tensor: tensor('s64', [1n], [1]) },
      { name: 'four', tensor: tensor('s64', [4n], [1]) },
      { name: 'zeros5', tensor: tensor('s64', [0n, 0n, 0n, 0n, 0n], [5]) },
      { name: 'zeros1', tensor: tensor('s64', [0n], [1]) },
      { name: 'flat', tensor: tensor('s64', [-1n, 4n, 4n, 4n], [4]) },
      { name: '2f', tensor: tensor('f32', [2], []) },
      { name: '3f', tensor: tensor('f32', [3], []) },
      { name: '2q', tensor: tensor('u8', [7], []) },
      { name: 'sq', tensor: tensor('f32', [0.5], []) },
      { name: 'zq', tensor: tensor('u8', [3], []) },
      { name: 'half', tensor: tensor('f32', [0.5], []) },
    ],
    nodes: [node('Shape', ['x'], ['shape']), ...size('1', 'h'), ...size('2', 'w'), ...nodes],
    opsets: { '': 17 },
  });

const feedsOf = ([h, w]: readonly [number, number]) => ({
  x: { type: 'float32', data: Float32Array.from({ length: h * w * 4 }, (_, i) => i - 20), dims: [1, h, w, 4] },
});
const plain = ({ dims, data }: Tensor) => ({ dims: [...dims], data: [...data] });
const listed = ({ shape, data }: ITensor) => ({ dims: [...shape], data: [...data] });

describe.each(Object.entries(cases))('%s', (_, { nodes, sizes, atSizes = false }) => {
  const bytes = modelOf(nodes);

  it(atSizes ? 'is known where sizes are' : 'is known for all sizes', () => {
    const { unsupported = [] } = importOnnx(bytes).origin ?? {};
    expect(unsupported.map(({ dependsOnSizes }) => dependsOnSizes)).toEqual(atSizes ? [true] : []);
  });

  it('is computed natively, and as ONNX Runtime does', async () => {
    const model = await compile(bytes, { backends: ['onednn'], threads: 1 });
    for (const pair of sizes) {
      const feeds = feedsOf(pair);
      const theirs = listed((await runOnnx(bytes, toFeeds(feeds as never))).y);
      expect(plain((await model.run(feeds as never)).y)).toEqual(theirs);
      expect(model.fallbacks).toEqual([]);
    }
    model.dispose();
  });
});

describe('a shape behind thousands of operators', () => {
  it('is read, though sizes alone do not decide it: they are too long to be followed', () => {
    const steps = Array.from({ length: 8000 }, (_, i) => {
      const from = i === 0 ? 'w' : `step${i - 1}`;
      return node(i % 2 === 0 ? 'Add' : 'Div', [from, '4'], [i === 7999 ? 'p' : `step${i}`]);
    });
    const bytes = modelOf([...steps, ...target('p', 'w'), node('Reshape', ['x', 'to'], ['y'])]);
    const { unsupported = [] } = importOnnx(bytes).origin ?? {};
    expect(unsupported.map(({ operator }) => operator)).toContain('Reshape');
    expect(unsupported.at(-1)?.dependsOnSizes).toBeUndefined();
  });
});

describe('a shape that values decide', () => {
  it('does not depend on the sizes', () => {
    const bytes = modelOf([
      node('ReduceMax', ['x'], ['most'], { keepdims: 0 }),
      node('Cast', ['most'], ['p'], { to: 7 }),
      ...target('p', 'w'),
      node('Reshape', ['x', 'to'], ['y']),
    ]);
    const { unsupported = [] } = importOnnx(bytes).origin ?? {};
    expect(unsupported.map(({ dependsOnSizes }) => dependsOnSizes)).toEqual([undefined]);
  });
});
