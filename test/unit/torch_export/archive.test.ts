/** The places where an archive keeps its program, its tensors and its sizes. */
import { describe, expect, it } from 'vitest';
import { dimOfExpression } from '../../../src/importers/torch/program/dimension.ts';
import { nodesOf } from '../../../src/ir/graph.ts';
import { interpret } from '../../../src/ir/interpret.ts';
import { parse } from '../../../src/ir/parse.ts';
import { print } from '../../../src/ir/print.ts';
import { verify } from '../../../src/ir/verify.ts';
import { importModel } from '../../../src/runtime/import_model.ts';
import { bytesOf, numbersOf, tensor } from '../../../src/tensors/tensor.ts';
import { type Entry, p, pickle, zip } from '../torch/archives.ts';
import {
  documentOf,
  entriesOf,
  importEntries,
  importProgram,
  meta,
  node,
  type ProgramSpec,
  payload,
  size,
  t,
} from './programs.ts';

const w = tensor('f32', [1, 2, 3, 4], [2, 2]);
/** y = x + w */
const sum: ProgramSpec = {
  inputs: { x: ['f32', [2, 2]] },
  weights: { w },
  nodes: [node('aten.add.Tensor', { self: t('x'), other: t('w') }, 'y')],
  values: { y: ['f32', [2, 2]] },
  outputs: ['y'],
};
const zero = { x: tensor('f32', [0, 0, 0, 0], [2, 2]) };
const added = async (entries: readonly Entry[]) => numbersOf(interpret(await importEntries(entries), zero).y);
const edited = (name: string, data: Entry['data']): Entry[] =>
  entriesOf(sum).map((entry) => (entry.name === `net/${name}` ? { ...entry, data } : entry));

/** An archive of `torch.save` that holds { m.w: w } as a view with these strides. */
const saved = (strides = [2, 1]): Uint8Array =>
  zip([
    {
      name: 'archive/data.pkl',
      data: pickle(p.dict([p.string('m.w'), p.tensor(p.storage('Float', '0', 4), 0, [2, 2], strides)])),
    },
    { name: 'archive/data/0', data: bytesOf(w.data) },
  ]);

describe('layouts', () => {
  it('of PyTorch 2.14: a config and an entry for each tensor', async () => {
    expect(await added(entriesOf(sum))).toEqual([1, 2, 3, 4]);
  });

  it('of PyTorch 2.8: one pickle in the same folder', async () => {
    const entries = entriesOf(sum).filter(({ name }) => !name.includes('/data/'));
    expect(await added([...entries, { name: 'net/data/weights/model.pt', data: saved() }])).toEqual([1, 2, 3, 4]);
  });

  it('of PyTorch 2.6: everything at the top', async () => {
    const entries = [
      { name: 'serialized_exported_program.json', data: JSON.stringify(documentOf(sum)) },
      { name: 'serialized_state_dict.pt', data: saved([1, 2]) },
      { name: 'serialized_constants.pt', data: '' },
      { name: 'version', data: '8.2' },
    ];
    expect(await added(entries)).toEqual([1, 3, 2, 4]);
  });

  it('are told by content', async () => {
    const graph = await importModel(zip(entriesOf(sum)));
    expect(graph.origin?.kind).toBe('torch-export');
    await expect(importModel(zip(entriesOf(sum)), { profile: 'torch-qnnpack' })).rejects.toMatchObject({
      code: 'U4002',
    });
  });

  it('may name the model otherwise, but not hold several', async () => {
    const renamed = entriesOf(sum).map((entry) => ({
      ...entry,
      name: entry.name.replace('model.json', 'forward.json').replace('model_', 'forward_'),
    }));
    expect(await added(renamed)).toEqual([1, 2, 3, 4]);
    const both = [...renamed, { name: 'net/models/other.json', data: '{}' }];
    await expect(importEntries(both)).rejects.toMatchObject({
      code: 'U1002',
      message: expect.stringContaining('2 programs: forward, other'),
    });
    const none = entriesOf(sum).filter(({ name }) => !name.includes('/models/'));
    await expect(importEntries(none)).rejects.toMatchObject({ code: 'U1002' });
  });
});

describe('payloads', () => {
  const config = (tensorMeta: Parameters<typeof payload>[1], pickle = false) =>
    edited(
      'data/weights/model_weights_config.json',
      JSON.stringify({ config: { 'm.w': payload('weight_0', tensorMeta, pickle) } }),
    );
  const bytes = (data: ArrayBufferView) => ({
    name: 'net/data/weights/weight_0',
    data: new Uint8Array(data.buffer.slice(0)),
  });
  const withPayload = (entries: readonly Entry[], entry: Entry) => [
    ...entries.filter(({ name }) => name !== entry.name),
    entry,
  ];

  it('are views of a storage: strides, an offset', async () => {
    const entries = withPayload(config(meta(7, [2, 2], [1, 2], 1)), bytes(new Float32Array([9, 1, 2, 3, 4])));
    expect(await added(entries)).toEqual([1, 3, 2, 4]);
  });

  it('may be shared', async () => {
    const spec: ProgramSpec = {
      ...sum,
      weights: { w, v: w },
      nodes: [node('aten.add.Tensor', { self: t('v'), other: t('w') }, 'y')],
    };
    const shared = {
      'm.w': payload('weight_0', meta(7, [2, 2])),
      'm.v': payload('weight_0', meta(7, [2, 2], [0, 1], 2)),
    };
    const entries = entriesOf(spec).map((entry) =>
      entry.name.endsWith('weights_config.json') ? { ...entry, data: JSON.stringify({ config: shared }) } : entry,
    );
    expect(await added(entries)).toEqual([4, 6, 6, 8]);
  });

  it('are constants as well', async () => {
    const entries = entriesOf(sum).map((entry) => ({ ...entry, name: entry.name.replaceAll('weights', 'constants') }));
    expect(await added(entries.filter((e, i) => entries.findIndex(({ name }) => name === e.name) === i))).toEqual([
      1, 2, 3, 4,
    ]);
  });

  it.each([
    [29, 7, 'the element type float8_e4m3fn'],
    [7, 1, 'the layout 1'],
  ])('of element type %i and layout %i are opaque', async (code, layout, reason) => {
    const graph = await importEntries(config({ ...(meta(code, [2, 2]) as object), layout } as never));
    expect(graph.origin?.unsupported).toEqual([{ value: 'w', operator: 'parameter', reason }]);
    expect(nodesOf(graph).map(({ op }) => op)).toEqual(['opaque', 'nn.add']);
    expect(() => interpret(graph, zero)).toThrow('the operator parameter is not supported');
  });

  it.each([
    ['a storage that is too short', meta(7, [2, 2], [2, 1], 1), 'U1004', 'leaves its storage of 4 elements'],
    ['a view that leaves it', meta(7, [2, 2], [2, 2]), 'U1004', 'leaves its storage'],
    ['negative strides', meta(7, [2, 2], [-2, 1]), 'U1004', 'negative'],
    ['a stride too few', meta(7, [2, 2], [1]), 'U1004', 'not one stride for each axis'],
    ['sizes beyond any memory', meta(7, [2 ** 40, 2 ** 40], [0, 0]), 'U1006', 'repeats'],
    ['a symbolic size', meta(7, ['s0', 2], [2, 1]), 'U1004', 'symbolic'],
    ['another shape than the program declares', meta(7, [4]), 'U1004', 'the program declares f32[2,2]'],
    ['another type than the program declares', meta(4, [2, 2]), 'U1004', "'m.w' is s32[2,2]"],
  ])('refuse %s', async (_what, tensorMeta, code, message) => {
    await expect(importEntries(config(tensorMeta))).rejects.toMatchObject({
      name: 'UnskewError',
      code,
      message: expect.stringContaining(message),
    });
  });

  it('that are missing are named', async () => {
    const missing = entriesOf(sum).filter(({ name }) => !name.endsWith('weight_0'));
    await expect(importEntries(missing)).rejects.toMatchObject({
      code: 'U1004',
      message: expect.stringContaining("the entry 'data/weights/weight_0' of 'm.w' is missing"),
    });
    await expect(
      importEntries(edited('data/weights/model_weights_config.json', '{"config": {}}')),
    ).rejects.toMatchObject({
      code: 'U1004',
      message: expect.stringContaining("the archive has no tensor 'm.w', which the program reads as 'w'"),
    });
    await expect(importEntries(edited('byteorder', 'big'))).rejects.toMatchObject({ code: 'U1002' });
  });

  it('that nobody reads are not looked at', async () => {
    const spec = { ...sum, nodes: [node('aten.relu.default', { self: t('x') }, 'y')] };
    const graph = await importEntries(
      entriesOf(spec).filter(({ name }) => !name.endsWith('weight_0') && !name.endsWith('weights_config.json')),
    );
    expect(Object.keys(graph.values)).toEqual(['x', 'y']);
  });
});

describe('sizes', () => {
  const symbolic: ProgramSpec = {
    inputs: { x: ['f32', ['s0', 6]] },
    nodes: [
      node('aten.sym_size.int', { self: t('x'), dim: 0 }),
      node(
        'aten.view.default',
        { self: t('x'), size: { as_sym_ints: [{ as_name: 'n' }, { as_int: 2 }, { as_int: 3 }] } },
        'v',
      ),
      node('aten.reshape.default', { self: t('v'), shape: [-1, 3] }, 'y'),
    ],
    values: { v: ['f32', ['s0', 2, 3]], y: ['f32', ["Mul(Integer(2), Symbol('s0', integer=True))", 3]] },
    outputs: ['y'],
    ranges: { s0: { min_val: 3, max_val: 4 }, s9: { min_val: null, max_val: 9 } },
    edit(document) {
      const module = document.graph_module as { graph: { sym_int_values: object } };
      module.graph.sym_int_values = { n: size('s0') };
    },
  };
  const batch = (n: number) => ({ x: tensor('f32', Array(6 * n).fill(1), [n, 6]) });

  it('may be symbols, whose bounds hold at run time', async () => {
    const graph = await importProgram(symbolic);
    verify(graph);
    expect(graph.values[graph.inputs[0]].type.shape).toEqual(['s0', 6]);
    expect(interpret(graph, batch(3)).y.shape).toEqual([6, 3]);
    expect(graph.symbols).toEqual({ s0: { min: 3, max: 4 } });
    expect(() => interpret(graph, batch(5))).toThrow('the size s0 is 5, but the model takes 3 to 4');
    expect(() => interpret(graph, batch(2))).toThrow('the size s0 is 2');
  });

  it('survive the textual form', async () => {
    const graph = await importProgram(symbolic);
    expect(print(graph)).toContain('sizes(s0=[3,4])');
    expect(parse(print(graph)).symbols).toEqual(graph.symbols);
    expect(print(parse(print(graph)))).toBe(print(graph));
  });

  it.each([
    ["Symbol('s0', positive=True, integer=True)", 's0'],
    ['Integer(-3)', -3],
    ["Add(Symbol('s0'), Integer(-1))", 's0-1'],
    ["Add(Integer(2), Symbol('s0', integer=True))", 's0+2'],
    ["Mul(Integer(4), Symbol('s0'))", 's0*4'],
    ["FloorDiv(Add(Symbol('s0'), Integer(1)), Integer(2))", '(s0+1)/2'],
    ["Max(Integer(2), Symbol('u0'))", 'max(2,u0)'],
    ["Pow(Symbol('s0'), Integer(2))", 's0*s0'],
    ["Mod(Symbol('s0'), Integer(2))", undefined],
    ["Mul(Integer(-1), Symbol('s0'))", undefined],
    ["Symbol('s0')junk", undefined],
    ["Symbol('a b')", undefined],
    ["FloorDiv(Symbol('s0'), Integer(0))", undefined],
    ['Add(', undefined],
    ['', undefined],
    [`${'Add('.repeat(90)}Integer(1)${')'.repeat(90)}`, undefined],
    ["Symbol('s0'".repeat(1000), undefined],
  ])('%s', (text, dim) => expect(dimOfExpression(text)).toEqual(dim));
});

describe('programs', () => {
  it('keep names, and give an output its own where it has none', async () => {
    const graph = await importProgram({
      inputs: { x: ['f32', [2]] },
      nodes: [
        node('aten.clone.default', { self: t('x') }, 'copy'),
        node('aten.silu.default', { self: t('copy') }, 'y'),
        node('aten.dropout.default', { input: t('y'), p: 0.5, train: false }, 'z'),
        node('aten._assert_tensor_metadata.default', { a: t('z') }),
      ],
      values: { copy: ['f32', [2]], y: ['f32', [2]], z: ['f32', [2]] },
      outputs: ['z', 'y', 'copy', 'y'],
    });
    verify(graph);
    expect(graph.outputs).toEqual(['z', 'y', 'copy']);
    expect(nodesOf(graph).map(({ op }) => op)).toEqual(['nn.sigmoid', 'nn.mul', 'nn.identity', 'nn.identity']);
    expect(nodesOf(graph)[1].loc).toEqual({ file: 'm.pt2', node: 'y', op: 'aten.silu.default' });
  });

  it('carry operators that are not understood as opaque ones, with their types', async () => {
    const graph = await importProgram({
      ...sum,
      nodes: [
        node('custom.op.default', { a: t('x'), b: 3 }, 'a', 'b'),
        node('aten.relu.default', { self: t('a') }, 'y'),
      ],
      values: { a: ['f32', [2, 2]], b: ['s64', []], y: ['f32', [2, 2]] },
      outputs: ['y', 'b'],
    });
    expect(graph.origin?.unsupported).toEqual([
      { value: 'a', operator: 'custom.op.default', reason: 'the operator is not known' },
    ]);
    expect(() => interpret(graph, zero)).toThrow('the operator custom.op.default is not supported');
  });

  it.each([
    ['an input of another kind', { custom_obj: { arg: { name: 'o', class_fqn: 'c' }, custom_obj_name: 'o' } }, 'U2008'],
    ['an integer among the inputs', { user_input: { arg: { as_sym_int: { as_name: 'n' } } } }, 'U2008'],
  ])('with %s are refused', async (_what, spec, code) => {
    const edit = (document: Record<string, unknown>) =>
      (document.graph_module as { signature: { input_specs: unknown[] } }).signature.input_specs.push(spec);
    await expect(importProgram({ ...sum, edit })).rejects.toMatchObject({ code });
  });

  it('that change their buffers are refused', async () => {
    const edit = (document: Record<string, unknown>) =>
      (document.graph_module as { signature: { output_specs: unknown[] } }).signature.output_specs.push({
        buffer_mutation: { arg: { name: 'y' }, buffer_name: 'm.w' },
      });
    await expect(importProgram({ ...sum, edit })).rejects.toMatchObject({
      code: 'U2008',
      message: expect.stringContaining("the program changes 'w'"),
    });
  });

  it('of another major version are refused', async () => {
    const edit = (document: Record<string, unknown>) => {
      document.schema_version = { major: 9, minor: 0 };
    };
    await expect(importProgram({ ...sum, edit })).rejects.toMatchObject({
      code: 'U1002',
      message: expect.stringContaining('version 9.0'),
    });
  });
});
