/** The table of mutants fits the code as it is. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { mutated } from './mutant.ts';
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
