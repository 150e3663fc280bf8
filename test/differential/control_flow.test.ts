/** If and Loop as ONNX Runtime runs them: by the interpreter, by the addon, from text, from a compiled file and from the written file. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readCompiledFile, writeCompiledFile } from '../../src/codegen/index.ts';
import { compile, exportOnnx, importModel, type Tensor } from '../../src/index.ts';
import { type Graph, interpret, nodesOf, parse, print, verify } from '../../src/ir/index.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { toFeeds } from '../../src/runtime/feeds.ts';
import { Model } from '../../src/runtime/model.ts';
import { type ITensor, tensor } from '../../src/tensors/index.ts';
import { type ModelAttr, type ModelGraph, type ModelNode, type ModelTensor, writeModel } from '../support/onnx.ts';
import { sentModel } from '../support/sent_model.ts';
import { runOnnx } from '../unit/onnx_export/support.ts';

type Feeds = Record<string, { type: string; data: Float32Array | Uint8Array | BigInt64Array; dims: number[] }>;

const float = (name: string, dims?: readonly (number | string)[]): ModelTensor => ({ name, type: 'float32', dims });
const node = (op: string, inputs: string[], outputs: string[], attrs: Record<string, ModelAttr> = {}): ModelNode => ({
  op,
  inputs,
  outputs,
  attrs,
});
const graph = (nodes: readonly ModelNode[], outputs: readonly ModelTensor[], inputs: readonly ModelTensor[] = []) => ({
  g: { nodes, outputs, inputs } satisfies ModelGraph,
});
const branches = (yes: { g: ModelGraph }, no: { g: ModelGraph }) => ({ then_branch: yes, else_branch: no });
const turn: readonly ModelTensor[] = [
  { name: 'i', type: 'int64', dims: [] },
  { name: 'go', type: 'bool', dims: [] },
];
const goes: ModelTensor = { name: 'goes', type: 'bool', dims: [] };
const on = node('Identity', ['go'], ['goes']);

/** Without elements it has no end. */
const ENDLESS = 'a loop that ends by its condition';
/** A branch of it refuses to run without rows. */
const ROW = 'a branch that cannot be without a row';

/** Nodes from x: f32[N,3], flag: bool[] and trips: s64[] to y. */
const cases: Readonly<Record<string, readonly ModelNode[]>> = {
  'a branch that reads values around it': [
    node('Mul', ['x', 'two'], ['d']),
    node(
      'If',
      ['flag'],
      ['y'],
      branches(graph([node('Add', ['d', 'x'], ['a'])], [float('a')]), graph([node('Neg', ['x'], ['b'])], [float('b')])),
    ),
  ],
  'a branch that gives a value around it, and a constant': [
    node(
      'If',
      ['flag'],
      ['y'],
      branches(
        graph([node('Identity', ['x'], ['a'])], [float('a')]),
        graph([node('Identity', ['row'], ['b'])], [float('b')]),
      ),
    ),
  ],
  'branches of different sizes': [
    node(
      'If',
      ['flag'],
      ['p'],
      branches(
        graph([node('Concat', ['x', 'x'], ['a'], { axis: 0 })], [float('a')]),
        graph([node('Neg', ['x'], ['b'])], [float('b')]),
      ),
    ),
    node('Abs', ['p'], ['y']),
  ],
  'a branch in a branch': [
    node(
      'If',
      ['flag'],
      ['y'],
      branches(
        graph(
          [
            node('ReduceSum', ['x'], ['sum'], { keepdims: 0 }),
            node('Greater', ['sum', 'zero'], ['up']),
            node(
              'If',
              ['up'],
              ['inner'],
              branches(
                graph([node('Add', ['x', 'sum'], ['a'])], [float('a')]),
                graph([node('Sub', ['x', 'sum'], ['b'])], [float('b')]),
              ),
            ),
          ],
          [float('inner')],
        ),
        graph([node('Relu', ['x'], ['c'])], [float('c')]),
      ),
    ),
  ],
  'a branch that is known': [
    node(
      'If',
      ['true'],
      ['y'],
      branches(
        graph(
          [node('Shape', ['x'], ['s']), node('ConstantOfShape', ['s'], ['z']), node('Add', ['x', 'z'], ['a'])],
          [float('a')],
        ),
        graph([node('Transpose', ['x'], ['b'])], [float('b')]),
      ),
    ),
  ],
  'a loop that carries, and stacks': [
    node('Loop', ['trips', '', 'x'], ['last', 'all'], {
      body: graph(
        [on, node('Mul', ['v', 'two'], ['m']), node('Sub', ['m', 'x'], ['next']), node('Neg', ['v'], ['each'])],
        [goes, float('next'), float('each')],
        [...turn, float('v')],
      ),
    }),
    node('ReduceSum', ['all', 'axes'], ['t'], { keepdims: 0 }),
    node('Add', ['last', 't'], ['y']),
  ],
  'a loop of a known count': [
    node('Loop', ['three', 'true', 'x'], ['last', 'y'], {
      body: graph(
        [
          on,
          node('Cast', ['i'], ['f'], { to: 1 }),
          node('Add', ['v', 'f'], ['next']),
          node('Identity', ['v'], ['each']),
        ],
        [goes, float('next'), float('each')],
        [...turn, float('v')],
      ),
    }),
  ],
  [ENDLESS]: [
    node('Loop', ['', 'true', 'x'], ['y'], {
      body: graph(
        [
          node('Mul', ['v', 'two'], ['next']),
          node('ReduceMax', ['next'], ['most'], { keepdims: 0 }),
          node('Less', ['most', 'hundred'], ['goes']),
        ],
        [goes, float('next')],
        [...turn, float('v')],
      ),
    }),
  ],
  'a loop whose value grows': [
    node('Loop', ['trips', '', 'x'], ['y'], {
      body: graph(
        [on, node('Concat', ['v', 'x'], ['next'], { axis: 0 })],
        [goes, float('next')],
        [...turn, float('v')],
      ),
    }),
  ],
  'a branch in a loop': [
    node('Loop', ['trips', 'flag', 'x'], ['y'], {
      body: graph(
        [
          on,
          node('Mod', ['i', 'mod'], ['r']),
          node('Cast', ['r'], ['odd'], { to: 9 }),
          node(
            'If',
            ['odd'],
            ['next'],
            branches(
              graph([node('Add', ['v', 'x'], ['a'])], [float('a')]),
              graph([node('Mul', ['v', 'two'], ['b'])], [float('b')]),
            ),
          ),
        ],
        [goes, float('next')],
        [...turn, float('v')],
      ),
    }),
  ],
  'a loop in a loop, which both grow the value': [
    node('Loop', ['trips', '', 'x'], ['y'], {
      body: graph(
        [
          on,
          node('Loop', ['two turns', '', 'v'], ['next'], {
            body: graph(
              [node('Identity', ['go2'], ['goes2']), node('Concat', ['w', 'row'], ['next2'], { axis: 0 })],
              [{ ...goes, name: 'goes2' }, float('next2')],
              [{ ...turn[0], name: 'i2' }, { ...turn[1], name: 'go2' }, float('w')],
            ),
          }),
        ],
        [goes, float('next')],
        [...turn, float('v')],
      ),
    }),
  ],
  'a loop that grows a value of an open size, whose sizes are compared': [
    node('NonZero', ['x'], ['u']),
    node('Loop', ['trips', '', 'u'], ['w'], {
      body: graph(
        [on, node('Concat', ['v', 'u'], ['next'], { axis: 1 })],
        [goes, { name: 'next', type: 'int64' }],
        [...turn, { name: 'v', type: 'int64' }],
      ),
    }),
    node('Shape', ['u'], ['before']),
    node('Shape', ['w'], ['after']),
    node('Equal', ['before', 'after'], ['same']),
    node('Cast', ['same'], ['y'], { to: 1 }),
  ],
  'branches of a slice': [
    node('Slice', ['x', 'from', 'to', 'axes'], ['t']),
    node(
      'If',
      ['flag'],
      ['y'],
      branches(graph([node('Neg', ['t'], ['a'])], [float('a')]), graph([node('Relu', ['t'], ['b'])], [float('b')])),
    ),
  ],
  'branches of the first row, or of a constant row': [
    node('Slice', ['x', 'axes', 'from', 'axes'], ['t']),
    node(
      'If',
      ['flag'],
      ['p'],
      branches(graph([node('Neg', ['t'], ['a'])], [float('a')]), graph([node('Abs', ['row'], ['b'])], [float('b')])),
    ),
    node('Add', ['p', 'p'], ['y']),
  ],
  [ROW]: [
    node('Slice', ['x', 'axes', 'from', 'axes'], ['t']),
    node(
      'If',
      ['flag'],
      ['y'],
      branches(
        graph([node('Reshape', ['t', 'column'], ['r']), node('Neg', ['r'], ['a'])], [float('a')]),
        graph([node('Abs', ['t'], ['b'])], [float('b')]),
      ),
    ),
  ],
  'a loop that carries a slice, and slices in its turns': [
    node('Slice', ['x', 'axes', 'from', 'axes'], ['t']),
    node('Loop', ['trips', '', 't'], ['last', 'all'], {
      body: graph(
        [on, node('Add', ['v', 't'], ['next']), node('Neg', ['v'], ['each'])],
        [goes, float('next'), float('each')],
        [...turn, float('v')],
      ),
    }),
    node('ReduceSum', ['all', 'axes'], ['s'], { keepdims: 0 }),
    node('Add', ['last', 's'], ['y']),
  ],
  'a loop that begins with a row, and goes on with the first one': [
    node('Loop', ['trips', '', 'row'], ['p'], {
      body: graph(
        [on, node('Slice', ['x', 'axes', 'from', 'axes'], ['t']), node('Add', ['v', 't'], ['next'])],
        [goes, float('next')],
        [...turn, float('v')],
      ),
    }),
    node('Neg', ['p'], ['y']),
  ],
  'a branch in a loop, of a slice around both': [
    node('Slice', ['x', 'from', 'to', 'axes'], ['t']),
    node('Loop', ['trips', '', 'x'], ['last', 'all'], {
      body: graph(
        [
          on,
          node('Identity', ['v'], ['next']),
          node(
            'If',
            ['flag'],
            ['each'],
            branches(
              graph([node('Neg', ['t'], ['a'])], [float('a')]),
              graph([node('Relu', ['t'], ['b'])], [float('b')]),
            ),
          ),
        ],
        [goes, float('next'), float('each')],
        [...turn, float('v')],
      ),
    }),
    node('ReduceSum', ['all'], ['y'], { keepdims: 0 }),
  ],
};

const modelOf = (nodes: readonly ModelNode[], n: number | string = 'N') =>
  writeModel({
    inputs: [float('x', [n, 3]), { name: 'flag', type: 'bool', dims: [] }, { name: 'trips', type: 'int64', dims: [] }],
    outputs: [{ name: 'y', type: 'float32' }],
    initializers: [
      { name: 'two', tensor: tensor('f32', [2], []) },
      { name: 'zero', tensor: tensor('f32', [0], []) },
      { name: 'hundred', tensor: tensor('f32', [100], []) },
      { name: 'row', tensor: tensor('f32', [1, 2, 3], [1, 3]) },
      { name: 'axes', tensor: tensor('s64', [0n], [1]) },
      { name: 'mod', tensor: tensor('s64', [2n], []) },
      { name: 'first', tensor: tensor('s64', [0n], []) },
      { name: 'one', tensor: tensor('s64', [1n], []) },
      { name: 'from', tensor: tensor('s64', [1n], [1]) },
      { name: 'to', tensor: tensor('s64', [4n], [1]) },
      { name: 'column', tensor: tensor('s64', [3n, 1n], [2]) },
      { name: 'two turns', tensor: tensor('s64', [2n], []) },
      { name: 'flat', tensor: tensor('s64', [-1n], [1]) },
      { name: 'three', tensor: tensor('s64', [3n], []) },
      { name: 'true', tensor: tensor('bool', [1], []) },
    ],
    nodes,
    opsets: { '': 17 },
  });

const feedsOf = (n: number, seed: number): Feeds => ({
  x: {
    type: 'float32',
    data: Float32Array.from({ length: n * 3 }, (_, i) => ((i * 7 + seed * 3) % 11) + 0.5),
    dims: [n, 3],
  },
  flag: { type: 'bool', data: Uint8Array.of(seed & 1), dims: [] },
  trips: { type: 'int64', data: BigInt64Array.of(BigInt(seed % 4)), dims: [] },
});
const runs = [
  [1, 1],
  [2, 2],
  [4, 3],
  [2, 4],
  [1, 3],
  [3, 6],
  [0, 1],
  [0, 2],
  [0, 3],
  [0, 4],
  [5, 2],
] as const;

const plain = ({ dims, data }: Pick<Tensor, 'dims' | 'data'>) => ({ dims: [...dims], data: [...data] });
const listed = ({ shape, data }: ITensor) => ({ dims: [...shape], data: [...data] });
const interpreted = (of: Graph, feeds: Feeds) => listed(interpret(of, toFeeds(feeds as never)).y);

describe.each(Object.entries(cases))('%s', (name, nodes) => {
  for (const n of ['N', 2])
    it(n === 'N' ? 'at many sizes' : 'at known sizes', async () => {
      const bytes = modelOf(nodes, n);
      const imported = await importModel(bytes);
      expect(verify(imported)).toEqual([]);
      expect(nodesOf(imported).some(({ op }) => op === 'opaque')).toBe(false);
      expect(nodesOf(imported).some(({ op }) => op.startsWith('control.'))).toBe(name !== 'a branch that is known');
      expect(Buffer.from(exportOnnx(imported)).equals(bytes)).toBe(true);
      const text = print(imported);
      const read = parse(text);
      expect(print(read)).toBe(text);
      const model = await compile(bytes, { backends: ['onednn'], threads: 1 });
      const kept = new Model(readCompiledFile(writeCompiledFile(compileGraph(imported, { threads: 1 }))));
      const sent = await sentModel(bytes, { backends: ['onednn'], threads: 1 });
      expect(sent.certificate).toEqual(model.certificate);
      expect(sent.strategies).toEqual(model.strategies);
      for (const [size, seed] of runs) {
        if ((n !== 'N' && size !== n) || (size === 0 && name === ENDLESS)) continue;
        const feeds = feedsOf(size, seed);
        if (size === 0 && seed & 1 && name === ROW) {
          // ONNX Runtime refuses the branch as well
          for (const run of [() => interpreted(imported, feeds), () => interpreted(read, feeds)])
            expect(run).toThrow(/U200[45]/);
          for (const runs of [model, kept, sent]) expect(() => runs.runSync(feeds as never)).toThrow(/U200[45]/);
          continue;
        }
        const theirs = listed((await runOnnx(bytes, toFeeds(feeds as never))).y);
        expect(interpreted(imported, feeds)).toEqual(theirs);
        expect(interpreted(read, feeds)).toEqual(theirs);
        const changed = feedsOf(size, seed);
        const run = model.run(changed as never);
        for (const { data } of Object.values(changed)) new Uint8Array(data.buffer).fill(0);
        expect(plain((await run).y)).toEqual(theirs);
        expect(plain(model.runSync(feeds as never).y)).toEqual(theirs);
        for (const other of [kept, sent]) expect(plain(other.runSync(feeds as never).y)).toEqual(theirs);
      }
      expect(model.profile(feedsOf(2, 3) as never).length).toBeGreaterThan(0);
      model.dispose();
      for (const other of [kept, sent]) other.dispose();
    });
});

describe('branches on a size, of different ranks', () => {
  const nodes = [
    node('Shape', ['x'], ['s']),
    node('Gather', ['s', 'first'], ['n']),
    node('Equal', ['n', 'one'], ['single']),
    node(
      'If',
      ['single'],
      ['some'],
      branches(
        graph([node('Squeeze', ['x', 'axes'], ['a'])], [float('a')]),
        graph([node('Neg', ['x'], ['b'])], [float('b')]),
      ),
    ),
    node('Reshape', ['some', 'flat'], ['y']),
  ];
  const bytes = modelOf(nodes);

  it('are settled when a run brings the sizes', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'unskew-control-'));
    try {
      writeFileSync(join(folder, 'm.onnx'), bytes);
      for (const source of [bytes, join(folder, 'm.onnx')])
        for (const backends of [['onednn'], ['onednn', 'onnxruntime']] as const) {
          const model = await compile(source, { backends, threads: 1 });
          const sent = await sentModel(bytes, { backends, threads: 1 });
          for (const [size, seed] of runs) {
            const feeds = feedsOf(size, seed);
            const theirs = listed((await runOnnx(bytes, toFeeds(feeds as never))).y);
            expect(plain((await model.run(feeds as never)).y)).toEqual(theirs);
            for (const one of [model, sent]) expect(plain(one.runSync(feeds as never).y)).toEqual(theirs);
            for (const one of [model, sent]) expect(one.fallbacks).toEqual([]);
          }
          for (const one of [model, sent]) one.dispose();
        }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('are no part of a compiled file', async () => {
    const imported = await importModel(bytes);
    expect(() => compileGraph(imported, { backends: ['onednn'], threads: 1 })).toThrow(/U2008.*branches that give/);
  });
});
