/** All mutants. A text that is not in its file any more is a mutant to be written anew; mutants.test.ts finds it. */
import type { Mutant } from './mutant.ts';
import { arithmetic } from './table/arithmetic.ts';
import { files } from './table/files.ts';
import { programs } from './table/programs.ts';
import { rewrites } from './table/rewrites.ts';
import { running } from './table/running.ts';

export const mutants: readonly Mutant[] = [...arithmetic, ...rewrites, ...files, ...running, ...programs];
