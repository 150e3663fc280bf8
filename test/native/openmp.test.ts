/** The team and the functions of OpenMP over it, as a program of their own: parts, barriers, nested regions. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, it } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'unskew-openmp-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('native/test/team_test.cc passes', { timeout: 240_000 }, () => {
  const program = join(folder, 'team_test');
  const sources = ['native/test/team_test.cc', 'native/team.cc', 'native/openmp.cc'];
  const flags = ['-std=c++20', '-O1', '-fopenmp', '-pthread', '-msse4.1', '-Inative'];
  const run = (command: string, args: readonly string[]) =>
    spawnSync(command, args, { cwd: resolve(import.meta.dirname, '../..'), encoding: 'utf8', timeout: 120_000 });
  expect(run('g++', [...flags, ...sources, '-o', program])).toMatchObject({ status: 0, stderr: '' });
  expect(run(program, [])).toMatchObject({ status: 0, stderr: '' });
});
