/** The first cases of the campaign, made of seeds that are in every clone, the same every time; and all cases that were kept. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { tensor } from '../../src/ir/index.ts';
import { isDeep } from '../../src/testing/draws.ts';
import { type ModelNode, writeModel } from '../support/onnx.ts';
import { campaign, keptFolder } from './campaign.ts';
import { type CaseId, caseOf, formatCase, parseCase } from './cases.ts';
import { Child } from './child.ts';
import { Examination, findingOf } from './examination.ts';
import { examineModel } from './examine_model.ts';
import { kinds } from './kinds/index.ts';
import { kindNames } from './kinds/kind.ts';
import { minimized } from './minimize.ts';
import { tableOf } from './report.ts';
import type { Task } from './worker.ts';

/** The cases of each kind, which are the same on any processor. */
const CASES = isDeep ? 500 : 25;

it('finds nothing', { timeout: isDeep ? 3_600_000 : 600_000 }, async () => {
  const fixed = { seed: 1, own: true, workers: 1, keep: false };
  const state = await campaign({ cases: CASES, kinds: kindNames, ...fixed });
  const found = state.faults.map(({ finding, id }) => `npm run fuzz -- --own --replay ${id}\n${finding.message}`);
  expect(found).toEqual([]);
  // A campaign whose cases are all refused at the door tests nothing.
  for (const [kind, { cases, executed }] of state.tallies)
    expect(executed, `${kind}\n${tableOf(state)}`).toBeGreaterThan(cases / 20);
});

const keptCases = existsSync(keptFolder)
  ? (readdirSync(keptFolder, { recursive: true, encoding: 'utf8' }) as string[]).filter((name) => extname(name) !== '')
  : [];

describe('cases that were kept', () => {
  it('are files of a kind', () => {
    const endings = kindNames.map((name) => `.${name}`);
    expect(keptCases.filter((name) => !endings.includes(extname(name)))).toEqual([]);
  });

  it.each(keptCases)('%s', async (name) => {
    const kind = kinds.find((known) => `.${known.name}` === extname(name));
    const examination = new Examination();
    await kind?.examine(Uint8Array.from(readFileSync(join(keptFolder, name))), examination);
    expect(examination.report().findings).toEqual([]);
  });
});

it('a case is the same every time, and is named by its number', async () => {
  for (const kind of kindNames) {
    const id = parseCase(`${kind}:77`);
    expect(formatCase(id)).toBe(`${kind}:77`);
    expect(await caseOf(id, true)).toEqual(await caseOf(id, true));
  }
  expect(formatCase(parseCase('onnx:5:0,2'))).toBe('onnx:5:0,2');
  expect(() => parseCase('gguf:1')).toThrow('gguf:1 is not a case');
});

describe('a child process that', () => {
  const script = new URL('misbehaving_worker.ts', import.meta.url);
  const limits = { seconds: 1, waiting: 3, bytes: 2 ** 29, heapMegabytes: 1024 };
  const child = new Child(script, limits);
  afterAll(() => child.dispose());
  const perform = (what: string) =>
    child.perform({ own: true, file: { kind: 'qir', base64: Buffer.from(what).toString('base64') } });

  it.each([
    ['loop', 'hang', /no answer after 1 s/],
    ['wait', 'hang', /no answer/],
    ['abort', 'died', /SIGABRT/],
    ['exit', 'died', /exit 3/],
    ['allocate', 'memory', /SIGKILL/],
  ])('would %s is found, and the next one works', async (what, kind, message) => {
    const { findings } = await perform(what);
    expect(findings).toEqual([expect.objectContaining({ class: kind, during: what })]);
    expect(findings[0].message).toMatch(message);
    expect(await perform('nothing')).toMatchObject({ stage: 'executed', findings: [] });
  });

  it('runs out of its heap is found', async () => {
    const roomy = new Child(script, { ...limits, seconds: 60, heapMegabytes: 32 });
    const base64 = Buffer.from('heap').toString('base64');
    const { findings } = await roomy.perform({ own: true, file: { kind: 'qir', base64 } });
    await roomy.dispose();
    expect(findings).toEqual([expect.objectContaining({ class: 'memory', during: 'heap' })]);
  });
});

it('a case that shows a fault is reduced to the part that shows it', async () => {
  const id = { kind: 'qir', seed: 3 } as const;
  const textOf = async (task: CaseId) => Buffer.from((await caseOf(task, true)).bytes).toString();
  const changed = await textOf(id);
  const [, ...nodes] = (await textOf({ ...id, steps: [] })).split('\n');
  const line = nodes.find((text) => text.includes(' = ') && changed.includes(text)) as string; // structures that no change has touched
  expect((await caseOf(id, true)).steps).toBeGreaterThan(1);
  expect(line).toBeDefined();
  const finding = findingOf('differs', 'run', 'y: 1, should be 2');
  const child = {
    async perform({ id: task, file }: Task) {
      const text = file ? Buffer.from(file.base64, 'base64').toString() : await textOf(task as CaseId);
      return { stage: 'executed', codes: [], operators: [], findings: text.includes(line) ? [finding] : [] };
    },
  };
  const reduced = await minimized(id, finding, child as unknown as Child, true);
  expect(reduced.id.steps?.length).toBeLessThan((await caseOf(id, true)).steps);
  expect(Buffer.from(reduced.bytes).toString().trim()).toBe(line.trim());
});

/** Nodes that make `m` of `x`, the elements of `x` that show the difference, and the reason. */
const leftOut: readonly (readonly [string, readonly ModelNode[], number, RegExp])[] = [
  ['MaxPool', [of('MaxPool', { kernel_shape: [2, 2] })], Number.NaN, /a maximum over NaN/],
  ['GlobalMaxPool', [of('GlobalMaxPool')], Number.NaN, /a maximum over NaN/],
  ['ReduceMax', [of('ReduceMax')], Number.NaN, /a maximum over NaN/],
  ['ReduceMin', [of('ReduceMin')], Number.NaN, /a maximum over NaN/],
  [
    'Cast',
    [
      { op: 'Cast', inputs: ['x'], outputs: ['i32'], attrs: { to: 6 } },
      { op: 'Cast', inputs: ['i32'], outputs: ['m'], attrs: { to: 1 } },
    ],
    1e10,
    /a cast beyond the type/,
  ],
  ['Clip', [{ op: 'Clip', inputs: ['x', 'zero'], outputs: ['m'] }], Infinity, /an infinity in a Clip/],
  ['AveragePool', [of('AveragePool', { kernel_shape: [2, 2] })], 3e38, /sums of infinities/],
];

function of(op: string, attrs: ModelNode['attrs'] = {}): ModelNode {
  return { op, inputs: ['x'], outputs: ['m'], attrs };
}

it.each(leftOut)(
  'what ONNX Runtime makes of %s is compared but where nobody claims it',
  async (_, nodes, special, why) => {
    const dims = [1, 2, 3, 3];
    const skipped = async (value: number) => {
      const data = new Float32Array(18).map((_, i) => (i % 9 === 1 || i % 9 > 3 ? value : i));
      const model = writeModel({
        inputs: [{ name: 'i', type: 'float32', dims }],
        initializers: [
          { name: 'c', tensor: tensor('f32', data, dims) },
          { name: 'zero', tensor: tensor('f32', [0], []) },
        ],
        outputs: [{ name: 'y', type: 'float32' }],
        nodes: [
          { op: 'Add', inputs: ['i', 'c'], outputs: ['x'] },
          ...nodes,
          { op: 'Relu', inputs: ['m'], outputs: ['y'] },
        ],
      });
      const examination = new Examination();
      await examineModel(model, examination, { peer: true });
      const report = examination.report();
      expect(report).toMatchObject({ stage: 'executed', findings: [] });
      return report.skipped;
    };
    expect(await skipped(7)).toBeUndefined();
    expect(await skipped(special)).toMatch(why);
  },
);

/** The worker has to be able to say so. */
it.each([
  ['an error without a code', new TypeError('x is not a function'), 'uncaught'],
  ['a value that is not an error', 'text', 'uncaught'],
])('%s is a finding', async (_name, error, kind) => {
  const examination = new Examination();
  await examination.refusing('import', () => {
    throw error;
  });
  expect(examination.report().findings).toMatchObject([{ class: kind, during: 'import' }]);
});
