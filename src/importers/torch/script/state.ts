/**
 * The state of a model between calls: attributes that the code assigns, lists and dicts of the archive. A graph has no
 * state: an attribute becomes a variable of the call, and a call that reads an attribute's old value before it assigns
 * a new one is refused.
 */
import { fail, type Location } from '../../../diagnostics/index.ts';
import { TorchTensor } from '../../../formats/torch/index.ts';
import { STATE_HINT } from '../../kit/state_option.ts';
import { describe, type TorchValue } from '../values.ts';
import type { ModuleObject } from './objects.ts';

/** A stored tensor that was read, and whose attribute was then given another value. */
export interface Replaced {
  readonly object: ModuleObject;
  readonly name: string;
  readonly tensor: TorchTensor;
  readonly what: string;
  readonly where: Location;
}

type Attributes = Map<ModuleObject, Map<string, TorchValue>>;

export class State {
  readonly #assigned: Attributes = new Map();
  readonly #read: Attributes = new Map();
  readonly #kept = new WeakSet<object>();
  readonly #paths = new Map<TorchTensor, string>();
  /** Replaced tensors: only the graph tells which of their old values matter. */
  readonly replaced: Replaced[] = [];

  /** The value that this call gave to an attribute. */
  assigned(object: ModuleObject, name: string): TorchValue | undefined {
    return this.#assigned.get(object)?.get(name);
  }

  /** Notes that a call reads a value of the last call, or of the archive. */
  read(object: ModuleObject, name: string, value: TorchValue): void {
    put(this.#read, object, name, value);
    if (value instanceof TorchTensor && !this.#paths.has(value)) this.#paths.set(value, pathOf(object, name));
    this.keep(value);
  }

  assign(object: ModuleObject, name: string, value: TorchValue, where: Location): void {
    const old = this.#read.get(object)?.get(name);
    const what = `the attribute '${pathOf(object, name)}'`;
    if (old instanceof TorchTensor) this.replaced.push({ object, name, tensor: old, what, where });
    else if (old !== undefined)
      fail(
        'U2008',
        `${what}, ${describe(old)}, is read and then assigned: the next call would read another value`,
        where,
        STATE_HINT,
      );
    put(this.#assigned, object, name, value);
  }

  /** The attribute that a stored tensor was read from. */
  pathOf(tensor: TorchTensor): string | undefined {
    return this.#paths.get(tensor);
  }

  /** The final value of the attribute that held a stored tensor, when it was assigned another one. */
  next(tensor: TorchTensor): TorchValue | undefined {
    const found = this.replaced.find((item) => item.tensor === tensor);
    return found && this.assigned(found.object, found.name);
  }

  /** Lists, dicts and tensors of the archive. */
  keep(value: TorchValue): void {
    if (value instanceof TorchTensor) this.#kept.add(value);
    if ((!Array.isArray(value) && !(value instanceof Map)) || this.#kept.has(value)) return;
    this.#kept.add(value);
    for (const item of value.values()) this.keep(item);
  }

  isKept(value: TorchValue): boolean {
    return typeof value === 'object' && value !== null && this.#kept.has(value);
  }

  /** Refuses a change to a list or dict of the archive. */
  change(container: TorchValue, where: Location): void {
    if (this.isKept(container))
      fail(
        'U2008',
        `${describe(container)} that the model holds is changed: the next call would find it so`,
        where,
        STATE_HINT,
      );
  }
}

const pathOf = ({ path }: ModuleObject, name: string): string => (path ? `${path}.${name}` : name);

function put(attributes: Attributes, object: ModuleObject, name: string, value: TorchValue): void {
  const known = attributes.get(object);
  if (known) known.set(name, value);
  else attributes.set(object, new Map([[name, value]]));
}
