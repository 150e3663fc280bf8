import { type AnyCommand, type Declaration, declareCommand, type Work, workOf } from '../../src/cli/command.ts';
import type { Arguments, Options, Values } from '../../src/cli/options.ts';

/** A command for tests: its declaration and its work in one object. */
export function defineCommand<const A extends Arguments, const O extends Options, R>(
  command: Declaration<A, O> & Work<Values<A, O>, R>,
): AnyCommand {
  return { ...declareCommand<A, O>(command), load: async () => workOf<Declaration<A, O>>()(command) };
}
