/** The arguments of a call as variables of the function. */
import { fail, type Location } from '../../../diagnostics/index.ts';
import type { TorchValue } from '../values.ts';
import type { Expression, FunctionCode } from './ast.ts';

interface Call {
  readonly args: readonly TorchValue[];
  readonly keywords: ReadonlyMap<string, TorchValue>;
  /** The variables of the function, empty so far. */
  readonly variables: Map<string, TorchValue>;
  readonly evaluate: (e: Expression) => TorchValue;
  readonly where: Location;
}

/** Binds parameters. A traced call leaves out arguments that the callee never reads: a read of one is refused. */
export function bindParameters(
  { name, parameters }: FunctionCode,
  { args, keywords, variables, evaluate, where }: Call,
): void {
  if (args.length > parameters.length)
    fail('U1004', `${name} takes ${parameters.length} arguments, not ${args.length}`, where);
  for (const [i, parameter] of parameters.entries()) {
    const given = i < args.length ? args[i] : keywords.get(parameter.name);
    if (given !== undefined) variables.set(parameter.name, given);
    else if (parameter.default !== undefined) variables.set(parameter.name, evaluate(parameter.default));
  }
}
