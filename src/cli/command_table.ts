/** Every command, in the order in which help shows them, and the module with its work. */
import type { AnyCommand, Declaration } from './command.ts';
import { bench } from './commands/bench.ts';
import { check } from './commands/check.ts';
import { compile } from './commands/compile.ts';
import { explain } from './commands/explain.ts';
import { inspect } from './commands/inspect.ts';
import { opt } from './commands/opt.ts';
import { rewrite } from './commands/rewrite.ts';
import { run } from './commands/run.ts';
import { strategies } from './commands/strategies.ts';

type AnyWork = Awaited<ReturnType<AnyCommand['load']>>;

const working = (declaration: Declaration, load: () => Promise<{ readonly work: AnyWork }>): AnyCommand => ({
  ...declaration,
  async load() {
    await import('../runtime/node_platform.ts');
    return (await load()).work;
  },
});

export const commands: readonly AnyCommand[] = [
  working(inspect, () => import('./work/inspect.ts')),
  working(rewrite, () => import('./work/rewrite.ts')),
  working(run, () => import('./work/run.ts')),
  working(check, () => import('./work/check.ts')),
  working(bench, () => import('./work/bench.ts')),
  working(strategies, () => import('./work/strategies.ts')),
  working(explain, () => import('./work/explain.ts')),
  working(compile, () => import('./work/compile.ts')),
  working(opt, () => import('./work/opt.ts')),
];
