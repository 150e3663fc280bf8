/** Writes in place reach all that shares the memory, in scripts and in programs of torch.export, against a model of strided storage. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UnskewError } from '../../../src/diagnostics/index.ts';
import type { Graph } from '../../../src/ir/graph.ts';
import { interpret } from '../../../src/ir/interpret.ts';
import { verify } from '../../../src/ir/verify.ts';
import { importModel } from '../../../src/runtime/import_model.ts';
import { tensor } from '../../../src/tensors/tensor.ts';
import { codes, importProgram, meta } from '../torch_export/programs.ts';
import { forward, p, script } from './archives.ts';
import { type Draw, made, type Program, programOf, views, writes, written } from './in_place_programs.ts';
import * as m from './strided_model.ts';

const SIZES = [2, 3, 4];
const values = Array.from({ length: 24 }, (_, i) => ((i * 7) % 23) - 11);
const input = (): m.Strided => m.made(SIZES, values);

const scripted = (program: Program, returned: readonly string[]): Promise<Graph> =>
  importModel(script({ code: forward(...program.lines, `return (${returned.join(', ')},)`) }), {
    inputShapes: { x: SIZES },
  });

const exported = ({ nodes, shapes, outputs }: Program): Promise<Graph> =>
  importProgram({
    inputs: { x: ['f32', SIZES] },
    nodes,
    values: Object.fromEntries(Object.entries(shapes).map(([name, { sizes }]) => [name, ['f32', sizes]])),
    outputs: [...new Set(outputs.map(({ program }) => program))],
    edit(document) {
      const { graph } = document.graph_module as { graph: { tensor_values: Record<string, unknown> } };
      for (const [name, { sizes, strides, offset }] of Object.entries(shapes))
        graph.tensor_values[name] = meta(codes.f32, sizes, strides, offset);
    },
  });

function run(graph: Graph): (readonly [shape: readonly number[], values: readonly number[]])[] {
  expect(graph.origin?.unsupported).toEqual([]);
  expect(verify(graph)).toEqual([]);
  const results = interpret(graph, { x: tensor('f32', values, SIZES) });
  return graph.outputs.map((id) => [results[id].shape, Array.from(results[id].data as Float32Array, (v) => v + 0)]);
}

const expected = (xs: readonly m.Strided[]) => xs.map((x) => [x.sizes, m.read(x).map((v) => v + 0)]);

async function check(program: Program): Promise<void> {
  const { outputs } = program;
  expect(
    run(
      await scripted(
        program,
        outputs.map((o) => o.script),
      ),
    ),
  ).toEqual(expected(outputs.map(({ x }) => x)));
  const named = new Map(outputs.map(({ program: name, x }) => [name, x]));
  expect(run(await exported(program))).toEqual(expected([...named.values()]));
}

const draw = fc.record({ what: fc.nat(10_000), on: fc.nat(100), by: fc.nat(100), i: fc.nat(20), j: fc.nat(20) });

describe('writes in place', () => {
  it('reach every view, list item and dict entry', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(draw, { minLength: 1, maxLength: 14 }), async (draws) =>
        check(programOf(input(), draws)),
      ),
      { numRuns: 150 },
    );
  });

  const table = Object.keys(views).flatMap((view) => Object.keys(writes).map((write) => [view, write] as const));
  it.each(table)('%s, then %s', async (view, write) => {
    for (const i of [0, 1, 2]) {
      const base = { by: 0, i, j: 1 };
      const parts = views[view](input(), { what: 0, on: 0, ...base })?.results.length;
      if (parts === undefined) continue;
      // a view, a copy of it to write from, the write, and one to the base
      const draws: Draw[] = [
        { ...base, what: made(view), on: 0 },
        { ...base, what: made('relu'), on: 1 },
        { ...base, what: written(write), on: 1, by: 1 + parts },
        { ...base, what: written('neg_'), on: 0 },
      ];
      const program = programOf(input(), draws);
      // of a view that repeats elements, only one number for all is written
      const isRepeated = view === 'expand' && i % 2 === 1 && write !== 'fill_' && write !== 'zero_';
      expect(program.lines.filter((line) => /_\(/.test(line))).toHaveLength(isRepeated ? 1 : 2);
      await check(program);
    }
  });
});

describe('a write that cannot be expressed is refused with its line', () => {
  it.each([
    [['y = torch.relu(x)', 'z = torch.frobnicate_(y)', 'return y'], /frobnicate_ writes in place/],
    [
      ['y = torch.frobnicate(x)', 'z = torch.add_(y, 1)', 'return x'],
      /add_ writes in place, and an operand is not understood/,
    ],
    [['y = torch.relu(x)', 'z = torch.add_(torch.expand(y, [2, 2, 3, 4]), 1)', 'return y'], /share their memory/],
    [
      ['y = torch.relu(x)', 'z = torch.copy_(torch.slice(y, 2, 1), torch.slice(y, 2, 0, 3))', 'return y'],
      /reads memory that it writes to/,
    ],
    [
      ['y = torch.relu(x)', 'i = torch.to(torch.sum(x), 4)', 'z = torch.index_fill_(y, 0, i, 0)', 'return y'],
      /computed/,
    ],
    [['y = torch.relu(x)', 'z = torch.bernoulli_(y, 0.5)', 'return y'], /bernoulli_ writes in place/],
    [
      ['y = torch.relu(torch.transpose(x, 0, 1))', 'v = torch.reshape(y, [24])', 'z = torch.fill_(y, 0)', 'return v'],
      /layout in memory/,
    ],
  ])('%s', async (lines, message) => {
    const error = await importModel(script({ code: forward(...lines) }), { inputShapes: { x: SIZES } }).catch(
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(UnskewError);
    expect((error as UnskewError).message).toMatch(message);
    expect((error as UnskewError).diagnostics[0]).toMatchObject({
      code: 'U2008',
      location: { node: /__torch__\.py:\d/ },
    });
  });
});

/** A module with a buffer `h` of two rows, a list and a counter. */
const stateful = (...lines: readonly string[]): Uint8Array =>
  script({
    code: forward(...lines),
    state: p.dict(
      [p.string('h'), p.tensor(p.storage('Float', '0', 4), 0, [2, 2], [2, 1])],
      [p.string('n'), p.tensor(p.storage('Float', '1', 1), 0, [], [])],
      [p.string('cache'), p.list(p.int(1))],
      [p.string('k'), p.int(3)],
    ),
    data: { 0: new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer), 1: new Uint8Array(Float32Array.of(5).buffer) },
  });
const shapes = { inputShapes: { x: [2, 2] } };
const x = tensor('f32', [10, 20, 30, 40], [2, 2]);
const output = (graph: Graph, feeds = {}) => Array.from(interpret(graph, { x, ...feeds }).output.data as Float32Array);

describe('state that lives beyond a call', () => {
  const kept = {
    'a buffer that is written to': ['h = self.h', 'w = torch.add_(h, x)', 'return torch.mul(h, 1.)'],
    'a row of a buffer': [
      'w = torch.copy_(torch.select(self.h, 0, 0), torch.select(x, 0, 0))',
      'return torch.add(self.h, x)',
    ],
    'an attribute that is read and assigned': ['y = torch.add(self.h, x)', 'self.h = y', 'return y'],
    'a buffer that is rolled': [
      'y = torch.cat([torch.slice(self.h, 0, 1), torch.slice(x, 0, 0, 1)])',
      'self.h = y',
      'return torch.add(y, x)',
    ],
  } as const;
  it.each(Object.entries(kept))('%s is refused', async (_name, lines) => {
    const error = await importModel(stateful(...lines), shapes).catch((e: unknown) => e);
    expect((error as UnskewError).diagnostics[0]).toMatchObject({
      code: 'U2008',
      location: { node: /__torch__\.py:\d/ },
    });
    expect(String((error as UnskewError).diagnostics[0].hint)).toContain("state: 'inputs-and-outputs'");
  });
  it.each([
    ['a counter', ['w = torch.add_(self.n, 1)', 'return torch.add(x, int(self.n))']],
    ['a number', ['k = self.k', 'self.k = torch.add(k, 1)', 'return torch.add(x, k)']],
    ['a list', ['c = self.cache', 'w = torch.append(c, 2)', 'return torch.add(x, torch.len(c))']],
    ['an element of a list', ['c = self.cache', 'c[0] = 2', 'return torch.add(x, c[0])']],
  ])('%s is refused', async (_name, lines) => {
    const error = await importModel(stateful(...lines), shapes).catch((e: unknown) => e);
    expect((error as UnskewError).diagnostics?.[0]).toMatchObject({ code: 'U2008' });
  });

  it.each([
    [
      'a buffer that is written whole before it is read',
      ['w = torch.copy_(self.h, x)', 'return torch.mul(self.h, 2.)'],
      [20, 40, 60, 80],
    ],
    [
      'an attribute that is assigned before it is read',
      ['self.h = torch.mul(x, 3.)', 'return self.h'],
      [30, 60, 90, 120],
    ],
    ['a counter that nothing reads', ['w = torch.add_(self.n, 1)', 'return torch.mul(x, 2.)'], [20, 40, 60, 80]],
    ['a copy of a buffer', ['h = torch.clone(self.h)', 'w = torch.add_(h, x)', 'return h'], [11, 22, 33, 44]],
    ['the input', ['w = torch.add_(x, 1)', 'return torch.mul(x, 2.)'], [22, 42, 62, 82]],
  ])('%s is not state', async (_name, lines, expected) => {
    expect(output(await importModel(stateful(...lines), shapes))).toEqual(expected);
  });

  it.each(Object.entries(kept))('%s becomes an input and an output', async (_name, lines) => {
    const graph = await importModel(stateful(...lines), { ...shapes, state: 'inputs-and-outputs' });
    expect(verify(graph)).toEqual([]);
    expect([graph.inputs, graph.outputs]).toEqual([
      ['x', 'h'],
      ['output', 'h.next'],
    ]);
    // two calls, the second with the state that the first one left
    const step: Record<string, (h: number[]) => [number[], number[]]> = {
      'a buffer that is written to': (h) => [h.map((v, i) => v + 10 * (i + 1)), h.map((v, i) => v + 10 * (i + 1))],
      'a row of a buffer': (h) => [
        [20, 40, h[2] + 30, h[3] + 40],
        [10, 20, h[2], h[3]],
      ],
      'an attribute that is read and assigned': (h) => [
        h.map((v, i) => v + 10 * (i + 1)),
        h.map((v, i) => v + 10 * (i + 1)),
      ],
      'a buffer that is rolled': (h) => [
        [h[2] + 10, h[3] + 20, 40, 60],
        [h[2], h[3], 10, 20],
      ],
    };
    let h = [1, 2, 3, 4];
    for (let call = 0; call < 3; call++) {
      const results = interpret(graph, { x, h: tensor('f32', h, [2, 2]) });
      const [y, next] = step[_name](h);
      expect(Array.from(results.output.data as Float32Array)).toEqual(y);
      h = Array.from(results['h.next' as keyof typeof results].data as Float32Array);
      expect(h).toEqual(next);
    }
  });
});

describe('quantized tensors in place', () => {
  const quantized = async (...lines: readonly string[]) => {
    const code = forward('q = torch.quantize_per_tensor(x, 0.5, 10, 13)', ...lines, 'return torch.dequantize(q)');
    return output(await importModel(script({ code }), shapes));
  };
  it.each([
    ['are filled with the nearest step', ['w = torch.fill_(torch.select(q, 0, 0), 3.3)'], [3.5, 3.5, 30, 40]],
    [
      'take integers as they are from others',
      ['r = torch.quantize_per_tensor(x, 1., 0, 13)', 'w = torch.copy_(torch.select(q, 1, 0), torch.select(r, 1, 0))'],
      [0, 20, 10, 40],
    ],
    ['are masked', ['w = torch.masked_fill_(q, torch.gt(x, 25), 0.)'], [10, 20, 0, 0]],
    ['are clamped', ['w = torch.hardtanh_(torch.slice(q, 0, 1), -1., 35.)'], [10, 20, 30, 35]],
    ['follow the flag of relu6', ['w = ops.quantized.relu6(q, True)'], [6, 6, 6, 6]],
    ['do not, where the flag is not set', ['w = ops.quantized.relu6(q, False)'], [10, 20, 30, 40]],
  ])('%s', async (_name, lines, expected) => expect(await quantized(...lines)).toEqual(expected));
});

describe('operators that do more than compute', () => {
  it.each([
    ['w = ops.mine.update(y)', 'return y'],
    ['w = ops.mine.update(y, 1)', 'z = torch.add(w, 1)', 'return y'],
    ['w = torch.fused_moving_avg_obs_fake_quant(y, 1, 1, y, y, y, y, 0.1, 0, 255, 0, False, False)', 'return w'],
  ])('%s; %s are refused', async (...lines) => {
    const code = forward('y = torch.relu(x)', ...lines);
    const error = await importModel(script({ code }), shapes).catch((e: unknown) => e);
    expect((error as UnskewError).diagnostics?.[0]).toMatchObject({ code: 'U2008' });
  });
  it('is carried where its result is read', async () => {
    const code = forward('y = torch.relu(x)', 'return ops.mine.better(y)');
    const graph = await importModel(script({ code }), shapes);
    expect(graph.origin?.unsupported).toMatchObject([{ operator: 'mine::better' }]);
  });
});

describe('memory that is made to be written to', () => {
  it.each([
    ['torch.empty([2, 2])'],
    ['torch.empty_like(x)'],
    ['torch.new_empty(x, [2, 2])'],
    ['torch.full([2, 2], 2.)'],
    ['torch.zeros([2, 2])'],
    ['torch.tensor([[1., 2.], [3., 4.]])'],
  ])('%s', async (made) => {
    const lines = [`y = ${made}`, 'a = torch.copy_(torch.select(y, 0, 0), torch.select(x, 0, 1))'];
    const code = forward(...lines, 'b = torch.copy_(torch.select(y, 0, 1), torch.select(x, 0, 0))', 'return y');
    expect(output(await importModel(script({ code }), shapes))).toEqual([30, 40, 10, 20]);
  });
});

describe('lists and dicts', () => {
  it.each([
    [
      'append is seen by all',
      ['a = [x]', 'b = a', 'w = torch.append(b, torch.neg(x))', 'return torch.add(a[1], 0)'],
      [-10, -20, -30, -40],
    ],
    [
      'a copy is not',
      ['a = [x]', 'b = torch.copy(a)', 'w = torch.append(b, x)', 'return torch.mul(x, torch.len(a))'],
      [10, 20, 30, 40],
    ],
    [
      'add_ of lists',
      ['a = [x]', 'b = a', 'c = torch.add_(a, [x, x])', 'return torch.mul(x, torch.len(b))'],
      [30, 60, 90, 120],
    ],
    [
      'pop and insert',
      ['a = [x, torch.neg(x)]', 'b = torch.pop(a, 0)', 'torch.insert(a, 0, torch.mul(b, 2.))', 'return a[0]'],
      [20, 40, 60, 80],
    ],
    [
      'a tensor of a list is written to',
      ['y = torch.relu(x)', 'a = [y]', 'w = torch.neg_(a[0])', 'return y'],
      [-10, -20, -30, -40],
    ],
    [
      'in a loop',
      ['y = torch.relu(x)', 'for v in torch.unbind(y):', '  w = torch.neg_(v)', 'return y'],
      [-10, -20, -30, -40],
    ],
    [
      'by index in a loop',
      ['y = torch.relu(x)', 'for i in range(2):', '  w = torch.fill_(torch.select(y, 0, i), i)', 'return y'],
      [0, 0, 1, 1],
    ],
    [
      'an entry of a dict',
      ['d = {"a": x}', 'e = d', 'torch._set_item(e, "a", torch.neg(x))', 'return d["a"]'],
      [-10, -20, -30, -40],
    ],
    [
      'update and pop of dicts',
      ['d = {"a": x}', 'torch.update(d, {"b": torch.neg(x)})', 'w = torch.pop(d, "a")', 'return d["b"]'],
      [-10, -20, -30, -40],
    ],
    ['del', ['a = [x, torch.neg(x)]', 'torch.Delete(a, 0)', 'return a[0]'], [-10, -20, -30, -40]],
  ])('%s', async (_name, lines, expected) => {
    expect(output(await importModel(script({ code: forward(...lines) }), shapes))).toEqual(expected);
  });
});
