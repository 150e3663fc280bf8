/** Writes in place reach all that shares the memory, in scripts and in programs of torch.export, against a model of strided storage. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UnskewError } from '../../../src/diagnostics/index.ts';
import { importModel } from '../../../src/importers/import_model.ts';
import type { Graph } from '../../../src/ir/graph.ts';
import { interpret } from '../../../src/ir/interpret.ts';
import { tensor } from '../../../src/ir/tensor.ts';
import { verify } from '../../../src/ir/verify.ts';
import { codes, importProgram, meta } from '../torch_export/programs.ts';
import { forward, script } from './archives.ts';
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

describe('what cannot be expressed is refused with its line', () => {
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
