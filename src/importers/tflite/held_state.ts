/** State of a model: a variable, which one run leaves for the next, is fed, and its new value is returned. */
import { assert, fail, type Location } from '../../diagnostics/index.ts';
import type { TfliteTensor } from '../../formats/tflite/index.ts';
import { type AnyValue, type HeldTensor, nnIdentity, type ValueId, valueId } from '../../ir/index.ts';
import type { Scope } from '../kit/scope.ts';
import { STATE_HINT, type StateOption } from '../kit/state_option.ts';
import { dtypeOfTensor } from './element_types.ts';
import { Placed } from './layouts.ts';
import type { OperatorContext } from './operator_context.ts';

export class HeldState {
  readonly #option: StateOption;
  readonly #scope: Scope;
  /** By the place of the variable in the list of tensors. */
  readonly #held = new Map<number, HeldTensor>();
  readonly #latest = new Map<number, Placed>();
  readonly #changed = new Set<number>();

  constructor(option: StateOption = 'refuse', scope: Scope) {
    this.#option = option;
    this.#scope = scope;
  }

  get all(): readonly HeldTensor[] {
    return [...this.#held.values()];
  }

  /**
   * The value of a variable that an operator reads; an input when it is the first one to read it. Undefined: a tensor of another kind.
   *
   * @throws UnskewError U2008 where state is refused
   */
  read(place: number, name: string, tensor: TfliteTensor, loc: Location): Placed | undefined {
    if (!tensor.isVariable) return undefined;
    const latest = this.#latest.get(place);
    if (latest) return latest;
    if (this.#option === 'refuse')
      fail('U2008', `'${name}' is state that one run leaves for the next`, loc, STATE_HINT);
    const { type, shape, quantization } = tensor;
    const dtype = dtypeOfTensor(type) ?? fail('U2008', `state of the element type ${type} is not supported`, loc);
    const value = this.#scope.define(name, { type: { dtype, shape } }, loc);
    this.#scope.inputs.push(value.id);
    const start = quantization?.zeroPoint[0] ?? 0;
    this.#held.set(place, { input: name, output: this.#scope.free(`${name}.next`), start });
    return this.#hold(place, value);
  }

  /** The places of a list that hold variables, each once. */
  among(places: readonly number[]): readonly number[] {
    return [...new Set(places)].filter((place) => this.#held.has(place));
  }

  /** The name of the new value that an operator gives a variable. */
  nameOfNext(place: number, loc: Location): string {
    const { input, output } = this.#stateAt(place);
    if (this.#changed.has(place)) fail('U2008', 'two operators change this state', { ...loc, input });
    this.#changed.add(place);
    return output;
  }

  /** Takes the new value over, which is in the graph under that name. */
  change(place: number, { type }: AnyValue): void {
    this.#hold(place, { id: valueId(this.#stateAt(place).output), type });
  }

  /** The outputs, in the order of the inputs; `context` emits a copy of a variable that nothing changes. */
  outputs(context: (input: string) => OperatorContext): readonly ValueId[] {
    return [...this.#held].map(([place, { input, output }]) => {
      if (!this.#changed.has(place)) {
        const ctx = context(input);
        const copy = ctx.emit(nnIdentity, { x: ctx.in('last', this.#latestAt(place)) });
        this.#scope.commit(new Map([[copy.id, output]]));
      }
      return valueId(output);
    });
  }

  #hold(place: number, value: AnyValue): Placed {
    const placed = new Placed(this.#stateAt(place).input, 'last', value);
    this.#latest.set(place, placed);
    return placed;
  }

  #stateAt(place: number): HeldTensor {
    const state = this.#held.get(place);
    assert(state, `the tensor ${place} is not a variable that was read`);
    return state;
  }

  #latestAt(place: number): Placed {
    const placed = this.#latest.get(place);
    assert(placed, `the tensor ${place} is not a variable that was read`);
    return placed;
  }
}
