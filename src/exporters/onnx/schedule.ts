/** Puts kept and new nodes into one topological order. */
import { assert } from '../../diagnostics/index.ts';

export interface Unit<T> {
  readonly item: T;
  readonly reads: readonly string[];
  readonly outputs: readonly string[];
}

/** The units in their order, each after those whose outputs it reads. Linear. */
export function schedule<T>(units: readonly Unit<T>[]): readonly T[] {
  const producers = new Map<string, Unit<T>>();
  for (const unit of units) for (const name of unit.outputs) if (name !== '') producers.set(name, unit);
  const state = new Map<Unit<T>, 'open' | 'done'>();
  const order: T[] = [];
  for (const root of units) {
    const stack = [{ unit: root, next: 0 }];
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      const { unit } = top;
      if (state.get(unit) === 'done') stack.pop();
      else if (top.next === unit.reads.length) {
        state.set(unit, 'done');
        order.push(unit.item);
        stack.pop();
      } else {
        state.set(unit, 'open');
        const producer = producers.get(unit.reads[top.next++]);
        if (producer === undefined || state.get(producer) === 'done') continue;
        assert(state.get(producer) !== 'open', `the exported nodes depend on themselves at ${unit.outputs.join()}`);
        stack.push({ unit: producer, next: 0 });
      }
    }
  }
  return order;
}
