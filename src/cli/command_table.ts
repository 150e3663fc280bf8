/** Every command, in the order in which help shows them. */
import type { AnyCommand } from './command.ts';
import { inspect } from './commands/inspect.ts';

export const commands: readonly AnyCommand[] = [inspect];
