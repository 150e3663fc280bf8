/**
 * ONNX Runtime as a back end: it computes what no other does, operators that nobody here understands among them. A part of the
 * graph becomes an ONNX model of its own. The runtime and the writing of files are somebody else's, and given.
 */
import { fail, UnskewError } from '../../diagnostics/index.ts';
import {
  consumersOf,
  type DType,
  formatType,
  type Graph,
  holdsNothing,
  type ITensor,
  isOp,
  isStoredType,
  leastBytes,
  type Node,
  type NodeId,
  opaqueOp,
  opOf,
  type TensorType,
  typeOf,
  type ValueId,
} from '../../ir/index.ts';
import { bfloat16ToNumber, numberToBfloat16 } from '../../numerics/index.ts';
import type { Backend, NodeTime, Plan, Region, Session } from '../backend.ts';
import { regionOf } from '../partition.ts';
import { endsProcess, refuseEmpty, standsApart } from './ending.ts';

/** ONNX Runtime as a back end needs it. */
export interface OnnxRuntime {
  /** @throws UnskewError U5003 for a model that it does not take */
  open(model: Uint8Array, threads: number): OnnxRuntimeSession;
}

/** The type of a result as ONNX Runtime infers it; without a shape, its rank is unknown. */
export interface FoundType {
  readonly dtype: TensorType['dtype'];
  readonly shape?: TensorType['shape'];
}

export interface OnnxRuntimeSession {
  /** In the order of the model; undefined for a result that is no tensor of numbers. */
  readonly types: readonly (FoundType | undefined)[];
  /** Inputs are copied before it returns, results are memory of their own. A run that fails rejects with UnskewError U5002. */
  run(inputs: readonly ITensor[]): Promise<readonly ITensor[]> | readonly ITensor[];
  /** The same. @throws UnskewError U5002 when a run fails */
  runSync(inputs: readonly ITensor[]): readonly ITensor[];
  /** The time that the last run took in ONNX Runtime itself. */
  readonly microseconds: number;
  /** The runs that wait still end. */
  dispose(): void;
}

/** Writes parts of a graph as ONNX models. */
export interface PartWriter {
  /** Undefined for a node that it writes, else why not. */
  refusal(node: Node, graph: Graph): string | undefined;
  /**
   * Inputs and outputs of bfloat16 are written as float32. @throws UnskewError U2008
   *
   * @param found types that the graph does not know
   * @param isWide true for a carried node that computes floats of 16 bits in binary32; one of bfloat16 always does
   */
  write(
    region: Region,
    found: (id: ValueId) => FoundType | undefined,
    isWide: (node: Node) => boolean,
    version?: 'older',
  ): Uint8Array;
  /** True for nodes that an older operator set has with the same meaning: a runtime may have kernels of that version alone. */
  hasOlder(region: Region): boolean;
}

/**
 * bfloat16 has no array in its interface, and goes through float32 to and from carried operators. Floats of 8 bits, and integers of less
 * than a byte, do not cross.
 */
const crosses = (dtype: DType | 'opaque', node: Node): boolean =>
  dtype === 'bf16' ? isOp(node, opaqueOp) : !isStoredType(dtype);

/**
 * @param host the back end whose operators and capabilities graphs are compiled for
 * @param runtime loaded when the first part is planned
 */
export function onnxruntime(host: Backend, threads: number, runtime: () => OnnxRuntime, writer: PartWriter): Backend {
  const { byteSums: _, timing: __, ...other } = host;
  const opened = new Opened((model) => runtime().open(model, threads));
  // It has operators without a kernel for every type, which the interpreter computes then.
  const answers = new Map<NodeId, string | undefined>();
  const tried = (node: Node, graph: Graph): string | undefined => {
    if (!answers.has(node.id)) answers.set(node.id, openedAlone(node, graph, writer, runtime));
    return answers.get(node.id);
  };
  // operators on tensors of float16 that have kernels for float32 alone
  const isWide = (node: Node): boolean => isOp(node, opaqueOp) && answers.get(node.id) !== undefined;
  return {
    ...other,
    name: 'onnxruntime',
    /** Quantized operators stay with the interpreter: it is their meaning, and other runtimes may differ by one. */
    accepts(node, graph) {
      const { traits, level } = opOf(node);
      if (traits.includes('quantized') || traits.includes('bodies') || level !== undefined)
        return `${node.op} has a meaning of its own here`;
      const border = [...node.operands, ...node.results].filter((id) => id !== null);
      // of a product of no terms it leaves the sums as memory had them
      const isEmpty = isOp(node, opaqueOp)
        ? node.results.every((id) => holdsNothing(graph.values[id].type))
        : border.some((id) => graph.values[id].type.shape.includes(0));
      if (isEmpty) return 'an empty tensor';
      const ending = endsProcess(node, graph);
      if (ending !== undefined) return ending;
      const isWithin = (id: ValueId) =>
        isStoredType(graph.values[id].type.dtype) && graph.values[id].constant !== undefined;
      const foreign = border.find((id) => !crosses(graph.values[id].type.dtype, node) && !isWithin(id));
      if (foreign !== undefined) return `it takes or gives ${graph.values[foreign].type.dtype}`;
      const refusal = writer.refusal(node, graph);
      if (refusal !== undefined || !isOp(node, opaqueOp)) return refusal ?? tried(node, graph);
      const types = border.map((id) => graph.values[id].type.dtype);
      if (types.includes('f16') && !types.includes('opaque')) tried(node, graph);
      return undefined;
    },
    standsApart,
    plan: (region) => planned(region, writer, isWide, opened),
  };
}

/** Undefined where ONNX Runtime takes a model of the node alone. */
function openedAlone(node: Node, graph: Graph, writer: PartWriter, runtime: () => OnnxRuntime): string | undefined {
  try {
    const model = writer.write(
      regionOf(graph, [node], () => true),
      () => undefined,
      () => false,
    );
    runtime().open(model, 1).dispose();
    return undefined;
  } catch (error) {
    if (error instanceof UnskewError) return error.diagnostics[0].message;
    throw error;
  }
}

function planned(region: Region, writer: PartWriter, isWide: (node: Node) => boolean, opened: Opened): Plan {
  const { graph, nodes, inputs, outputs } = region;
  const found = opened.foundIn(graph);
  // Carried operators leave sizes open, so that one session serves all of them.
  const isOpen = nodes.every((node) => isOp(node, opaqueOp));
  const ids = nodes.map(({ id }) => id);
  const key = JSON.stringify(
    isOpen ? [ids] : [ids, [...inputs, ...outputs].map((id) => formatType(typeOf(graph, id)))],
  );
  const make = (version?: 'older') =>
    version && !writer.hasOlder(region) ? undefined : writer.write(region, (id) => found.get(id), isWide, version);
  // later parts ask for the types of its results
  let first: OnnxRuntimeSession | undefined;
  if (outputs.some((id) => typeOf(graph, id).dtype === 'opaque')) {
    first = opened.take(key, make);
    for (const [i, type] of first.types.entries()) if (type) found.set(outputs[i], type);
  }
  const bytes = [...inputs, ...outputs].reduce((sum, id) => sum + leastBytes(typeOf(graph, id)), 0);
  return {
    bytes,
    bytesOfRun: bytes,
    open() {
      const session = first ?? opened.take(key, make);
      first = undefined;
      return sessionOf(region, session, () => opened.give(key));
    },
  };
}

function sessionOf(region: Region, session: OnnxRuntimeSession, give: () => void): Session {
  const { graph, nodes, outputs } = region;
  let disposed = false;
  const within = new Set(nodes);
  // Of an output that no other part reads, a model may declare what it likes: decoders with two branches declare the sizes of one.
  const isCountedOn = outputs.map((id) => (consumersOf(graph).get(id) ?? []).some((node) => !within.has(node)));
  const check = refuseEmpty(region);
  const checked = (results: readonly ITensor[]): readonly ITensor[] =>
    outputs.map((id, i) => {
      const type = typeOf(graph, id);
      const result = type.dtype === 'bf16' ? asBfloat16(results[i]) : results[i];
      if (isCountedOn[i] || result.dtype !== type.dtype) checkResult(id, type, result, nodes);
      return result;
    });
  const handed = (inputs: readonly ITensor[]) => {
    check(inputs);
    return inputs.map((x) => (is(x, 'bf16') ? asFloat32(x) : x));
  };
  return {
    run(inputs) {
      const results = session.run(handed(inputs));
      return results instanceof Promise ? results.then(checked) : checked(results);
    },
    runSync: (inputs) => checked(session.runSync(handed(inputs))),
    profile(inputs) {
      const start = performance.now();
      const results = checked(session.runSync(handed(inputs)));
      const microseconds = (performance.now() - start) * 1000;
      const [{ id, op }] = nodes;
      const more = nodes.length === 1 ? '' : ` and ${nodes.length - 1} more`;
      const border = microseconds - session.microseconds;
      const time: NodeTime = { node: id, op: `${op}${more} (ONNX Runtime)`, microseconds, border };
      return { outputs: results, times: [time] };
    },
    dispose() {
      if (!disposed) give();
      disposed = true;
    },
  };
}

const is = <D extends DType>(x: ITensor, dtype: D): x is ITensor<D> => x.dtype === dtype;

/** Exact: the bits of bfloat16 are the first half of those of binary32. */
const asFloat32 = ({ data, shape }: ITensor<'bf16'>): ITensor => ({
  dtype: 'f32',
  shape,
  data: Float32Array.from(data, bfloat16ToNumber),
});

/** Exact as well: the part ends in a cast to bfloat16. */
const asBfloat16 = (x: ITensor): ITensor =>
  !is(x, 'f32') ? x : { dtype: 'bf16', shape: x.shape, data: Uint16Array.from(x.data, numberToBfloat16) };

/** Other parts count on the sizes that the graph knows. */
function checkResult(id: ValueId, { dtype, shape }: TensorType, result: ITensor, nodes: readonly Node[]): void {
  const isAsKnown =
    dtype === 'opaque' ||
    (result.dtype === dtype &&
      result.shape.length === shape.length &&
      shape.every((dim, axis) => typeof dim !== 'number' || dim === result.shape[axis]));
  if (isAsKnown) return;
  const { loc } = nodes.find(({ results }) => results.includes(id)) ?? nodes[0];
  fail(
    'U5003',
    `ONNX Runtime computes ${formatType(result)}, and the model declares '${id}' as ${formatType({ dtype, shape })}`,
    loc,
  );
}

/** Sessions by the part that they compute, shared by its plans. */
class Opened {
  readonly #open: (model: Uint8Array) => OnnxRuntimeSession;
  readonly #sessions = new Map<string, { readonly session: OnnxRuntimeSession; users: number }>();
  readonly #found = new WeakMap<Graph, Map<ValueId, FoundType>>();

  constructor(open: (model: Uint8Array) => OnnxRuntimeSession) {
    this.#open = open;
  }

  /** The types of results that a graph does not know. */
  foundIn(graph: Graph): Map<ValueId, FoundType> {
    const found = this.#found.get(graph) ?? new Map<ValueId, FoundType>();
    this.#found.set(graph, found);
    return found;
  }

  take(key: string, model: (version?: 'older') => Uint8Array | undefined): OnnxRuntimeSession {
    const known = this.#sessions.get(key) ?? { session: this.#opened(model), users: 0 };
    this.#sessions.set(key, known);
    known.users++;
    return known.session;
  }

  #opened(model: (version?: 'older') => Uint8Array | undefined): OnnxRuntimeSession {
    try {
      return this.#open(model() as Uint8Array);
    } catch (error) {
      const older = error instanceof UnskewError && error.code === 'U5003' ? model('older') : undefined;
      if (older === undefined) throw error;
      return this.#open(older);
    }
  }

  give(key: string): void {
    const known = this.#sessions.get(key);
    if (known === undefined) return;
    known.users--;
    if (known.users > 0) return;
    known.session.dispose();
    this.#sessions.delete(key);
  }
}
