/** scripts/load_part.cjs: parts run the same with their compiled code, without it, and beside code that does not belong to them. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const loader = resolve(import.meta.dirname, '../../scripts/load_part.cjs');
let root: string;
let cache: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'unskew-parts-'));
  cache = join(root, 'build/code', process.version);
  const parts = join(root, 'dist/parts');
  mkdirSync(parts, { recursive: true });
  copyFileSync(loader, join(parts, 'load_part.cjs'));
  /** As scripts/bundle.mjs writes it. */
  const write = (name: string, code: string): void =>
    writeFileSync(
      join(parts, name),
      `(function (exports, require, module, __filename, __dirname, __load, __loadInTurns) {${code}\n})`,
    );
  write('first.cjs', 'const { twice } = __load("second.cjs"); exports.result = twice(21);');
  write('second.cjs', 'exports.twice = (n) => 2 * n; exports.read = require("node:fs").readFileSync;');
  write('bad.cjs', 'exports.begun = true; throw new Error("not today");');
});
afterEach(() => rmSync(root, { recursive: true }));

/** Output of a script in a process of its own. */
const run = (script: string): string =>
  execFileSync(process.execPath, ['-e', `const { load, keepCode } = require('./dist/parts/load_part.cjs');${script}`], {
    cwd: root,
    encoding: 'utf8',
  }).trim();
const RESULT = 'console.log(load("first.cjs").result);';
/** True when V8 took the code of every part. */
const TAKEN = `
  const { Script } = require('node:vm'); const taken = [];
  require('node:vm').Script = class extends Script { constructor(text, options) { super(text, options); taken.push(this.cachedDataRejected); } };`;
const withCode = (): string =>
  execFileSync(
    process.execPath,
    ['-e', `${TAKEN}require('./dist/parts/load_part.cjs').load('first.cjs'); console.log(JSON.stringify(taken));`],
    { cwd: root, encoding: 'utf8' },
  ).trim();

test('parts load each other, once, with and without their code', () => {
  expect(run(RESULT)).toBe('42');
  expect(withCode()).toBe('[null,null]');
  expect(Number(run(`${RESULT} console.log(keepCode());`).split('\n')[1])).toBeGreaterThan(100);
  expect(readdirSync(cache).sort()).toEqual(['first.cjs', 'second.cjs']);
  expect(run(RESULT)).toBe('42');
  expect(withCode()).toBe('[false,false]');
  expect(run('console.log(load("second.cjs") === load("second.cjs"));')).toBe('true');
});

test('code of another text, and code that is damaged anywhere, is not used', () => {
  run(`${RESULT} keepCode();`);
  const path = join(cache, 'second.cjs');
  const code = readFileSync(path);
  for (const at of [0, 5, 8, 40, code.length - 1]) {
    const damaged = Buffer.from(code);
    damaged[at] ^= 4;
    writeFileSync(path, damaged);
    expect(withCode()).toBe('[false,null]');
    expect(run(RESULT)).toBe('42');
  }
  for (const short of [0, 3, 8, code.length - 1]) {
    writeFileSync(path, code.subarray(0, short));
    expect(run(RESULT)).toBe('42');
  }
  writeFileSync(path, code);
  // the same length, which is all that V8 compares
  writeFileSync(
    join(root, 'dist/parts/second.cjs'),
    readFileSync(join(root, 'dist/parts/second.cjs'), 'utf8').replace('2 *', '3 *'),
  );
  expect(run(RESULT)).toBe('63');
});

test('a part that fails is no module: it fails again, with its own name in the stack', () => {
  const [first, second] = run(`
    for (let i = 0; i < 2; i++) try { load('bad.cjs'); } catch (error) { console.log(error.message, /bad\\.cjs/.test(error.stack)); }
  `).split('\n');
  expect(first).toBe('not today true');
  expect(second).toBe(first);
});
