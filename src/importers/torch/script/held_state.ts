/** State as inputs and outputs: a stored tensor that calls change is fed, and its new value is returned. */
import { fail } from '../../../diagnostics/index.ts';
import type { AnyValue } from '../../../ir/index.ts';
import { STATE_HINT, type StateOption } from '../../kit/state_option.ts';
import { describe, GraphTensor, isTensor } from '../values.ts';
import type { GraphSink } from './graph_sink.ts';
import type { Kept } from './left_behind.ts';
import type { State } from './state.ts';
import type { TensorOperators } from './tensor_operators.ts';

/** Thrown when the import finds state: the model is imported anew with the state found so far. */
export class StateFound extends Error {
  override readonly name = 'StateFound';
}

export class HeldState {
  readonly #option: StateOption;
  /** The state by the name of the input. */
  readonly #held = new Map<string, Kept>();

  constructor(option: StateOption) {
    this.#option = option;
  }

  /** @throws StateFound for state that has no inputs yet, UnskewError U2008 where state is refused */
  find(kept: readonly Kept[], state: State): void {
    for (const item of kept) {
      if (this.#option === 'refuse')
        fail('U2008', `${item.what}: the next call would read another value`, item.where, STATE_HINT);
      if (item.tensor.type.isQuantized)
        fail('U2008', `${item.what}: state that is quantized is not supported`, item.where);
      const name = state.pathOf(item.tensor) ?? 'state';
      let free = name;
      for (let n = 1; this.#held.has(free); n++) free = `${name}.${n}`;
      this.#held.set(free, item);
    }
    if (kept.length > 0) throw new StateFound();
  }

  /** Inputs in the place of stored tensors. */
  feed(sink: GraphSink, { memory }: TensorOperators): void {
    for (const [name, { tensor }] of this.#held) {
      const value = sink.input(name, { dtype: tensor.type.dtype, shape: tensor.shape });
      memory.stand(tensor, new GraphTensor(value, tensor.type));
    }
  }

  /** The outputs for state: `h.next` for each input `h`. */
  outputs(state: State, operators: TensorOperators): (readonly [string, AnyValue])[] {
    return [...this.#held].map(([name, { tensor, where }]) => {
      const next = operators.current(state.next(tensor) ?? tensor, where);
      const isSame = isTensor(next) && 'shape' in next && next.type === tensor.type;
      if (!isSame || String(next.shape) !== String(tensor.shape))
        return fail('U2008', `the state '${name}', ${describe(tensor)}, becomes ${describe(next)}`, where);
      return [`${name}.next`, operators.valueOf(next, where)] as const;
    });
  }
}
