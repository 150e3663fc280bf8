/**
 * Builds graphs: typed by the declarations of the operators, so that a wrong element type, a missing operand or an
 * unknown attribute is a compile error, and checked by the same declarations at run time.
 */
import { type Code, fail, type Location } from '../diagnostics/index.ts';
import { type DType, type ITensor, scalar } from '../tensors/index.ts';
import { ConstantPool } from './constant_pool.ts';
import type {
  AnyValue,
  AttrArguments,
  AttrSpecs,
  AttrValue,
  Fault,
  OpDeclaration,
  OperandSpecs,
  OperandValues,
  Refuse,
  ResultSpecs,
  ResultValues,
  Value,
} from './define_op.ts';
import { canonicalDim } from './dims.ts';
import type { Graph, Node, Origin, ValueInfo } from './graph.ts';
import { checkSizes } from './limits.ts';
import type { AnyOp, OpName } from './op_table.ts';
import type { opaqueOp } from './ops/opaque.op.ts';
import { formatType, type Loc, type Shape, type TensorType, type ValueId, valueId } from './types.ts';

export interface EmitOptions {
  readonly loc?: Loc;
  /** Names for the results, in declared order; fresh names are made from the operator's otherwise. */
  readonly names?: readonly string[];
}

/** Operands and attributes by name, whatever the operator. */
export type GivenOperands = Readonly<Record<string, Value | readonly Value[] | undefined>>;
export type GivenAttrs = Readonly<Record<string, AttrValue | undefined>>;

type EmitListArguments<V extends AnyValue> = [
  operands: readonly (V | null)[],
  attrs: GivenAttrs,
  options?: EmitOptions,
];

/** Adds nodes and values to something: a graph under construction, or the draft of a rewrite. */
export interface Sink {
  readonly pool: ConstantPool;
  has(id: ValueId): boolean;
  addValue(id: ValueId, info: ValueInfo): void;
  addNode(node: Node): void;
}

/** Emits operators into a sink. `GraphBuilder` and rewrites share it. */
export class Emitter {
  readonly #sink: Sink;
  readonly #fresh = new Map<string, number>();
  /** The location of the next emitted nodes, unless a call gives another one. */
  loc: Loc = {};

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** Emits one operator and returns its result, or its results by name when there are several. */
  emit<
    O extends OperandSpecs,
    A extends AttrSpecs,
    R extends ResultSpecs,
    const V extends OperandValues<O>,
    const T extends AttrArguments<A>,
  >(
    op: OpDeclaration<O, A, R, OpName>,
    operands: V & OperandValues<O> & GivenOperands & Readonly<Record<Exclude<keyof V, keyof O>, never>>,
    ...[attrs, options]: Record<never, never> extends AttrArguments<A>
      ? [
          attrs?: T & AttrArguments<A> & GivenAttrs & Readonly<Record<Exclude<keyof T, keyof A>, never>>,
          options?: EmitOptions,
        ]
      : [
          attrs: T & AttrArguments<A> & GivenAttrs & Readonly<Record<Exclude<keyof T, keyof A>, never>>,
          options?: EmitOptions,
        ]
  ): ResultValues<R, O, V, T> {
    const list = operandList(op, operands);
    const results = this.emitList(op, list, attrs ?? {}, options);
    const names = Object.keys(op.results);
    return (
      names.length === 1 ? results[0] : Object.fromEntries(names.map((name, i) => [name, results[i]]))
    ) as ResultValues<R, O, V, T>;
  }

  /**
   * The same without static types: operands in declared order, variadic ones spread. Only opaque operators give opaque
   * values.
   */
  emitList(op: typeof opaqueOp, ...rest: EmitListArguments<AnyValue>): readonly AnyValue[];
  emitList(op: AnyOp, ...rest: EmitListArguments<Value>): readonly Value[];
  emitList(op: AnyOp, ...rest: EmitListArguments<AnyValue>): readonly AnyValue[];
  emitList(op: AnyOp, ...[operands, attrs, options = {}]: EmitListArguments<AnyValue>): readonly AnyValue[] {
    const loc = options.loc ?? this.loc;
    const complete = completeAttrs(op, attrs, loc);
    const types = inferTypes(
      op,
      operands.map((o) => o?.type ?? null),
      complete,
      loc,
    );
    const results = types.map((type, i) =>
      this.#define(options.names?.[i] ?? this.fresh(op.name.replace(/^.*\./, '')), { type }),
    );
    this.#sink.addNode({
      id: results[0].id,
      op: op.name,
      operands: trimmed(operands.map((o) => o?.id ?? null)),
      attrs: complete,
      results: results.map((r) => r.id),
      loc,
    });
    return results;
  }

  constant<D extends DType>(tensor: ITensor<D>, name: string = this.fresh('const')): Value<D> {
    const { dtype, shape } = tensor;
    return this.#define(name, { type: { dtype, shape }, constant: this.#sink.pool.add(tensor) });
  }

  /** A constant that is made when its elements are first read. */
  lazy<D extends DType>(
    { dtype, shape }: TensorType<D>,
    load: () => ITensor<D>,
    name: string = this.fresh('const'),
  ): Value<D> {
    return this.#define(name, { type: { dtype, shape }, constant: this.#sink.pool.add(load) });
  }

  scalar<D extends DType>(dtype: D, value: number, name?: string): Value<D> {
    return this.constant(scalar(dtype, value), name);
  }

  /** An id that nothing has yet: `base`, `base.1`, … */
  fresh(base: string): ValueId {
    for (let n = this.#fresh.get(base) ?? 0; ; n++) {
      const id = valueId(n === 0 ? base : `${base}.${n}`);
      if (this.#sink.has(id)) continue;
      this.#fresh.set(base, n + 1);
      return id;
    }
  }

  #define<D extends DType | 'opaque'>(name: string, info: ValueInfo & { readonly type: TensorType<D> }): Value<D> {
    const id = valueId(name);
    if (this.#sink.has(id)) fail('U2002', `the value %${name} is defined twice`, this.loc);
    this.#sink.addValue(id, info);
    return { id, type: info.type };
  }
}

/** Builds a whole graph. */
export class GraphBuilder extends Emitter {
  readonly #graph: {
    name: string;
    inputs: ValueId[];
    nodes: Record<ValueId, Node>;
    values: Record<ValueId, ValueInfo>;
    pool: ConstantPool;
  };

  constructor(name = 'main', pool = new ConstantPool()) {
    const nodes: Record<ValueId, Node> = Object.create(null);
    const values: Record<ValueId, ValueInfo> = Object.create(null);
    super({
      pool,
      has: (id) => id in values,
      addValue: (id, info) => {
        values[id] = info;
      },
      addNode: (node) => {
        nodes[node.id] = node;
      },
    });
    this.#graph = { name, inputs: [], nodes, values, pool };
  }

  input<D extends DType | 'opaque'>(name: string, dtype: D, shape: Shape): Value<D> {
    const id = valueId(name);
    const { values, inputs } = this.#graph;
    if (id in values) fail('U2002', `the value %${name} is defined twice`, this.loc);
    checkSizes({ dtype, shape }, { ...this.loc, input: name }, 'the input');
    values[id] = { type: { dtype, shape } };
    inputs.push(id);
    return { id, type: { dtype, shape } };
  }

  /** The value of this name, when it exists. */
  lookup(name: string): AnyValue | undefined {
    const id = valueId(name);
    const info = this.#graph.values[id];
    return info && { id, type: info.type };
  }

  /** The graph so far, with these outputs. */
  finish(outputs: readonly AnyValue[], origin?: Origin): Graph {
    return { ...this.#graph, outputs: outputs.map((v) => v.id), ...(origin && { origin }) };
  }
}

/** Operands in declared order, variadic ones spread; null for an absent one between others. */
export function operandList(op: AnyOp, operands: GivenOperands): (Value | null)[] {
  const list = Object.keys(op.operands).flatMap((name): (Value | null)[] => {
    const given = operands[name];
    return given === undefined ? [null] : 'id' in given ? [given] : [...given];
  });
  return trimmed(list);
}

/** Absent optional operands at the end are not stored. */
function trimmed<T>(operands: readonly (T | null)[]): (T | null)[] {
  let length = operands.length;
  while (length > 0 && operands[length - 1] === null) length--;
  return operands.slice(0, length);
}

interface Specs {
  readonly operands: readonly (readonly [string, OperandSpecs[string]])[];
  readonly attrs: readonly (readonly [string, AttrSpecs[string]])[];
}

/** Declarations as lists: nodes are checked more often than operators are declared. */
const listed = new WeakMap<AnyOp, Specs>();

function specsOf(op: AnyOp): Specs {
  const known = listed.get(op);
  if (known) return known;
  const { operands, attrs }: { operands: OperandSpecs; attrs: AttrSpecs } = op;
  const specs = { operands: Object.entries(operands), attrs: Object.entries(attrs) };
  listed.set(op, specs);
  return specs;
}

/** The attributes with defaults filled in, each checked against its kind. */
export function completeAttrs(op: AnyOp, attrs: GivenAttrs, loc: Location): Record<string, AttrValue> {
  const complete: Record<string, AttrValue> = {};
  for (const [name, spec] of specsOf(op).attrs) {
    const value = attrs[name] ?? spec.default;
    if (value === undefined) fail('U2004', `${op.name} needs the attribute '${name}'`, loc);
    if (!fits(spec.kind, value) || (spec.values && !spec.values.some((word) => word === value))) {
      const expected = spec.values ? `one of ${spec.values.join(', ')}` : spec.kind;
      // a word that is not known here may be one of a later version
      const code = spec.values && fits(spec.kind, value) ? 'U2008' : 'U2004';
      fail(code, `${op.name}: attribute '${name}' should be ${expected}, but is ${shown(value)}`, loc);
    }
    complete[name] = spec.kind === 'dims' ? canonical(value as Shape) : value;
  }
  for (const name of Object.keys(attrs)) {
    if (!Object.hasOwn(op.attrs, name))
      fail(
        'U2004',
        `${op.name} has no attribute '${name}'`,
        loc,
        `it has: ${Object.keys(op.attrs).join(', ') || 'none'}`,
      );
  }
  return complete;
}

/** JSON has neither NaN nor infinities. */
const shown = (value: AttrValue): string =>
  typeof value === 'object' && 'nodes' in value
    ? 'a graph'
    : JSON.stringify(value, (_key, item) => (typeof item === 'number' && !Number.isFinite(item) ? String(item) : item));

/** Sizes in their one spelling: types are compared by it. */
const canonical = (shape: Shape): Shape =>
  shape.some((dim) => typeof dim === 'string') ? shape.map(canonicalDim) : shape;

function fits(kind: AttrSpecs[string]['kind'], value: AttrValue): boolean {
  const every = (test: (item: unknown) => boolean) => Array.isArray(value) && value.every(test);
  switch (kind) {
    case 'int':
      return Number.isSafeInteger(value);
    case 'float':
      return typeof value === 'number';
    case 'bool':
      return typeof value === 'boolean';
    case 'string':
      return typeof value === 'string';
    case 'ints':
      return every(Number.isSafeInteger);
    case 'floats':
      return every((item) => typeof item === 'number');
    case 'dims':
      return every((item) => typeof item === 'string' || Number.isSafeInteger(item));
    case 'strings':
    case 'types':
      return every((item) => typeof item === 'string');
    case 'graph':
      return typeof value === 'object' && 'nodes' in value && 'outputs' in value;
  }
}

/** Checks operand count and element types against the declaration and infers the result types. */
export function inferTypes(
  op: AnyOp,
  types: readonly (TensorType | null)[],
  attrs: Readonly<Record<string, AttrValue>>,
  loc: Location,
): readonly TensorType[] {
  const specs = specsOf(op).operands;
  const refuseAs =
    (code: Code): Fault =>
    (message, operand) =>
      fail(code, `${op.name}: ${message}`, { ...loc, ...(operand && { input: operand }) });
  const refuse: Refuse = Object.assign(refuseAs('U2004'), { limit: refuseAs('U2008') });
  const named: Record<string, unknown> = {};
  specs.forEach(([name, spec], i) => {
    const given = spec.presence === 'variadic' ? types.slice(i) : [types[i] ?? null];
    for (const type of given) {
      if (type === null) {
        if (spec.presence === 'required') refuse(`the operand '${name}' is missing`, name);
      } else if (!spec.dtypes.includes(type.dtype)) {
        fail(
          'U2006',
          `${op.name}: '${name}' should be of type ${spec.dtypes.join(' or ')}, but is ${formatType(type)}`,
          { ...loc, input: name },
        );
      }
    }
    if (spec.presence === 'variadic') named[name] = given;
    else if (given[0]) named[name] = given[0];
  });
  if (specs.at(-1)?.[1].presence !== 'variadic' && types.length > specs.length)
    refuse(`takes ${specs.length} operands, ${types.length} are given`);
  const inferred = op.infer(named as Parameters<AnyOp['infer']>[0], attrs, refuse);
  const results: readonly TensorType[] = 'dtype' in inferred ? [inferred] : inferred;
  for (const type of results) checkSizes(type, loc, `the result of ${op.name}`);
  return results;
}
