/** The table of mutants fits the code as it is. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { mutated } from './mutant.ts';
import { Programs } from './program.ts';
import { mutants } from './table.ts';

const repository = join(import.meta.dirname, '../..');

it.each(mutants.map((mutant) => [mutant.name, mutant] as const))('%s', (_name, mutant) => {
  const source = readFileSync(join(repository, mutant.file), 'utf8');
  expect(mutated(mutant, source)).not.toBe(source);
  for (const file of mutant.tests) expect(existsSync(join(repository, file)), file).toBe(true);
});

it('there are at least 40, each with a name of its own', () => {
  expect(mutants.length).toBeGreaterThanOrEqual(40);
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
});

it('a program that does not end is killed, and so are the processes that it started', async () => {
  const cwd = mkdtempSync(join(tmpdir(), 'unskew-program-'));
  onTestFinished(() => rmSync(cwd, { recursive: true }));
  const script = 'sleep 600 > /dev/null 2>&1 & echo $! > started; wait';
  const { code } = await new Programs().run('sh', ['-c', script], { cwd, env: process.env, most: 1000 });
  expect(code).toBeUndefined();
  const pid = Number(readFileSync(join(cwd, 'started'), 'utf8'));
  await vi.waitUntil(() => !isRunning(pid), 5000);
});

/** False also for one that has ended, and that nobody has asked for its end. */
function isRunning(pid: number): boolean {
  const status = `/proc/${pid}/stat`;
  return existsSync(status) && readFileSync(status, 'utf8').split(') ')[1]?.[0] !== 'Z';
}
