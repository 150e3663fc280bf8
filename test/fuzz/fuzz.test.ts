/** The first cases of the campaign, made of seeds that are in every clone, the same every time; and all cases that were kept. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { campaign, keptFolder } from './campaign.ts';
import { caseOf, formatCase, parseCase } from './cases.ts';
import { Examination } from './examination.ts';
import { kinds } from './kinds/index.ts';
import { kindNames } from './kinds/kind.ts';
import { tableOf } from './report.ts';

/** Of each kind; half a minute on one processor, and on a faster one the same cases in less. */
const CASES = 50;

it('finds nothing', { timeout: 600_000 }, async () => {
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
  expect(() => parseCase('tflite:1')).toThrow('tflite:1 is not a case');
});

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
