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

export const commands: readonly AnyCommand[] = [inspect, rewrite, run, check, bench, strategies, explain, compile, opt];
