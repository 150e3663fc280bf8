/** Every command, in the order in which help shows them. */
import type { AnyCommand } from './command.ts';
import { bench } from './commands/bench.ts';
import { check } from './commands/check.ts';
import { compile } from './commands/compile.ts';
import { explain } from './commands/explain.ts';
import { inspect } from './commands/inspect.ts';
import { opt } from './commands/opt.ts';
import { rewrite } from './commands/rewrite.ts';
import { run } from './commands/run.ts';
import { strategies } from './commands/strategies.ts';

export const commands: readonly AnyCommand[] = [
  { ...inspect, load: async () => (await import('./work/inspect.ts')).work },
  { ...rewrite, load: async () => (await import('./work/rewrite.ts')).work },
  { ...run, load: async () => (await import('./work/run.ts')).work },
  { ...check, load: async () => (await import('./work/check.ts')).work },
  { ...bench, load: async () => (await import('./work/bench.ts')).work },
  { ...strategies, load: async () => (await import('./work/strategies.ts')).work },
  { ...explain, load: async () => (await import('./work/explain.ts')).work },
  { ...compile, load: async () => (await import('./work/compile.ts')).work },
  { ...opt, load: async () => (await import('./work/opt.ts')).work },
];
