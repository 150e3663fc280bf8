/** The corpus of models and vectors: `shared/corpus` beside the repository where that exists, else the small one in `test/corpus`. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'vitest';
import { parseJsonl, type VectorCase } from './jsonl.ts';

const here = dirname(fileURLToPath(import.meta.url));
/** The whole corpus, beside the repository, and the small one in it (test/corpus/README.md). */
export const sharedCorpus = process.env.UNSKEW_CORPUS ?? join(here, '../../../shared/corpus');
export const miniCorpus = join(here, '../corpus');

const has = (folder: string): boolean => existsSync(join(folder, 'index.json'));

/** True when the whole corpus is here; some tests count its cases. */
export const isWhole = has(sharedCorpus);

/** The least count to expect: as given for the whole corpus, 1 for the small one. */
export const many = (count: number): number => (isWhole ? count : 1);

/** The folder of the corpus. */
export const corpusRoot = (): string => (isWhole ? sharedCorpus : miniCorpus);

/** A suite over the corpus, whole or small. `body` gets the folder. */
export function describeCorpus(name: string, body: (root: string) => void): void {
  describe(isWhole ? name : `${name}, the small corpus`, () => body(corpusRoot()));
}

/** A test that only the whole corpus has the files for. */
export function itWhole(name: string, body: () => void | Promise<void>, timeout?: number): void {
  if (isWhole) it(name, body, timeout);
  else it(name, ({ skip }) => skip(`it needs the whole corpus, which is not at ${sharedCorpus}`));
}

export interface CorpusEntry {
  readonly path: string;
  readonly kind: string;
  readonly [field: string]: unknown;
}

/** Entries of index.json. */
export const corpusEntries = (): readonly CorpusEntry[] =>
  JSON.parse(readFileSync(join(corpusRoot(), 'index.json'), 'utf8')).entries;

/** The cases of `ort-vectors/<name>.jsonl`. */
export const ortVectors = (name: string): VectorCase[] =>
  parseJsonl(readFileSync(join(corpusRoot(), 'ort-vectors', `${name}.jsonl`), 'utf8'));
