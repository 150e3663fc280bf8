/** The shared corpus of models and vectors: `shared/corpus` beside the repository, where it exists. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, test } from 'vitest';
import { parseJsonl, type VectorCase } from './jsonl.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../../shared/corpus');

/** The folder of the corpus, or undefined where there is none. */
export const corpusRoot = (): string | undefined => (existsSync(join(root, 'index.json')) ? root : undefined);

/** A suite over the corpus. Without one, one skipped test stands for it and its name says why. `body` gets the folder. */
export function describeCorpus(name: string, body: (root: string) => void): void {
  const folder = corpusRoot();
  if (folder === undefined) test.skip(`${name} (skipped: there is no corpus at ${root})`);
  else describe(name, () => body(folder));
}

export interface CorpusEntry {
  readonly path: string;
  readonly kind: string;
  readonly [field: string]: unknown;
}

/** Entries of index.json; none without a corpus. */
export function corpusEntries(): readonly CorpusEntry[] {
  const folder = corpusRoot();
  return folder === undefined ? [] : JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')).entries;
}

/** The cases of `ort-vectors/<name>.jsonl`; none without a corpus. */
export function ortVectors(name: string): VectorCase[] {
  const folder = corpusRoot();
  return folder === undefined ? [] : parseJsonl(readFileSync(join(folder, 'ort-vectors', `${name}.jsonl`), 'utf8'));
}
