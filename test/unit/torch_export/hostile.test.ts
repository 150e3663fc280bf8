/** Archives that nobody's tools would write: an error that says where, in bounded time and memory. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UnskewError } from '../../../src/diagnostics/index.ts';
import { importModel } from '../../../src/runtime/import_model.ts';
import { zip } from '../torch/archives.ts';
import {
  documentOf,
  entriesOf,
  importEntries,
  importProgram,
  meta,
  node,
  size,
  smallProgram as spec,
  t,
} from './programs.ts';

const MODEL = 'net/models/model.json';
const withJson = (text: string) =>
  entriesOf(spec).map((entry) => (entry.name === MODEL ? { ...entry, data: text } : entry));
const text = JSON.stringify(documentOf(spec));

interface Module {
  graph: {
    nodes: { inputs: { name: string; arg: unknown }[]; outputs: unknown[] }[];
    tensor_values: Record<string, unknown>;
  };
  signature: { input_specs: unknown[]; output_specs: unknown[] };
}
const edited = (edit: (module: Module) => void) =>
  importProgram({ ...spec, edit: (document) => edit(document.graph_module as Module) });
const refused = (promise: Promise<unknown>, code: string, message: string, where = '') =>
  expect(promise).rejects.toMatchObject({
    name: 'UnskewError',
    code,
    message: expect.stringMatching(new RegExp(`${message}[^]*${where}`)),
  });

describe('programs that are wrong', () => {
  it('truncated JSON', async () => {
    await refused(importEntries(withJson(text.slice(0, 700))), 'U1003', 'the JSON cannot be parsed', MODEL);
    await refused(importEntries(withJson('')), 'U1003', 'cannot be parsed');
    await refused(importEntries(withJson('[]')), 'U1004', 'should be an object');
    await refused(importEntries(withJson('['.repeat(2e6))), 'U1003', 'cannot be parsed');
  });

  it('a field that is missing or of another kind', async () => {
    await refused(
      importEntries(withJson('{"schema_version": {"major": 8}}')),
      'U1004',
      "schema_version has no field 'minor'",
    );
    await refused(
      importEntries(withJson(text.replace('"target":', '"aim":'))),
      'U1004',
      "nodes\\[0\\] has no field 'target'",
    );
    await refused(
      importEntries(withJson(text.replace('"major":8', '"major":"8"'))),
      'U1004',
      'schema_version.major should be an integer, but is "8"',
    );
    await refused(
      edited(({ graph }) => (graph.nodes[0].inputs[0].arg = { as_tensor: { name: 'x' }, as_int: 3 })),
      'U1004',
      'an object with one field',
    );
    await refused(
      importEntries(withJson(text.replace('"__proto__"', '"x"').replace('"graph_module"', '"__proto__"'))),
      'U1004',
      "no field 'graph_module'",
    );
  });

  it('values that are not there, or there twice, or in a circle', async () => {
    await refused(
      edited(({ graph }) => (graph.nodes[0].inputs[0].arg = t('nobody'))),
      'U2001',
      "'nobody' is used before it is defined",
      'aten.linear',
    );
    await refused(
      edited(({ graph }) => (graph.nodes[0].inputs[0].arg = t('y'))),
      'U2001',
      "'y' is used before it is defined",
    );
    await refused(
      edited(({ graph }) => (graph.nodes[1].outputs = [t('a')])),
      'U2002',
      "'a' is defined twice",
    );
    await refused(
      edited(({ graph }) => (graph.nodes[1].outputs = [t('x')])),
      'U2002',
      "'x' is defined twice",
    );
    await refused(
      edited(({ graph }) => (graph.nodes[1].outputs = [t('b'), t('b')])),
      'U2002',
      "'b' is defined twice",
    );
    await refused(
      edited(({ signature }) => signature.input_specs.push(signature.input_specs[1])),
      'U2002',
      "'x' is defined twice",
    );
    await refused(
      edited(({ signature }) => (signature.output_specs = [])),
      'U1004',
      'the program has no output',
    );
    await refused(
      edited(({ graph }) => delete graph.tensor_values.a),
      'U1004',
      "the type of 'a' is not declared",
    );
    await refused(
      edited(({ graph }) => delete graph.tensor_values.x),
      'U1004',
      "the type of 'x' is not declared",
    );
  });

  it('names that mean something in JavaScript', async () => {
    await refused(
      edited(({ graph }) => (graph.nodes[0].inputs[0].arg = t('constructor'))),
      'U2001',
      "'constructor' is used before",
    );
    await refused(
      edited(({ graph }) => (graph.nodes[0].outputs = [t('toString')])),
      'U1004',
      "the type of 'toString' is not declared",
    );
  });

  it('shapes that do not fit', async () => {
    await refused(
      edited(({ graph }) => (graph.tensor_values.a = meta(7, ['s0', 3]))),
      'U2005',
      "'a' is declared with shape \\[\\?,3\\], but is f32\\[s0,2\\]",
    );
    await refused(
      edited(({ graph }) => (graph.tensor_values.x = meta(7, [4, 3]))),
      'U2005',
      'rows of 3 elements',
      'aten.linear',
    );
    await refused(
      edited(({ graph }) => (graph.tensor_values.x = meta(7, [-4, 2]))),
      'U1004',
      "'x' is declared with the size -4",
    );
    await refused(
      edited(({ graph }) => (graph.nodes[2].inputs[1].arg = { as_int: 7 })),
      'U2005',
      'dim 7 is outside',
    );
    await refused(
      edited(({ graph }) => (graph.nodes[1].inputs[1].arg = { as_ints: [-1, -1] })),
      'U2004',
      'negative|-1',
    );
    await refused(
      edited(({ graph }) => (graph.nodes[1].inputs[1].arg = { as_ints: [-1, 0] })),
      'U2005',
      '-1 beside one of 0',
    );
  });

  it('absurd sizes cost nothing', async () => {
    const start = performance.now();
    const large = 2 ** 52;
    await refused(
      edited(({ graph }) => (graph.nodes[1].inputs[1].arg = { as_ints: [large, large] })),
      'U1006',
      'more than any machine holds',
    );
    const graph = await importProgram({
      nodes: [node('aten.full.default', { size: [2 ** 40], fill_value: 1 }, 'y')],
      values: { y: ['s64', [2 ** 40]] },
      outputs: ['y'],
    });
    expect(graph.outputs).toEqual(['y']);
    const range = await importProgram({
      nodes: [node('aten.arange.default', { end: 2 ** 44 }, 'y')],
      values: { y: ['s64', [2 ** 44]] },
      outputs: ['y'],
    });
    expect(range.origin?.unsupported[0].reason).toContain('a range of');
    expect(performance.now() - start).toBeLessThan(2000);
  });

  it('symbols that double at every node', async () => {
    const names = Array.from({ length: 60 }, (_, i) => `v${i}`);
    const start = performance.now();
    const program = importProgram({
      inputs: { v: ['f32', ['s0']] },
      nodes: names.map((name, i) =>
        node(
          'aten.cat.default',
          { tensors: { as_tensors: [{ name: i ? `v${i - 1}` : 'v' }, { name: i ? `v${i - 1}` : 'v' }] } },
          name,
        ),
      ),
      values: Object.fromEntries(names.map((name) => [name, ['f32', ['u0']]] as const)),
      outputs: ['v59'],
    });
    await refused(program, 'U1006', 'more than any machine holds');
    expect(performance.now() - start).toBeLessThan(2000);
    expect(size('u0')).toBeDefined();
  });
});

describe('archives that are damaged', () => {
  it('anywhere: a located error, or a graph', async () => {
    const whole = zip(entriesOf(spec));
    await fc.assert(
      fc.asyncProperty(
        fc.nat(whole.length - 1),
        fc.integer({ min: 0, max: 255 }),
        fc.boolean(),
        async (at, byte, cut) => {
          const bytes = cut ? whole.slice(0, at) : whole.slice();
          if (!cut) bytes[at] = byte;
          try {
            await importModel(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(UnskewError);
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  it('in their JSON: a located error, or a graph', async () => {
    const characters = [...'{}[]",:019-xn'];
    await fc.assert(
      fc.asyncProperty(
        fc.nat(text.length - 1),
        fc.constantFrom(...characters),
        fc.boolean(),
        async (at, character, insert) => {
          const damaged = text.slice(0, at) + character + text.slice(insert ? at : at + 1);
          try {
            await importEntries(withJson(damaged));
          } catch (error) {
            expect(error).toBeInstanceOf(UnskewError);
          }
        },
      ),
      { numRuns: 600 },
    );
  });
});
