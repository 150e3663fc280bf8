/** Facts about a program beside its nodes: the readers of a value, and the sizes that its symbols may have. */
import type { SymbolFacts } from '../../../ir/index.ts';
import type { Scope } from '../../kit/scope.ts';
import type { Argument, ExportedProgram } from './schema.ts';

/** The targets of all nodes that read a value; `output` for an output of the program. */
export function readersOf({ graph, outputs }: ExportedProgram): ReadonlyMap<string, readonly string[]> {
  const all = new Map<string, string[]>();
  const note = (name: string | undefined, reader: string): void => {
    if (name === undefined) return;
    const readers = all.get(name);
    if (readers) readers.push(reader);
    else all.set(name, [reader]);
  };
  const noteAll = (argument: Argument, reader: string): void => {
    if (argument.kind === 'tensor') for (const name of argument.names) note(name, reader);
  };
  for (const { target, inputs } of graph.nodes) for (const { argument } of inputs) noteAll(argument, target);
  for (const spec of outputs) {
    if (spec.kind === 'user') noteAll(spec.argument, 'output');
    else if (spec.kind === 'mutation') note(spec.name, 'output');
  }
  return all;
}

/** The bounds of symbols, as PyTorch checks them: sizes below 2 are never refused. */
export function symbolsOf(
  { ranges }: ExportedProgram,
  scope: Scope,
): { symbols?: Readonly<Record<string, SymbolFacts>> } {
  const inputs = new Set(scope.inputs.flatMap((id) => scope.values[id].type.shape));
  const symbols: Record<string, SymbolFacts> = {};
  for (const [symbol, { min = 0, max = Number.MAX_SAFE_INTEGER }] of ranges) {
    const range = { ...(min > 2 && { min }), ...(max < Number.MAX_SAFE_INTEGER && { max }) };
    if (inputs.has(symbol) && Object.keys(range).length > 0) symbols[symbol] = range;
  }
  return Object.keys(symbols).length === 0 ? {} : { symbols };
}
