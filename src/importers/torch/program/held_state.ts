/** State of programs: the names that a call changes and the next one reads, and their new values. */
import { fail, type Location } from '../../../diagnostics/index.ts';
import { type ValueId, valueId } from '../../../ir/index.ts';
import type { Scope } from '../../kit/scope.ts';
import { STATE_HINT, type StateOption } from '../../kit/state_option.ts';
import type { ProgramMemory } from './memory.ts';
import type { ExportedProgram } from './schema.ts';

/** Names of stored tensors that turn out to be written to: the program is imported anew, with their values not known. */
export class ChangesFound extends Error {
  override readonly name = 'ChangesFound';
  readonly names: readonly string[];

  constructor(names: readonly string[]) {
    super(names.join(', '));
    this.names = names;
  }
}

/** Stored tensors and inputs that a program declares to change, by name, with the names of their new values. */
export function declaredChanges({ inputs, outputs }: ExportedProgram): ReadonlyMap<string, string> {
  const names = new Map(inputs.flatMap((spec) => (spec.kind === 'stored' ? [[spec.key, spec.name] as const] : [])));
  return new Map(
    outputs.flatMap((spec) =>
      spec.kind === 'mutation'
        ? [[spec.of === 'input' ? spec.target : (names.get(spec.target) ?? spec.target), spec.name] as const]
        : [],
    ),
  );
}

export interface StateOptions {
  readonly state: StateOption;
  /** Stored tensors and inputs that the program changes. */
  readonly changed: ReadonlySet<string>;
}

interface Importing {
  readonly program: ExportedProgram;
  readonly scope: Scope;
  readonly memory: ProgramMemory;
  readonly where: Location;
}

/**
 * The outputs for state. Changed stored tensors are not constants, so that the results show which of them they need:
 * only those are state, and become inputs. `copied` gives the elements of a name another name.
 *
 * @throws ChangesFound, UnskewError U2008 when state is refused
 */
export function keptState(
  { state, changed }: StateOptions,
  { program, scope, memory, where }: Importing,
  results: readonly ValueId[],
  copied: (name: string, as: string) => ValueId,
): readonly ValueId[] {
  const isInput = (name: string): boolean => scope.inputs.includes(valueId(name));
  const found = [...memory.written.keys()].filter((name) => !changed.has(name) && !isInput(name));
  if (found.length > 0) throw new ChangesFound(found);
  const declared = declaredChanges(program);
  const next: ValueId[] = [];
  const open = new Set([...changed, ...(state === 'refuse' ? [] : memory.written.keys())]);
  for (let size = -1; size !== next.length; ) {
    size = next.length;
    const needed = scope.reached([...results, ...next]);
    for (const name of open) {
      if (!needed.has(valueId(name))) continue;
      open.delete(name);
      const by = memory.written.get(name);
      if (state === 'refuse') {
        const what = isInput(name)
          ? `the program says that it changes its input '${name}': feeds are never written to`
          : `the program changes '${name}'${by ? ` by ${by}` : ''}: the next call would read another value`;
        fail('U2008', what, { ...where, input: name }, STATE_HINT);
      }
      if (!isInput(name)) scope.inputs.push(valueId(name));
      next.push(copied(declared.get(name) ?? name, `${name}.next`));
    }
  }
  return next;
}
