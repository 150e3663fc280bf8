/** Measurements kept per machine: read back, merged, and never trusted. */
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { CostRow } from '../../../src/passes/cost/table.ts';
import { cachePath, type Machine, machineOf, readCosts, writeCosts } from '../../../src/runtime/cost_cache.ts';
import { layerOf } from './support.ts';

const machine: Machine = {
  processor: 'Some ../CPU @ 3 GHz',
  name: 'onednn',
  version: '2.6.3',
  isa: 'vnni',
  threads: 2,
};
/** A row as files have it. */
const stored = { processor: machine.processor, onednn: '2.6.3', isa: 'vnni', threads: 2 };
const row = (positions: number | undefined, cost: number): CostRow => ({
  layer: layerOf({ positions }),
  costs: { pad: cost, native: 2 * cost },
});

let folder: string;
let env: Record<string, string>;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'unskew-cache-'));
  env = { XDG_CACHE_HOME: folder };
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('written costs are read', () => {
  expect(readCosts(machine, env)).toEqual([]);
  expect(writeCosts(machine, [row(10, 1.1), row(undefined, 1.2)], env)).toBe(cachePath(machine, env));
  expect(readCosts(machine, env)).toEqual([row(10, 1.1), row(undefined, 1.2)]);
});

test('costs written before are read', () => {
  const path = cachePath(machine, env) as string;
  expect(path.endsWith('-onednn2.6.3-vnni-2.json')).toBe(true);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, JSON.stringify({ format: 1, machine: stored, rows: [row(10, 1.1)] }));
  expect(readCosts(machine, env)).toEqual([row(10, 1.1)]);
  writeCosts(machine, [], env);
  expect(JSON.parse(readFileSync(path, 'utf8')).machine).toEqual(stored);
});

test('the same layer is replaced, others stay; nothing is left beside', () => {
  writeCosts(machine, [row(10, 1.1), row(20, 1.2)], env);
  writeCosts(machine, [row(20, 1.5), row(30, 1.3)], env);
  expect(readCosts(machine, env)).toEqual([row(10, 1.1), row(20, 1.5), row(30, 1.3)]);
  expect(readdirSync(dirname(cachePath(machine, env) as string))).toHaveLength(1);
});

test('machines do not share', () => {
  writeCosts(machine, [row(10, 1.1)], env);
  for (const other of [{ processor: 'x' }, { version: '3.1.0' }, { name: 'other' }, { isa: 'amx' }, { threads: 1 }])
    expect(readCosts({ ...machine, ...other }, env)).toEqual([]);
  expect(cachePath(machine, env)?.startsWith(join(folder, 'unskew', 'strategies'))).toBe(true);
});

test('a relative XDG_CACHE_HOME is ignored, as its specification says', () => {
  expect(cachePath(machine, { XDG_CACHE_HOME: 'here' })).toBe(cachePath(machine, {}));
});

test('a machine is its processor, library, ISA and threads', () => {
  const found = machineOf({ name: 'onednn', version: '2.6.3', isa: 'amx' }, 4);
  expect(found).toMatchObject({ name: 'onednn', version: '2.6.3', isa: 'amx', threads: 4 });
  expect(found.processor).not.toBe('');
});

const good = { format: 1, machine: stored, rows: [row(10, 1.1)] };
test.each([
  ['nothing', ''],
  ['half a file', JSON.stringify(good).slice(0, 60)],
  ['no object', '[1]'],
  ['another format', JSON.stringify({ ...good, format: 2 })],
  ['another machine', JSON.stringify({ ...good, machine: { ...stored, threads: 9 } })],
  ['no machine', JSON.stringify({ ...good, machine: null })],
  ['no rows', JSON.stringify({ ...good, rows: { length: 1 } })],
  ['a file too large', JSON.stringify({ ...good, more: ' '.repeat(5 << 20) })],
])('%s counts as no file', (_what, content) => {
  mkdirSync(dirname(cachePath(machine, env) as string), { recursive: true });
  writeFileSync(cachePath(machine, env) as string, content);
  expect(readCosts(machine, env)).toEqual([]);
  expect(writeCosts(machine, [row(20, 1.2)], env)).toBeDefined();
  expect(readCosts(machine, env)).toEqual([row(20, 1.2)]);
});

test('wrong rows are dropped, the others stay', () => {
  const wrong = [
    null,
    { layer: layerOf() },
    { layer: { ...layerOf(), taps: '9' }, costs: {} },
    { layer: { ...layerOf(), kind: 'pool' }, costs: {} },
    { layer: layerOf(), costs: { pad: 0 } },
    { layer: layerOf(), costs: { pad: -1 } },
    { layer: layerOf(), costs: { pad: null } },
  ];
  writeCosts(machine, [], env);
  writeFileSync(cachePath(machine, env) as string, JSON.stringify({ ...good, rows: [...wrong, row(10, 1.1)] }));
  expect(readCosts(machine, env)).toEqual([row(10, 1.1)]);
});

test('where nothing can be written, nothing happens', () => {
  writeFileSync(join(folder, 'unskew'), 'a file where the folder should be');
  expect(writeCosts(machine, [row(10, 1.1)], env)).toBeUndefined();
  expect(readFileSync(join(folder, 'unskew'), 'utf8')).toContain('a file');
});

test('a file is replaced and not written into: who reads it meanwhile has all of it', () => {
  const path = writeCosts(machine, [row(10, 1.1)], env) as string;
  const before = readFileSync(path, 'utf8');
  linkSync(path, join(folder, 'opened before'));
  writeCosts(machine, [row(20, 1.2)], env);
  expect(readFileSync(join(folder, 'opened before'), 'utf8')).toBe(before);
});

test('a pipe or a folder in its place is not waited for', () => {
  const path = cachePath(machine, env) as string;
  mkdirSync(dirname(path), { recursive: true });
  execFileSync('mkfifo', [path]);
  expect(readCosts(machine, env)).toEqual([]);
  rmSync(path);
  mkdirSync(path);
  expect(readCosts(machine, env)).toEqual([]);
  expect(writeCosts(machine, [row(10, 1.1)], env)).toBeUndefined();
  expect(readdirSync(dirname(path))).toHaveLength(1);
});

test('a folder that no folder can be made in is not tried for ever', () => {
  expect(writeCosts(machine, [row(10, 1.1)], { XDG_CACHE_HOME: '/proc' })).toBeUndefined();
});

test('a user without a home has no cache', () => {
  const home = process.env.HOME;
  process.env.HOME = 'not-absolute';
  try {
    expect(cachePath(machine, {})).toBeUndefined();
    expect(readCosts(machine, {})).toEqual([]);
    expect(writeCosts(machine, [row(10, 1.1)], {})).toBeUndefined();
  } finally {
    process.env.HOME = home;
  }
});
