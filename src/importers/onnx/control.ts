/**
 * If and Loop: operators that hold their bodies as graphs. The branch of a constant condition stands in the place of its If. An
 * operator with a body that is not understood throughout is carried as a whole.
 */
import type { OnnxGraph, OnnxNode } from '../../formats/onnx/index.ts';
import {
  type AnyOp,
  type AnyValue,
  constantOf,
  controlIf,
  controlLoop,
  controlRefuse,
  type Dim,
  formatType,
  type Graph,
  GraphBuilder,
  isComputable,
  isOp,
  nodesOf,
  opaqueOp,
  sameShape,
  symbolsIn,
  type TensorType,
  tensor,
  topologicalOrder,
  typeOf,
  type Value,
  type ValueId,
} from '../../ir/index.ts';
import type { ImportEmitter } from '../kit/import_emitter.ts';
import { Unsupported } from '../kit/unsupported.ts';
import { safeInteger } from './attributes.ts';
import type { OnnxBody, UnreadBody } from './origin.ts';

/** The importer around the node. */
export interface ControlSite {
  readonly emitter: ImportEmitter;
  value(name: string): AnyValue;
  openSymbol(): string;
  /** @param own types of the inputs of the body */
  read(body: OnnxGraph, own: readonly TensorType[]): OnnxBody | UnreadBody;
  /** True where the node stands in a body itself. */
  readonly isBody: boolean;
  /** The names that a node with these bodies reads around it. */
  captured(bodies: readonly OnnxBody[]): readonly string[];
  isQuantized(body: OnnxGraph): boolean;
}

interface Imported {
  readonly results: readonly Value[];
  /** Those that stay graphs of their own. */
  readonly bodies: readonly OnnxBody[];
}

export const isControl = ({ domain, opType }: OnnxNode): boolean =>
  domain === '' && (opType === 'If' || opType === 'Loop');

/** @throws Unsupported for a node that is carried */
export function importControl(node: OnnxNode, operands: readonly (Value | undefined)[], site: ControlSite): Imported {
  return node.opType === 'If' ? importIf(node, operands, site) : importLoop(node, operands, site);
}

function importIf(node: OnnxNode, [cond]: readonly (Value | undefined)[], site: ControlSite): Imported {
  const { emitter } = site;
  if (cond?.type.dtype !== 'bool' || cond.type.shape.some((dim) => dim !== 1))
    throw new Unsupported('a condition that is not one truth value');
  const branches = [bodyOf(node, 'then_branch'), bodyOf(node, 'else_branch')] as const;
  const known = emitter.constantOf(cond)?.data[0];
  const chosen = known === undefined ? undefined : branches[known ? 0 : 1];
  if (chosen && !site.isQuantized(chosen)) {
    const read = site.read(chosen, []);
    // the branch around it does not fit either
    if ('error' in read && read.error && site.isBody) throw read.error;
    return { results: inlined(understood(read).graph, site), bodies: [] };
  }
  const all = branches.map((branch) => site.read(branch, []));
  const bodies = all.filter((body) => 'graph' in body).map(understood);
  const faults = all.filter((body) => !('graph' in body) && isOfSizes(body) && !site.isQuantized(body.body));
  if (bodies.length === 0 || bodies.length + faults.length < 2) all.forEach(understood);
  const graphs = all.map((body) => ('graph' in body ? body.graph : refusing(body, bodies[0].graph)));
  const [yes, no] = graphs.map(outputsOf);
  if (yes.length !== no.length) throw new Unsupported('branches with different numbers of outputs');
  const captures = site.captured(bodies);
  const around = symbolsOf(captures.map((name) => site.value(name).type));
  const results = yes.map((type, i) => {
    const other = no[i];
    if (type.dtype !== other.dtype || type.shape.length !== other.shape.length)
      throw new Unsupported(`branches that give ${formatType(type)} and ${formatType(other)}`, {
        dependsOnSizes: type.dtype === other.dtype,
      });
    const shape = type.shape.map((dim, axis) =>
      dim === other.shape[axis] && isAround(dim, around) ? dim : site.openSymbol(),
    );
    return { dtype: type.dtype, shape };
  });
  const attrs = { thenBranch: graphs[0], elseBranch: graphs[1] };
  return emitted(controlIf, [cond], captures, attrs, results, bodies, site);
}

/** True for a body that does not fit together; at other sizes it may. */
const isOfSizes = ({ error }: UnreadBody): boolean => error?.code === 'U2004' || error?.code === 'U2005';

/** A loop that no count ends: more turns than anybody waits for. */
const ENDLESS = 2n ** 63n - 1n;

function importLoop(node: OnnxNode, [trip, cond, ...initial]: readonly (Value | undefined)[], site: ControlSite) {
  const { emitter } = site;
  if (trip === undefined && cond === undefined) throw new Unsupported('a loop that nothing ends');
  for (const [given, dtype] of [[trip, 's64'] as const, [cond, 'bool'] as const])
    if (given && (given.type.dtype !== dtype || given.type.shape.some((dim) => dim !== 1)))
      throw new Unsupported(`a loop whose count or condition is ${formatType(given.type)}`);
  const carried = initial.map((value) => {
    if (value === undefined) throw new Unsupported('a carried value is absent');
    return value.type;
  });
  const body = bodyOf(node, 'body');
  const own = (types: readonly TensorType[]): readonly TensorType[] => [
    { dtype: 's64', shape: [] },
    { dtype: 'bool', shape: [] },
    ...types,
  ];
  if (body.inputs.length !== carried.length + 2 || body.outputs.length <= carried.length)
    throw new Unsupported(`a body of ${body.inputs.length} inputs and ${body.outputs.length} outputs`);
  // a size that a turn changes is open in the next reading, until none does
  const opened = new Set<Dim>();
  let types: readonly TensorType[] = carried;
  let known = understood(site.read(body, own(types)));
  for (;;) {
    const next = widened(types, outputsOf(known.graph).slice(1), site, opened);
    if (next === undefined) break;
    types = next;
    known = understood(site.read(body, own(types)));
  }
  const captures = site.captured([known]);
  const around = symbolsOf([...carried, ...captures.map((name) => site.value(name).type)]);
  const [going, ...outputs] = outputsOf(known.graph);
  if (going.dtype !== 'bool') throw new Unsupported(`the condition of a turn is ${formatType(going)}`);
  const open = (dim: Dim): Dim => (isAround(dim, around) ? dim : site.openSymbol());
  const turns = turnsOf(known.graph, trip, cond, site) ?? site.openSymbol();
  const results = outputs.map((type, i): TensorType => {
    const shape = (i < carried.length ? types[i].shape : type.shape).map(open);
    return { dtype: type.dtype, shape: i < carried.length ? shape : [turns, ...shape] };
  });
  const operands = [
    trip ?? emitter.constant(tensor('s64', [ENDLESS], [])),
    cond ?? emitter.constant(tensor('bool', [1], [])),
    ...(initial as readonly Value[]),
  ];
  return emitted(controlLoop, operands, captures, { body: known.graph }, results, [known], site);
}

/** The types of carried values with sizes open that a turn changes; undefined where it changes none. */
function widened(
  types: readonly TensorType[],
  outputs: readonly TensorType[],
  { openSymbol }: ControlSite,
  opened: Set<Dim>,
): readonly TensorType[] | undefined {
  let isChanged = false;
  const next = types.map((type, i): TensorType => {
    const { dtype, shape } = outputs[i];
    if (dtype !== type.dtype || shape.length !== type.shape.length)
      throw new Unsupported(`a turn makes ${formatType(outputs[i])} of ${formatType(type)}`);
    if (sameShape(shape, type.shape)) return type;
    const wide = type.shape.map((dim, axis) => {
      // what this loop opened may be another size in the next turn; an open size of the graph around it may not
      if (dim === shape[axis] || opened.has(dim)) return dim;
      isChanged = true;
      const open = openSymbol();
      opened.add(open);
      return open;
    });
    return { dtype, shape: wide };
  });
  return isChanged ? next : undefined;
}

/** The number of turns where it is known before. */
function turnsOf(
  body: Graph,
  trip: Value | undefined,
  cond: Value | undefined,
  { emitter }: ControlSite,
): number | undefined {
  const count = trip && emitter.constantOf(trip)?.data[0];
  const starts = cond === undefined || emitter.constantOf(cond)?.data[0];
  if (count === undefined || !starts) return undefined;
  const [goes] = body.outputs;
  const producer = nodesOf(body).find(({ results }) => results[0] === goes);
  const source = producer?.op === 'nn.identity' ? producer.operands[0] : goes;
  const isKept = source === body.inputs[1] || constantOf(body, source)?.data[0];
  return isKept ? Math.max(0, safeInteger(count as bigint)) : undefined;
}

function emitted(
  op: AnyOp,
  own: readonly Value[],
  captures: readonly string[],
  attrs: Readonly<Record<string, Graph>>,
  results: readonly TensorType[],
  bodies: readonly OnnxBody[],
  { emitter, value }: ControlSite,
): Imported {
  const operands = [...own, ...captures.map(value)] as readonly Value[];
  const types = results.map(formatType);
  return { results: emitter.emitList(op, operands, { ...attrs, captures, results: types }), bodies };
}

/** A body that was read, and whose operators are all understood. @throws Unsupported */
function understood(known: OnnxBody | UnreadBody): OnnxBody {
  if (!('graph' in known)) throw new Unsupported(known.reason);
  const { graph } = known;
  const node = nodesOf(graph).find((inner) => isOp(inner, opaqueOp));
  if (node !== undefined) {
    const { unsupported = [] } = graph.origin ?? {};
    const reason = unsupported.find(({ value }) => value === node.id)?.reason;
    const which = `${node.attrs.operator}, '${node.loc.node ?? node.id}'`;
    throw new Unsupported(`its body holds ${which}${reason === undefined ? '' : `: ${reason}`}`, {
      dependsOnSizes: unsupported.some(({ dependsOnSizes }) => dependsOnSizes),
    });
  }
  for (const id of graph.outputs)
    if (typeOf(graph, id).dtype === 'opaque') throw new Unsupported(`the type of '${id}' in its body is not known`);
  return known;
}

const outputsOf = (graph: Graph): readonly TensorType[] => graph.outputs.map((id) => typeOf(graph, id));

function bodyOf({ attributes }: OnnxNode, name: string): OnnxGraph {
  const attribute = attributes.get(name);
  if (attribute?.kind !== 'graph') throw new Unsupported(`the attribute '${name}' is not a graph`);
  return attribute.value;
}

const symbolsOf = (types: readonly TensorType[]): ReadonlySet<string> =>
  new Set(types.flatMap(({ shape }) => shape.flatMap((dim) => [String(dim), ...symbolsIn(dim)])));

const isAround = (dim: Dim, around: ReadonlySet<string>): boolean =>
  around.has(String(dim)) || symbolsIn(dim).every((symbol) => around.has(symbol));

/** A branch that does not fit the sizes, with the outputs of the other one. It is an error to take it, and none to have it. */
function refusing({ reason: unread, error }: UnreadBody, other: Graph): Graph {
  const builder = new GraphBuilder('refused');
  const [fault] = error?.diagnostics ?? [];
  builder.loc = fault?.location ?? {};
  const reason = `a branch is taken that does not fit the sizes of the model: ${fault?.message ?? unread}`;
  const results = outputsOf(other).map(formatType);
  return builder.finish(builder.emitList(controlRefuse, [], { reason, results }));
}

/** The nodes of a body in the place of its operator. */
function inlined(graph: Graph, { emitter, value }: ControlSite): readonly Value[] {
  const values = new Map<ValueId, Value>();
  const valueAt = (id: ValueId): Value => {
    const known = values.get(id);
    if (known) return known;
    const { type, constant } = graph.values[id];
    const made =
      constant === undefined
        ? value(id)
        : emitter.lazy(type as Value['type'], () => graph.pool.get(constant) as never, id);
    if (!isComputable(made)) throw new Unsupported(`'${id}' is of a type that is not understood`);
    values.set(id, made);
    return made;
  };
  for (const node of topologicalOrder(graph).order) {
    const operands = node.operands.map((id) => id && valueAt(id));
    const results = emitter.emitOf(node, operands);
    for (const [i, id] of node.results.entries()) values.set(id, results[i]);
  }
  return graph.outputs.map(valueAt);
}
