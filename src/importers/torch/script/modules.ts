/** The tree of modules: pickled objects, brought to life when they are reached. */
import { fail, type Location } from '../../../diagnostics/index.ts';
import { PickleObject } from '../../../formats/torch/index.ts';
import type { PackedWeights, TorchValue } from '../values.ts';
import type { Expression } from './ast.ts';
import type { CodeBase } from './code.ts';
import { FunctionObject, ModuleObject } from './objects.ts';
import { isPackedClass, packedOf } from './packed.ts';

/** `stride : Final[int] = 2`: to be evaluated in the file of its class. */
export class ClassConstant {
  readonly value: Expression;
  readonly file: string;

  constructor(value: Expression, file: string) {
    this.value = value;
    this.file = file;
  }
}

/** Runs a method; the modules cannot. */
export type RunMethod = (method: FunctionObject, args: readonly TorchValue[], where: Location) => void;

/** Modules outlive an attempt at the import: `__setstate__` runs once. */
export class Modules {
  readonly #code: CodeBase;
  readonly #known = new Map<PickleObject, ModuleObject | PackedWeights>();
  readonly #open = new Set<PickleObject>();
  #run: RunMethod | undefined;

  constructor(code: CodeBase) {
    this.#code = code;
  }

  /** Who runs `__setstate__` from now on. */
  runBy(run: RunMethod): void {
    this.#run = run;
    this.#open.clear();
  }

  /** The module of a pickled object. */
  instance(object: PickleObject, where: Location): ModuleObject | PackedWeights {
    const known = this.#known.get(object);
    if (known) return known;
    if (this.#open.has(object)) fail('U1004', `the object of the class ${object.className} contains itself`, where);
    this.#open.add(object);
    const made = isPackedClass(object.className) ? packedOf(object, where) : this.#module(object, where);
    this.#open.delete(object);
    this.#known.set(object, made);
    return made;
  }

  #module(object: PickleObject, where: Location): ModuleObject {
    const module = new ModuleObject(object.className);
    const found = this.#code.classOf(object.className);
    const setState = found?.code.methods.get('__setstate__');
    if (found && setState) {
      this.#run?.(new FunctionObject(setState, found.path, module), [object.state], where);
      return module;
    }
    if (object.state === null) return module;
    if (!(object.state instanceof Map)) return fail('U1004', `the state of ${object.className} is not a dict`, where);
    for (const [name, value] of object.state) module.attributes.set(String(name), value);
    return module;
  }

  /** A stored attribute, a method, or a constant of the class. */
  attribute(object: ModuleObject, name: string, where: () => Location): TorchValue | ClassConstant | undefined {
    const stored = object.attributes.get(name);
    if (stored !== undefined) {
      const value = stored instanceof PickleObject ? this.instance(stored, where()) : stored;
      if (value instanceof ModuleObject && value.path === undefined)
        value.path = object.path ? `${object.path}.${name}` : name;
      return value;
    }
    const found = this.#code.classOf(object.className);
    const method = found?.code.methods.get(name);
    if (found && method) return new FunctionObject(method, found.path, object);
    const constant = found?.code.constants.get(name);
    return found && constant && new ClassConstant(constant, found.path);
  }
}
