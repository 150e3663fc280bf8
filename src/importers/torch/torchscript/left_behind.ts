/** What a call does beside its results, and a graph cannot: refused once it is known what the results need. */
import { fail, type Location } from '../../../diagnostics/index.ts';
import type { Value } from '../../../ir/define_op.ts';
import type { Graph } from '../../../ir/graph.ts';
import type { TorchTensor } from '../pickle/index.ts';
import { describe } from '../values.ts';
import { STATE_HINT, type State } from './state.ts';
import type { TensorOperators } from './tensor_operators.ts';

/**
 * State: a stored tensor whose old elements the results need, and which the call changes. Where they do not need them, every call
 * computes the same whatever the last one left.
 */
export function refuseState(
  graph: Graph,
  state: State,
  { memory }: TensorOperators,
  constants: ReadonlyMap<TorchTensor, Value>,
): void {
  const isNeeded = (tensor: TorchTensor): boolean =>
    (constants.get(tensor)?.id ?? '') in graph.values || (tensor.count === 1 && memory.wasRead(tensor));
  const refuse = (what: string, where: Location): never =>
    fail('U2008', `${what}: the next call would read another value`, where, STATE_HINT);
  for (const { tensor, what, where } of state.replaced)
    if (isNeeded(tensor)) refuse(`${what} is read and then assigned`, where);
  for (const [tensor, { by, where }] of memory.written) {
    const isKept = tensor.storage.key !== '' || state.isKept(tensor);
    if (isKept && isNeeded(tensor))
      refuse(`${describe(tensor)} that the model holds is read, and ${by} writes to it`, where);
  }
}

/** An operator that is not understood and whose results nobody reads is there for what else it does. */
export function refuseDropped(
  graph: Graph,
  foreign: readonly { readonly operator: string; readonly where: Location }[],
): void {
  const kept = new Map<unknown, number>();
  for (const { op, attrs } of Object.values(graph.nodes))
    if (op === 'opaque') kept.set(attrs.operator, (kept.get(attrs.operator) ?? 0) + 1);
  for (const { operator, where } of foreign) {
    const left = (kept.get(operator) ?? 0) - 1;
    if (left < 0)
      fail(
        'U2008',
        `the operator ${operator} is not known, and nothing reads its result: it may be there for what else it does`,
        where,
        'take the call out of the model before it is saved',
      );
    kept.set(operator, left);
  }
}
