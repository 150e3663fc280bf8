/**
 * Effects of a call beside its results, which a graph cannot have: reported once the needs of the results are known.
 */
import { fail, type Location } from '../../../diagnostics/index.ts';
import type { TorchTensor } from '../../../formats/torch/index.ts';
import { type Graph, isOp, opaqueOp, type Value } from '../../../ir/index.ts';
import { describe } from '../values.ts';
import type { State } from './state.ts';
import type { TensorOperators } from './tensor_operators.ts';

/** A stored tensor that is state. */
export interface Kept {
  readonly tensor: TorchTensor;
  readonly what: string;
  readonly where: Location;
}

/**
 * State: a stored tensor that the call changes, and whose old elements the results need. If they do not need them,
 * every call computes the same, whatever the last one left.
 */
export function stateOf(
  graph: Graph,
  state: State,
  { memory }: TensorOperators,
  constants: ReadonlyMap<TorchTensor, Value>,
): readonly Kept[] {
  const isNeeded = (tensor: TorchTensor): boolean =>
    (constants.get(tensor)?.id ?? '') in graph.values || (tensor.count === 1 && memory.wasRead(tensor));
  const replaced = state.replaced.map(({ tensor, what, where }) => ({
    tensor,
    what: `${what} is read and then assigned`,
    where,
  }));
  const written = [...memory.written]
    .filter(([tensor]) => tensor.storage.key !== '' || state.isKept(tensor))
    .map(([tensor, { by, where }]) => ({
      tensor,
      what: `${describe(tensor)} that the model holds is read, and ${by} writes to it`,
      where,
    }));
  return [...replaced, ...written].filter(({ tensor }) => isNeeded(tensor));
}

/** Refuses an unknown operator whose results nobody reads: it must be there for other effects. */
export function refuseDropped(
  graph: Graph,
  foreign: readonly { readonly operator: string; readonly where: Location }[],
): void {
  const kept = new Map<string, number>();
  for (const node of Object.values(graph.nodes)) {
    if (!isOp(node, opaqueOp)) continue;
    const { operator } = node.attrs;
    kept.set(operator, (kept.get(operator) ?? 0) + 1);
  }
  for (const { operator, where } of foreign) {
    const left = (kept.get(operator) ?? 0) - 1;
    if (left < 0)
      fail(
        'U2008',
        `the operator ${operator} is not known, and nothing reads its result: it may be there for another effect`,
        where,
        'take the call out of the model before it is saved',
      );
    kept.set(operator, left);
  }
}
