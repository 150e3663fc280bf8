/** If and Loop that do not fit: each is carried with its reason, refused with a place, or an error of the run. */
import { describe, expect, it } from 'vitest';
import { compile, exportOnnx, importModel } from '../../../src/index.ts';
import { interpret, MOST_NESTED, nodesOf, parse, print, verify } from '../../../src/ir/index.ts';
import { tensor } from '../../../src/tensors/index.ts';
import { type ModelGraph, type ModelNode, type ModelTensor, writeModel } from '../../support/onnx.ts';

const float = (name: string, dims?: readonly number[]): ModelTensor => ({ name, type: 'float32', dims });
const node = (op: string, inputs: string[], outputs: string[], attrs: ModelNode['attrs'] = {}): ModelNode => ({
  op,
  inputs,
  outputs,
  attrs,
});
const graph = (nodes: readonly ModelNode[], outputs: readonly ModelTensor[], inputs: readonly ModelTensor[] = []) => ({
  g: { nodes, outputs, inputs } satisfies ModelGraph,
});
const model = (nodes: readonly ModelNode[], dims: readonly (number | string)[] = [2, 3]) =>
  writeModel({
    inputs: [
      { name: 'x', type: 'float32', dims },
      { name: 'flag', type: 'bool', dims: [] },
      { name: 'trips', type: 'int64', dims: [] },
    ],
    outputs: [{ name: 'y', type: 'float32' }],
    initializers: [
      { name: 'two', tensor: tensor('f32', [2], []) },
      { name: 'axis', tensor: tensor('s64', [0n], [1]) },
    ],
    nodes,
    opsets: { '': 17, nobody: 1 },
  });
const neg = graph([node('Neg', ['x'], ['n'])], [float('n')]);
const branches = (other: { g: ModelGraph }, more = {}) => [
  node('If', ['flag'], ['y'], { then_branch: neg, else_branch: other, ...more }),
];
const turn: readonly ModelTensor[] = [
  { name: 'i', type: 'int64', dims: [] },
  { name: 'go', type: 'bool', dims: [] },
];
const on = node('Identity', ['go'], ['goes']);
const goes: ModelTensor = { name: 'goes', type: 'bool', dims: [] };
const loop = (nodes: readonly ModelNode[], inputs = ['trips', '', 'x'], own = [...turn, float('v')]) => [
  node('Loop', inputs, ['y'], { body: graph([on, ...nodes], [goes, float('next')], own) }),
];

const carried: Readonly<Record<string, readonly [readonly ModelNode[], RegExp]>> = {
  'an operator that nobody knows': [
    branches(graph([{ ...node('Strange', ['x'], ['s']), domain: 'nobody' }], [float('s', [2, 3])])),
    /its body holds nobody\.Strange/,
  ],
  'one branch alone': [[node('If', ['flag'], ['y'], { then_branch: neg })], /'else_branch' is not a graph/],
  'branches of different element types': [
    branches(graph([node('Cast', ['x'], ['c'], { to: 6 })], [{ name: 'c', type: 'int32' }])),
    /branches that give f32\[2,3\] and s32\[2,3\]/,
  ],
  'branches of different ranks': [
    branches(graph([node('ReduceSum', ['x'], ['c'], { keepdims: 0 })], [float('c')])),
    /branches that give f32\[2,3\] and f32\[\]/,
  ],
  'branches with different numbers of outputs': [
    branches(graph([node('Neg', ['x'], ['a']), node('Abs', ['x'], ['b'])], [float('a'), float('b')])),
    /different numbers of outputs/,
  ],
  'a loop that nothing ends': [loop([node('Add', ['v', 'x'], ['next'])], ['', '', 'x']), /a loop that nothing ends/],
  'a loop that changes an element type': [
    [
      node('Loop', ['trips', '', 'x'], ['y'], {
        body: graph(
          [on, node('Cast', ['v'], ['next'], { to: 11 })],
          [goes, { name: 'next', type: 'float64' }],
          [...turn, float('v')],
        ),
      }),
    ],
    /a turn makes f64\[2,3\] of f32\[2,3\]/,
  ],
  'a loop that changes a rank': [
    loop([node('Unsqueeze', ['v', 'axis'], ['next'])]),
    /a turn makes f32\[1,2,3\] of f32\[2,3\]/,
  ],
  'a body with an input too many': [
    loop([node('Add', ['v', 'x'], ['next'])], ['trips', '', 'x'], [...turn, float('v'), float('w')]),
    /a body of 4 inputs/,
  ],
};

it('a branch that does not fit is an error to take, and none to have', async () => {
  const bytes = model(branches(graph([node('Reshape', ['x', 'axis'], ['r'])], [float('r', [2, 3])])));
  const imported = await importModel(bytes);
  expect(print(imported)).toContain('control.refuse');
  expect(Buffer.from(exportOnnx(imported)).equals(bytes)).toBe(true);
  const compiled = await compile(bytes, { backends: ['onednn'] });
  const feeds = (flag: number) => ({
    x: { type: 'float32', data: Float32Array.of(1, 2, 3, 4, 5, 6), dims: [2, 3] },
    flag: { type: 'bool', data: Uint8Array.of(flag), dims: [] },
    trips: { type: 'int64', data: BigInt64Array.of(0n), dims: [] },
  });
  expect([...compiled.runSync(feeds(1)).y.data]).toEqual([-1, -2, -3, -4, -5, -6]);
  await expect(compiled.run(feeds(0))).rejects.toMatchObject({ code: 'U2005' });
  compiled.dispose();
});

describe('carried with a reason', () => {
  it.each(Object.entries(carried))('%s', async (_, [nodes, reason]) => {
    const bytes = model(nodes);
    const imported = await importModel(bytes);
    expect(nodesOf(imported).map(({ op }) => op)).toContain('opaque');
    expect(imported.origin?.unsupported).toMatchObject([{ reason: expect.stringMatching(reason) }]);
    expect(Buffer.from(exportOnnx(imported)).equals(bytes)).toBe(true);
    await expect(compile(bytes, { backends: ['onednn'] })).rejects.toMatchObject({ code: 'U2008' });
  });
});

const nested = (depth: number): { g: ModelGraph } =>
  depth === 0
    ? graph([node('Mul', ['x', 'two'], ['m0'])], [float('m0')])
    : graph(
        [node('If', ['flag'], [`m${depth}`], { then_branch: nested(depth - 1), else_branch: neg })],
        [float(`m${depth}`)],
      );

describe('branches in branches', () => {
  const feeds = (flag: boolean) => ({
    x: tensor('f32', [1, 2, 3, 4, 5, 6], [2, 3]),
    flag: tensor('bool', [Number(flag)], []),
    trips: tensor('s64', [0n], []),
  });
  it('are read to a depth', async () => {
    const imported = await importModel(model(branches(nested(MOST_NESTED - 2))));
    expect(verify(imported)).toEqual([]);
    expect([...interpret(imported, feeds(true)).y.data]).toEqual([-1, -2, -3, -4, -5, -6]);
    expect(print(parse(print(imported)))).toBe(print(imported));
  });
  it('are carried beyond it', async () => {
    const imported = await importModel(model(branches(nested(40))));
    expect(imported.origin?.unsupported[0].reason).toMatch(/its body holds If/);
  });
});

describe('faults of a run', () => {
  const x = { type: 'float32', data: Float32Array.of(1, 2, 3, 4, 5, 6), dims: [2, 3] };
  const feeds = (trips: number) => ({
    x,
    flag: { type: 'bool', data: Uint8Array.of(1), dims: [] },
    trips: { type: 'int64', data: BigInt64Array.of(BigInt(trips)), dims: [] },
  });
  it('turns of different sizes that are stacked', async () => {
    const bytes = model([
      node('Loop', ['trips', '', 'x'], ['last', 'y'], {
        body: graph(
          [on, node('Concat', ['v', 'x'], ['next'], { axis: 0 }), node('Neg', ['v'], ['each'])],
          [goes, float('next'), float('each')],
          [...turn, float('v')],
        ),
      }),
    ]);
    const compiled = await compile(bytes, { backends: ['onednn'] });
    expect(compiled.runSync(feeds(1)).y.dims).toEqual([1, 2, 3]);
    await expect(compiled.run(feeds(2))).rejects.toMatchObject({ code: 'U2005' });
    expect(() => compiled.runSync(feeds(3))).toThrow(/cannot be stacked/);
    compiled.dispose();
  });
  it('a count below zero is none', async () => {
    const compiled = await compile(model(loop([node('Add', ['v', 'x'], ['next'])])), { backends: ['onednn'] });
    const { y } = compiled.runSync(feeds(-5));
    expect([...y.data]).toEqual([...x.data]);
    expect(y.data.buffer).not.toBe(x.data.buffer);
    compiled.dispose();
  });
  it('a loop that goes on ends when the model is disposed of', async () => {
    const compiled = await compile(model(loop([node('Mul', ['v', 'two'], ['next'])])), { backends: ['onednn'] });
    const run = compiled.run(feeds(1_000_000_000));
    setTimeout(() => compiled.dispose(), 20);
    await expect(run).rejects.toMatchObject({ code: 'U4002' });
  });
});

describe('text', () => {
  const text = (attrs: string, operands = '%c, %x') =>
    `graph @main(%c: bool[], %x: f32[2]) -> (%y) {\n  %y = control.if(${operands}) {${attrs}} : f32[2]\n}\n`;
  const body = (inputs = '%x: f32[2]', output = '%x') => `graph @b(${inputs}) -> (${output}) {\n}`;
  const whole = (then: string, other = body(), captures = '["x"]', results = '["f32[2]"]') =>
    `captures=${captures}, thenBranch=${then}, elseBranch=${other}, results=${results}`;
  it('reads back', () => expect(print(parse(text(whole(body()))))).toContain('control.if'));
  it.each([
    ['a body that reads what is not captured', whole(body('%z: f32[2]', '%z')), /U2004.*'captures'/],
    ['a body of another type', whole(body('%x: f32[3]')), /U2004.*f32\[2\] is at its place/],
    ['a body with two outputs', whole(body('%x: f32[2]', '%x, %x')), /U2004.*has 2 outputs/],
    ['results of another type', whole(body(), body(), '["x"]', '["f32[5]"]'), /U2004/],
    ['names without operands', whole(body(), body(), '["x", "z"]'), /U2004.*2 names for 1 operands/],
    ['a body that is none', 'captures=["x"], thenBranch=3, elseBranch=4, results=["f32[2]"]', /U2004.*graph/],
    ['a body that does not end', 'captures=["x"], thenBranch=graph @b(', /U3001/],
  ])('%s is refused', (_, attrs, message) => expect(() => parse(text(attrs))).toThrow(message));
  it('refuses graphs in graphs without end', () => {
    let inner = body();
    for (let depth = 0; depth < 3000; depth++)
      inner = `graph @b(%c: bool[], %x: f32[2]) -> (%y) {\n %y = control.if(%c, %c, %x) {captures=["c", "x"], thenBranch=${inner}`;
    expect(() => parse(text(whole(inner)))).toThrow(/U3001.*16 times at most/);
  });
});
