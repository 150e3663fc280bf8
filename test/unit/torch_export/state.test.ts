/** State of programs: buffers and inputs that nodes write to, and those that the signature declares as changed. */
import { describe, expect, it } from 'vitest';
import type { UnskewError } from '../../../src/diagnostics/index.ts';
import type { Graph } from '../../../src/ir/graph.ts';
import { interpret } from '../../../src/ir/interpret.ts';
import { verify } from '../../../src/ir/verify.ts';
import { tensor } from '../../../src/tensors/tensor.ts';
import { dtype, importProgram, type Json, meta, node, type ProgramSpec, t } from './programs.ts';

/** The element type of torch.export that nothing here computes with. */
const COMPLEX64 = 10;
const matrix = ['f32', [2, 2]] as const;
const h = tensor('f32', [1, 2, 3, 4], [2, 2]);
const x = tensor('f32', [10, 20, 30, 40], [2, 2]);

/** h += x; y = 2·h, as it is traced and as it is decomposed. */
const traced: ProgramSpec = {
  inputs: { x: matrix },
  weights: { h },
  nodes: [
    node('aten.add_.Tensor', { self: t('h'), other: t('x') }, 'sum'),
    node('aten.mul.Tensor', { self: t('h'), other: 2 }, 'y'),
  ],
  values: { sum: matrix, y: matrix },
  outputs: ['y'],
};

const declaring =
  (field: string, spec: Record<string, unknown>) =>
  (document: Record<string, unknown>): void => {
    const { signature } = document.graph_module as { signature: { output_specs: unknown[] } };
    signature.output_specs.unshift({ [field]: spec });
  };

const decomposed: ProgramSpec = {
  ...traced,
  nodes: [
    node('aten.add.Tensor', { self: t('h'), other: t('x') }, 'sum'),
    node('aten.mul.Tensor', { self: t('sum'), other: 2 }, 'y'),
  ],
  edit: declaring('buffer_mutation', { arg: { name: 'sum' }, buffer_name: 'm.h' }),
};

const run = (graph: Graph, feeds: Record<string, typeof x>): Record<string, number[]> => {
  expect(verify(graph)).toEqual([]);
  const results = interpret(graph, feeds);
  return Object.fromEntries(graph.outputs.map((id) => [id, Array.from(results[id].data as Float32Array)]));
};

describe.each(Object.entries({ traced, decomposed }))('a buffer that is read and changed, %s', (_name, program) => {
  it('is refused', async () => {
    const error = await importProgram(program).catch((e: unknown) => e);
    expect((error as UnskewError).diagnostics[0]).toMatchObject({
      code: 'U2008',
      message: expect.stringMatching(/the program changes 'h'.*the next call/),
      hint: expect.stringContaining("state: 'inputs-and-outputs'"),
    });
  });

  it('becomes an input and an output', async () => {
    const graph = await importProgram(program, 'inputs-and-outputs');
    expect([graph.inputs, graph.outputs]).toEqual([
      ['x', 'h'],
      ['y', 'h.next'],
    ]);
    const first = run(graph, { x, h });
    expect(first).toEqual({ y: [22, 44, 66, 88], 'h.next': [11, 22, 33, 44] });
    expect(run(graph, { x, h: tensor('f32', first['h.next'], [2, 2]) })).toMatchObject({ y: [42, 84, 126, 168] });
  });
});

describe('a tensor that no result needs is not state', () => {
  it('a buffer that is only counted up', async () => {
    const nodes = [
      node('aten.add_.Tensor', { self: t('h'), other: t('x') }, 'sum'),
      node('aten.mul.Tensor', { self: t('x'), other: 2 }, 'y'),
    ];
    const graph = await importProgram({ ...traced, nodes });
    expect(graph.inputs).toEqual(['x']);
    expect(run(graph, { x })).toEqual({ y: [20, 40, 60, 80] });
  });

  it('a buffer that is written whole first', async () => {
    const nodes = [node('aten.copy_.default', { self: t('h'), src: t('x') }, 'sum'), traced.nodes[1]];
    expect(run(await importProgram({ ...traced, nodes }), { x })).toEqual({ y: [20, 40, 60, 80] });
  });
});

describe('inputs', () => {
  const nodes = [
    node('aten.add_.Tensor', { self: t('x'), other: 1 }, 'sum'),
    node('aten.mul.Tensor', { self: t('x'), other: 2 }, 'y'),
  ];
  const program: ProgramSpec = { inputs: { x: matrix }, nodes, values: { sum: matrix, y: matrix }, outputs: ['y'] };

  it('that nodes write to have their new elements from then on', async () => {
    expect(run(await importProgram(program), { x })).toEqual({ y: [22, 42, 62, 82] });
  });

  it('that the signature says are changed are refused, or outputs too', async () => {
    const declared = {
      ...program,
      nodes: [
        node('aten.add.Tensor', { self: t('x'), other: 1 }, 'sum'),
        node('aten.mul.Tensor', { self: t('sum'), other: 2 }, 'y'),
      ],
      edit: declaring('user_input_mutation', { arg: { name: 'sum' }, user_input_name: 'x' }),
    };
    await expect(importProgram(declared)).rejects.toMatchObject({ code: 'U2008' });
    const graph = await importProgram(declared, 'inputs-and-outputs');
    expect(run(graph, { x })).toEqual({ y: [22, 42, 62, 82], 'x.next': [11, 21, 31, 41] });
  });
});

describe('state that cannot be expressed is refused', () => {
  it.each([
    ['aten.frobnicate_.default', {}, /frobnicate_.*writes in place/],
    ['aten.bernoulli_.float', { p: 0.5 }, /bernoulli_.*writes in place/],
    ['mine.update.default', {}, /nothing reads its result/],
  ])('%s', async (target, args, message) => {
    const nodes = [
      node('aten.relu.default', { self: t('x') }, 'r'),
      node(target, { self: t('r'), ...args }, 'sum'),
      node('aten.mul.Tensor', { self: t('r'), other: 2 }, 'y'),
    ];
    const values = { r: matrix, sum: matrix, y: matrix };
    const error = await importProgram({ inputs: { x: matrix }, nodes, values, outputs: ['y'] }).catch(
      (e: unknown) => e,
    );
    expect((error as UnskewError).diagnostics[0]).toMatchObject({
      code: 'U2008',
      message: expect.stringMatching(message),
    });
  });
});

it.each([
  ['of', node('aten.view.dtype', { self: t('c'), dtype: dtype('f32') }, 'v')],
  ['with the shape of', node('aten.view_as.default', { self: t('x'), other: t('c') }, 'v')],
])('a view %s what is only carried may share its memory, and is carried', async (_of, view) => {
  const graph = await importProgram({
    inputs: { c: matrix, x: matrix },
    nodes: [
      view,
      node('aten.relu.default', { self: t('x') }, 'r'),
      node('aten.add_.Tensor', { self: t('r'), other: 1 }, 'sum'),
      node('aten.mul.Tensor', { self: t('r'), other: 2 }, 'y'),
    ],
    values: { v: matrix, r: matrix, sum: matrix, y: matrix },
    outputs: ['v', 'y'],
    edit(document) {
      const { graph: program } = document.graph_module as { graph: { tensor_values: Record<string, Json> } };
      program.tensor_values.c = meta(COMPLEX64, [2, 2]);
    },
  });
  expect(Object.values(graph.nodes).map(({ op, results }) => `${results[0]} = ${op}`)).toEqual([
    'v = opaque',
    'r = nn.relu',
    expect.stringMatching(/nn.add/),
    'y = nn.mul',
  ]);
});
