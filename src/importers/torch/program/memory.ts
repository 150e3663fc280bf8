/**
 * The memory that tensors of a program share. A name of the program means the current contents of its memory: a node in
 * place writes to the memory of its first operand, and every name that shares it is read anew.
 */

import { fail } from '../../../diagnostics/index.ts';
import { type AnyValue, isComputable, type Loc, type Value, type ValueId, valueId } from '../../../ir/index.ts';
import { ImportEmitter } from '../../kit/import_emitter.ts';
import type { Scope } from '../../kit/scope.ts';
import { Unsupported } from '../../kit/unsupported.ts';
import { Place, Storage } from '../memory/place.ts';
import { type Builder, type Region, whole } from '../memory/region.ts';
import type { Strides } from '../memory/strides.ts';
import { isViewName, viewsOf } from '../memory/views.ts';
import { canHold } from '../operators/category.ts';
import { isTensor, type TorchValue } from '../values.ts';
import { type Argument, type ExportedProgram, type ExportNode, tensorNames } from './schema.ts';

/** The questions of the memory to the importer. */
export interface Names {
  value(name: string, loc: Loc): AnyValue;
  strides(name: string): Strides;
  argument(argument: Argument, loc: Loc): TorchValue;
}

/** A node that writes: the name of its target, and the node that computes the written value. */
interface Writer {
  readonly target: string;
  readonly twin: ExportNode;
}

/** Overloads in place that have other names than the overloads they are derived from. */
const overloads: Readonly<Record<string, string>> = {
  'aten.pow.Scalar': 'aten.pow.Tensor_Scalar',
  'aten.pow.Tensor': 'aten.pow.Tensor_Tensor',
  'aten.floor_divide.Tensor': 'aten.floor_divide.default',
  'aten.transpose.default': 'aten.transpose.int',
};

const outOf = ({ target, inputs }: ExportNode): string | undefined => {
  const out = /\.\w*out$/.test(target) ? inputs.find(({ name }) => name === 'out')?.argument : undefined;
  return out?.kind === 'tensor' ? out.names[0] : undefined;
};

const inPlace = /^(\w+)\.(\w*[^_])_\.(\w+)$/;

/** Nodes that end in `_` and change nothing that a graph has are not among them. */
export const writes = (node: ExportNode): boolean =>
  node.target !== 'aten.requires_grad_.default' && (inPlace.test(node.target) || outOf(node) !== undefined);

/** `op_(x, …)` is `op(x, …)` written to x, `op(…, out=y)` is `op(…)` written to y. */
function writerOf(node: ExportNode): Writer | undefined {
  const { target: name, inputs } = node;
  const out = outOf(node);
  if (out !== undefined)
    return { target: out, twin: { ...node, inputs: inputs.filter((input) => input.name !== 'out') } };
  const [target] = operandsOf(node);
  const twin = name.replace(inPlace, '$1.$2.$3');
  return target === undefined ? undefined : { target, twin: { ...node, target: overloads[twin] ?? twin } };
}

const HINT = 'write it without an operator in place, or call run_decompositions() on the program before it is saved';

export class ProgramMemory {
  /** True when some node writes; otherwise all names keep their values. */
  readonly isUsed: boolean;
  readonly #scope: Scope;
  readonly #names: Names;
  readonly #places = new Map<string, Place>();
  /** Names of stored tensors and inputs that nodes write to, each with its first writer. */
  readonly written = new Map<string, string>();
  readonly #given: ReadonlySet<string>;

  constructor(program: ExportedProgram, scope: Scope, names: Names) {
    this.isUsed = program.graph.nodes.some(writes);
    this.#scope = scope;
    this.#names = names;
    this.#given = new Set(
      program.inputs.flatMap((spec) =>
        spec.kind === 'stored' ? [spec.name] : spec.kind === 'user' ? tensorNames([spec.argument]) : [],
      ),
    );
  }

  /** The current value of a name; undefined when it never changed. */
  current(name: string, loc: Loc): AnyValue | undefined {
    const place = this.#places.get(name);
    if (!place?.isStale) return place?.value;
    const emitter = new ImportEmitter(this.#scope, loc);
    const value = place.read(builderOf(emitter, loc));
    return this.#settled(name, value);
  }

  /** Takes the journal over; a value that it computes gets a name like the given one. */
  #settled(name: string, ...values: readonly AnyValue[]): AnyValue {
    const results = new Map<ValueId, ValueId>();
    for (const { id } of values)
      if (this.#scope.inJournal(id) && !results.has(id))
        results.set(id, valueId(this.#scope.nameLike(name, [...results.values()])));
    this.#scope.commit(results);
    const named = <V extends AnyValue>(value: V): V => ({
      ...value,
      id: results.get(value.id) ?? value.id,
    });
    this.rename(named);
    return named(values[0]);
  }

  // ---- places

  #placeOf(name: string, loc: Loc): Place {
    const known = this.#places.get(name);
    if (known) return known;
    const value = this.#names.value(name, loc);
    const place = new Place(
      new Storage(value, this.#given.has(name) ? name : undefined),
      this.#regionOf(name, value),
      value,
    );
    this.#places.set(name, place);
    return place;
  }

  #regionOf(name: string, value: AnyValue): Region {
    return this.#places.get(name)?.region ?? whole(value.type.shape, this.#names.strides(name));
  }

  /** Records the memory that the results of a node share with its operands. */
  place(node: ExportNode, names: readonly string[], loc: Loc): void {
    if (!this.isUsed) return;
    const aten = /^aten\.(\w+)\./.exec(node.target)?.[1];
    const [self] = operandsOf(node);
    if (self === undefined || aten === undefined) return;
    const isOpaque = [...operandsOf(node), ...names].some((name) => !isComputable(this.#names.value(name, loc)));
    if (isOpaque || !isViewName(`aten::${aten}`)) {
      if (isOpaque) this.#mayShare(node, names, loc);
      return;
    }
    const value = this.#names.value(self, loc);
    const answer = this.#views(
      node,
      `aten::${aten}`,
      { region: this.#regionOf(self, value), type: value.type.dtype },
      names,
      loc,
    );
    if (answer === 'new') return;
    const source = this.#placeOf(self, loc);
    names.forEach((name, i) => {
      const region = answer === 'self' ? source.region : answer === 'unsure' ? undefined : answer[i];
      if (answer === 'self') this.#places.set(name, source);
      else if (region) this.#places.set(name, source.view(region, this.#names.value(name, loc)));
      else this.#placeOf(name, loc).storage.mayBe(source.storage);
    });
  }

  #views(
    node: ExportNode,
    name: string,
    operand: { region: Region; type: string },
    names: readonly string[],
    loc: Loc,
  ) {
    const args = new Map(node.inputs.map(({ name: key, argument }) => [key, this.#names.argument(argument, loc)]));
    // some operators call their first tensor otherwise
    const [first] = node.inputs;
    const self = args.get(first.name) ?? null;
    if (isTensor(self)) args.delete(first.name);
    const results = names.map((result) => {
      const { shape, dtype } = this.#names.value(result, loc).type;
      return { shape, type: dtype };
    });
    return viewsOf(name, operand, isTensor(self) ? [self] : [], args, results);
  }

  #mayShare(node: ExportNode, names: readonly string[], loc: Loc): void {
    for (const name of names)
      for (const operand of operandsOf(node)) {
        const [a, b] = [this.#placeOf(name, loc).storage, this.#placeOf(operand, loc).storage];
        if (a !== b) a.mayBe(b);
      }
  }

  // ---- writing

  /**
   * Imports a node that writes. `compute` emits the results of its twin into the journal; returns the value of the
   * target.
   *
   * @throws UnskewError U2008 when the write cannot be expressed
   */
  write(
    node: ExportNode,
    result: string | undefined,
    loc: Loc,
    compute: (twin: ExportNode) => readonly [ImportEmitter, Value],
  ): AnyValue {
    const refuse = (why: string): never =>
      fail(
        'U2008',
        `the operator ${node.target} writes in place, and ${why}${node.source ? ` (${node.source})` : ''}`,
        loc,
        HINT,
      );
    const writer = writerOf(node);
    if (writer === undefined) return refuse('it has no operand');
    const { target: self, twin } = writer;
    const before = this.#names.value(self, loc);
    if (!isComputable(before)) return refuse('its operand is not understood');
    const { dtype, shape } = before.type;
    const place = this.#placeOf(self, loc);
    for (const other of operandsOf(twin)) {
      const read = this.#places.get(other);
      if (read && read !== place && place.isDisturbedBy(read)) refuse('it reads memory that it writes to');
    }
    try {
      const [emitter, part] = compute(twin);
      const aten = twin.target.replace(/^(\w+)\.(\w+)\.\w+$/, '$1::$2');
      if (isViewName(aten)) return this.#turn(twin, aten, place, part, self, loc, refuse);
      if (String(part.type.shape) !== String(shape)) refuse(`its result is [${part.type.shape.join(', ')}]`);
      if (!canHold(dtype, part.type.dtype)) refuse(`${dtype} cannot hold its ${part.type.dtype}`);
      const isUniform = /^aten::(fill|zero)$/.test(aten);
      this.#noteWrite(place, node);
      place.write(builderOf(emitter, loc), emitter.cast(part, dtype), node.target, isUniform);
      const { contents } = place.storage;
      return this.#settled(result ?? self, place.read(builderOf(emitter, loc)), contents);
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error;
      return refuse(error.message);
    }
  }

  /** `unsqueeze_` and its kin: the tensor becomes another view of its memory. */
  #turn(
    twin: ExportNode,
    name: string,
    place: Place,
    part: Value,
    self: string,
    loc: Loc,
    refuse: (why: string) => never,
  ): AnyValue {
    const operand = { region: place.region, type: part.type.dtype };
    const args = new Map(
      twin.inputs.slice(1).map(({ name: key, argument }) => [key, this.#names.argument(argument, loc)]),
    );
    const first = this.#names.argument(twin.inputs[0].argument, loc);
    const answer = viewsOf(name, operand, [first], args, [{ shape: part.type.shape, type: part.type.dtype }]);
    if (answer === 'self') return this.#settled(self, part);
    if (typeof answer === 'string' || answer[0] === undefined) return refuse('its result is not a view that is known');
    place.become(answer[0], part);
    return this.#settled(self, part);
  }

  #noteWrite({ storage: { origin } }: Place, { target, source }: ExportNode): void {
    if (typeof origin === 'string' && !this.written.has(origin))
      this.written.set(origin, source ? `${target} (${source})` : target);
  }

  /** A value of the graph got another name. */
  rename(named: <V extends AnyValue>(value: V) => V): void {
    for (const place of new Set(this.#places.values())) place.rename(named);
  }

  /** The results of a node in place are the tensor that it writes to. */
  alias(node: ExportNode, names: readonly string[]): readonly string[] {
    const target = writerOf(node)?.target;
    const place = target === undefined ? undefined : this.#places.get(target);
    if (target === undefined || !place) return names;
    for (const name of names) this.#places.set(name, place);
    return [target, ...names];
  }
}

const operandsOf = ({ inputs }: ExportNode): readonly string[] => tensorNames(inputs.map(({ argument }) => argument));

const builderOf = (emitter: ImportEmitter, loc: Loc): Builder => ({
  emit: emitter.emit.bind(emitter),
  constant: (value, name) => emitter.constant(value, name),
  refuse: (message) => fail('U2008', message, loc, HINT),
});
