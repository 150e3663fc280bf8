/**
 * Written files are valid ONNX, for every value of a rewritten part that the rest of the model reads, and compute the same as
 * the model in ONNX Runtime: with its default options as well as without optimizations. /
 */
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { compareOutputs } from '../../../src/cli/compare.ts';
import { legalize } from '../../../src/codegen/legalize.ts';
import { exportOnnx } from '../../../src/exporters/onnx/export.ts';
import { validateWritten } from '../../../src/exporters/onnx/validate.ts';
import { openOnnx } from '../../../src/formats/onnx/index.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { type Dim, type Feeds, GraphBuilder, parse, tensor } from '../../../src/ir/index.ts';
import { nnResize } from '../../../src/ir/ops/nn_resize.op.ts';
import { exactWeights } from '../../support/exact_weights.ts';
import { type Model, type ModelGraph, type ModelNode, type ModelTensor, writeModel } from '../../support/onnx.ts';
import { runOnnx } from './support.ts';

const CHANNELS = 4;
const SIZE = 6;
/** The values of the rewritten part, by name, with their shapes and whether they are bytes. */
const values = {
  x: { dims: [1, 3, SIZE, SIZE], isBytes: false },
  xq: { dims: [1, 3, SIZE, SIZE], isBytes: true },
  xd: { dims: [1, 3, SIZE, SIZE], isBytes: false },
  c: { dims: [1, CHANNELS, SIZE, SIZE], isBytes: false },
  cq: { dims: [1, CHANNELS, SIZE, SIZE], isBytes: true },
  y: { dims: [1, CHANNELS, SIZE, SIZE], isBytes: false },
} as const;
type Name = keyof typeof values;

/** A reader of a value: nodes with names of their own, and an output. */
interface Onlooker {
  readonly nodes: readonly ModelNode[];
  readonly output: ModelTensor;
}
type Make = (v: Name, id: string) => Onlooker;

const node = (op: string, inputs: readonly string[], output: string, attrs: ModelNode['attrs'] = {}): ModelNode => ({
  op,
  inputs,
  outputs: [output],
  attrs,
});
const float = (name: string): ModelTensor => ({ name, type: 'float32' });
const list = (name: string): ModelTensor => ({ name, type: 'int64' });
const typed = (name: string, v: Name): ModelTensor => ({ name, type: values[v].isBytes ? 'uint8' : 'float32' });

/** An If on `cond` whose bodies reduce the value of that name, and another when it is not taken. */
const branch = (of: string, other: string, id: string): ModelNode => {
  const body = (value: string, name: string): ModelGraph => ({
    inputs: [],
    outputs: [float(name)],
    nodes: [node('Cast', [value], `${name}.f`, { to: 1 }), node('ReduceMax', [`${name}.f`], name, { keepdims: 0 })],
  });
  return {
    op: 'If',
    inputs: ['cond'],
    outputs: [id],
    attrs: { then_branch: { g: body(of, `${id}.t`) }, else_branch: { g: body(other, `${id}.e`) } },
  };
};

const onlookers: Readonly<Record<string, Make>> = {
  'its shape': (v, id) => ({ nodes: [node('Shape', [v], id)], output: list(id) }),
  'an element of its shape': (v, id) => ({
    nodes: [node('Shape', [v], `${id}.s`), node('Gather', [`${id}.s`, 'index'], id)],
    output: list(id),
  }),
  'its size': (v, id) => ({ nodes: [node('Size', [v], id)], output: list(id) }),
  'zeros of its shape': (v, id) => ({
    nodes: [node('Shape', [v], `${id}.s`), node('ConstantOfShape', [`${id}.s`], id)],
    output: float(id),
  }),
  'its shape by way of an Identity': (v, id) => ({
    nodes: [node('Shape', [v], `${id}.s`), node('Identity', [`${id}.s`], id)],
    output: list(id),
  }),
  'the value itself': (v, id) => ({ nodes: [node('Identity', [v], id)], output: typed(id, v) }),
  'the mask of a Dropout': (v, id) =>
    values[v].isBytes
      ? onlookers['its shape'](v, id)
      : {
          nodes: [{ op: 'Dropout', inputs: [v], outputs: [`${id}.y`, id] }],
          output: { name: id, type: 'bool' },
        },
  'a reshape by its own shape': (v, id) => ({
    nodes: [node('Shape', [v], `${id}.s`), node('Reshape', [v, `${id}.s`], id)],
    output: typed(id, v),
  }),
  'a body of an If': (v, id) => ({ nodes: [branch(v, 'x', id)], output: float(id) }),
  'a body, by way of an Identity': (v, id) => ({
    nodes: [node('Identity', [v], `${id}.v`), branch(`${id}.v`, v, id)],
    output: float(id),
  }),
  'two bodies, by way of one Identity': (v, id) => ({
    nodes: [
      node('Identity', [v], `${id}.v`),
      branch(`${id}.v`, 'y', `${id}.1`),
      branch('c', `${id}.v`, `${id}.2`),
      node('Add', [`${id}.1`, `${id}.2`], id),
    ],
    output: float(id),
  }),
  'a body of a body, by way of an Identity': (v, id) => {
    const inner = (name: string): ModelGraph => ({
      inputs: [],
      outputs: [float(name)],
      nodes: [branch(`${id}.v`, v, name)],
    });
    return {
      nodes: [
        node('Identity', [v], `${id}.v`),
        {
          op: 'If',
          inputs: ['cond'],
          outputs: [id],
          attrs: { then_branch: { g: inner(`${id}.a`) }, else_branch: { g: inner(`${id}.b`) } },
        },
      ],
      output: float(id),
    };
  },
  'a body of a Loop, by way of an Identity': (v, id) => ({
    nodes: [
      node('Identity', [v], `${id}.v`),
      {
        op: 'Loop',
        inputs: ['trips', '', 'start'],
        outputs: [id],
        attrs: {
          body: {
            g: {
              inputs: [
                { name: `${id}.i`, type: 'int64', dims: [] },
                { name: `${id}.go`, type: 'bool', dims: [] },
                { name: `${id}.sum`, type: 'float32', dims: [] },
              ],
              outputs: [{ name: `${id}.on`, type: 'bool' }, float(`${id}.next`)],
              nodes: [
                node('Identity', [`${id}.go`], `${id}.on`),
                node('Cast', [`${id}.v`], `${id}.f`, { to: 1 }),
                node('ReduceMax', [`${id}.f`], `${id}.max`, { keepdims: 0 }),
                node('Add', [`${id}.sum`, `${id}.max`], `${id}.next`),
              ],
            },
          },
        },
      },
    ],
    output: float(id),
  }),
  'an initializer': (_v, id) => ({ nodes: [node('Identity', ['index'], id)], output: list(id) }),
};

const scalarOf = (dtype: 'f32' | 'u8' | 's8', name: string, value: number) => ({
  name,
  tensor: tensor(dtype, [value], []),
});

/** A convolution between dequantize and quantize, its source with a zero point, and its onlookers. */
function modelWith(looks: readonly Onlooker[], zeroPoint: number): Model {
  const [least, most] = exactWeights.s8;
  const weights = Int8Array.from({ length: CHANNELS * 27 }, (_, i) => ((i * 37) % (most - least)) + least + 1);
  return {
    inputs: [
      { name: 'x', type: 'float32', dims: values.x.dims },
      { name: 'cond', type: 'bool', dims: [] },
    ],
    nodes: [
      node('QuantizeLinear', ['x', 'xs', 'xz'], 'xq'),
      node('DequantizeLinear', ['xq', 'xs', 'xz'], 'xd'),
      node('DequantizeLinear', ['w', 'ws', 'wz'], 'wd'),
      node('Conv', ['xd', 'wd'], 'c', { pads: [1, 1, 1, 1] }),
      node('QuantizeLinear', ['c', 'ys', 'yz'], 'cq'),
      node('DequantizeLinear', ['cq', 'ys', 'yz'], 'y'),
      ...looks.flatMap(({ nodes }) => nodes),
    ],
    outputs: [float('y'), ...looks.map(({ output }) => output)],
    initializers: [
      scalarOf('f32', 'xs', 2 ** -5),
      scalarOf('u8', 'xz', zeroPoint),
      { name: 'w', tensor: tensor('s8', weights, [CHANNELS, 3, 3, 3]) },
      scalarOf('f32', 'ws', 2 ** -6),
      scalarOf('s8', 'wz', 0),
      scalarOf('f32', 'ys', 2 ** -2),
      scalarOf('u8', 'yz', 128),
      { name: 'trips', tensor: tensor('s64', [3n], []) },
      scalarOf('f32', 'start', 0.5),
      { name: 'index', tensor: tensor('s64', [2n]) },
    ],
  };
}

const feedsOf = (seed: number): Feeds => ({
  // multiples of the scale: quantized exactly, so that no mode of a runtime meets a tie
  x: tensor(
    'f32',
    Float32Array.from({ length: 3 * SIZE * SIZE }, (_, i) => (((i * 7 + seed * 13) % 200) - 90) * 2 ** -5),
    [1, 3, SIZE, SIZE],
  ),
  cond: tensor('bool', [seed % 2], []),
});

async function expectSame(before: Uint8Array, after: Uint8Array, feeds: Feeds): Promise<void> {
  for (const mode of ['disabled', 'all'] as const)
    expect({
      mode,
      differ: compareOutputs(await runOnnx(before, feeds, mode), await runOnnx(after, feeds, mode)),
    }).toEqual({
      mode,
      differ: [],
    });
}

const looks = fc.array(
  fc.tuple(fc.constantFrom(...Object.keys(onlookers)), fc.constantFrom(...(Object.keys(values) as Name[]))),
  { minLength: 1, maxLength: 4 },
);

describe('readers of a rewritten part', () => {
  it.each(Object.keys(onlookers).flatMap((what) => Object.keys(values).map((v) => [what, v] as [string, Name])))(
    '%s of %s',
    async (what, v) => {
      const before = writeModel(modelWith([onlookers[what](v, 'o')], 114));
      const after = exportOnnx(legalize(importOnnx(before)).graph);
      expect(openOnnx(after).graph.nodes.map(({ opType }) => opType)).toContainEqual(
        expect.stringMatching(/^(QLinearConv|ConvInteger)$/),
      );
      for (const seed of [0, 1]) await expectSame(before, after, feedsOf(seed));
    },
  );

  it('any of them together', async () => {
    await fc.assert(
      fc.asyncProperty(looks, fc.constantFrom(0, 1, 114, 255), fc.nat(9), async (chosen, zeroPoint, seed) => {
        const made = chosen.map(([what, v], i) => onlookers[what](v, `o${i}`));
        const before = writeModel(modelWith(made, zeroPoint));
        await expectSame(before, exportOnnx(legalize(importOnnx(before)).graph), feedsOf(seed));
      }),
      { numRuns: 25 },
    );
  });
});

describe('an image that is resized to a size', () => {
  it('gets that size, for every rounding of its scale', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 90 }), async (from, to) => {
        const b = new GraphBuilder('net');
        const x = b.input('x', 'f32', [1, 1, from, 1]);
        const y = b.emit(
          nnResize,
          { x },
          {
            shape: [1, 1, to, 1],
            scales: [1, 1, to / from, 1],
            mode: 'nearest',
            coordinates: 'asymmetric',
            nearest: 'floor',
          },
        );
        const bytes = exportOnnx(b.finish([y]));
        const feeds = {
          x: tensor(
            'f32',
            Float32Array.from({ length: from }, (_, i) => i),
            [1, 1, from, 1],
          ),
        };
        for (const mode of ['disabled', 'all'] as const) {
          const [found] = Object.values(await runOnnx(bytes, feeds, mode));
          expect(found.shape).toEqual([1, 1, to, 1]);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('an axis of an open size that is resized by a scale', () => {
  const resized = (from: Dim, to: Dim, scale: number) => {
    const b = new GraphBuilder('net');
    const x = b.input('x', 'f32', [1, 1, from, 4]);
    const attrs = { shape: [1, 1, to, 8], scales: [1, 1, scale, 2], mode: 'nearest' } as const;
    return b.finish([b.emit(nnResize, { x }, attrs)]);
  };

  it.each([
    ['N', '2*N', 2],
    ['N', 'N', 1],
    ['N', 'N/2', 0.5],
    ['N', '3*N/2', 1.5],
  ] as const)('%s to %s by %d comes back with that size', (from, to, scale) => {
    const graph = resized(from, to, scale);
    const again = importOnnx(exportOnnx(graph));
    expect(again.values[again.outputs[0]].type.shape).toEqual(graph.values[graph.outputs[0]].type.shape);
  });

  it.each([
    ['N', 2, 0.5],
    ['N', 'M', 2],
    ['N', 'N', 2],
    [3, 'N', 2],
  ] as const)('%s to %s by %d is refused: the file would have another size', (from, to, scale) => {
    expect(() => exportOnnx(resized(from, to, scale))).toThrow(/neither its scales nor its sizes give the other/);
  });
});

describe('a file that is not valid ONNX is not written', () => {
  const f32 = (name: string): ModelTensor => ({ name, type: 'float32', dims: [2] });
  const body = (reads: string): ModelNode => ({ ...branch(reads, reads, 'y') });
  const base: Model = { inputs: [f32('x')], outputs: [f32('y')], nodes: [node('Neg', ['x'], 'y')] };
  const expected = { inputs: ['x'], outputs: ['y'], isOrdered: true, types: () => [undefined, undefined] as const };
  it.each([
    ['a value that is not defined', { nodes: [node('Neg', ['z'], 'y')] }, "reads 'z', which is not defined"],
    [
      'a value that is defined later',
      { nodes: [node('Neg', ['z'], 'y'), node('Neg', ['x'], 'z')] },
      "reads 'z', which is defined after it",
    ],
    ['an output that is not defined', { nodes: [node('Neg', ['x'], 'z')] }, "the output 'y' is not defined"],
    ['a value that is defined twice', { nodes: [node('Neg', ['x'], 'y'), node('Abs', ['x'], 'y')] }, 'defined already'],
    ['a node that defines an input', { nodes: [node('Neg', ['x'], 'x'), node('Neg', ['x'], 'y')] }, 'defined already'],
    ['inputs of one name', { inputs: [f32('x'), f32('x')] }, "graph input 'x' is given twice"],
    ['other inputs', { inputs: [f32('x'), f32('w')] }, 'the inputs are x, w, and should be x'],
    ['other outputs', { outputs: [f32('x'), f32('y')] }, 'the outputs are x, y, and should be y'],
    [
      'a body that reads nothing',
      { nodes: [node('Not', ['x'], 'cond'), body('z')] },
      "reads 'z', which is not defined",
    ],
  ] as const)('%s', (_what, change, message) => {
    expect(() => validateWritten(writeModel({ ...base, ...change }), expected)).toThrow(message);
  });

  it('a body that reads another type', () => {
    const bytes = writeModel({ ...base, inputs: [f32('x'), f32('cond')], nodes: [body('x')] });
    const types = () => ['f32', 'u8'] as const;
    expect(() => validateWritten(bytes, { ...expected, inputs: ['x', 'cond'], types })).toThrow(
      "reads 'x', which was f32 and is u8",
    );
  });
});

test('a graph with one value as two of its outputs is refused: outputs of ONNX are told by name', () => {
  const graph = parse('graph @main(%x: f32[2]) -> (%y, %y) {\n  %y = nn.relu(%x) : f32[2]\n}\n', 'twice.qir');
  expect(() => exportOnnx(graph)).toThrow(/U2008.*one value as two of its outputs/);
});
