/**
 * The quantized layers of an ONNX file, read off the file itself, independently of the import: convolutions and matrix
 * products of quantized numbers in its graph and in the bodies of its control flow.
 */

import type { OnnxGraph, OnnxNode, OnnxTensor } from '../../formats/onnx/index.ts';
import {
  carriedFactors,
  carriedIntegerProducts,
  type Graph,
  isCarriedDequantize,
  isCarriedFakeQuantize,
  isCarriedMovement,
  isOp,
  opaqueOp,
} from '../../ir/index.ts';
import { bodiesOf } from './node_checks.ts';
import { type OnnxOrigin, originOf } from './origin.ts';

export interface FileLayer {
  /** The name of the node, or of its first result where it has none. */
  readonly layer: string;
  readonly operator: string;
  /** The control-flow nodes in whose bodies it stands, outermost first; none: it stands in the graph of the model. */
  readonly within: readonly string[];
  /** True when one of its zero points is not known to be 0. */
  readonly hasZeroPoint: boolean;
  /** Why it is carried as it is; absent: it became operators that unskew computes. */
  readonly carried?: string;
}

/** Undefined for graphs that did not come from an ONNX file. */
export function fileLayers(graph: Graph): FileLayer[] | undefined {
  const origin = originOf(graph);
  if (origin === undefined) return undefined;
  const found: FileLayer[] = [];
  collect(new Scope(origin.file.graph), { origin, carried: undefined }, [], found);
  return found;
}

/** True when a body of control flow holds quantized layers, in bodies of its own too. */
export function hasQuantizedLayers(body: OnnxGraph, outer: OnnxGraph): boolean {
  const found: FileLayer[] = [];
  collect(new Scope(body, new Scope(outer)), { origin: undefined, carried: undefined }, [], found);
  return found.length > 0;
}

/** The result of reading a graph: the operators of its nodes. Without an origin none was read, all for one reason. */
interface Reading {
  readonly origin: OnnxOrigin | undefined;
  readonly carried: string | undefined;
}

/**
 * The reasons why nodes of a graph are carried, by their first results: a body that was read has context nodes in
 * front.
 */
function carriedIn({ origin, carried }: Reading): (node: OnnxNode) => string | undefined {
  if (origin === undefined) return () => carried;
  const { file, nodes, original, unsupported } = origin;
  const reasons = new Map(unsupported.map(({ value, reason }) => [value, reason]));
  const indices = new Map(file.graph.nodes.map(({ outputs }, index) => [outputs.join('\0'), index]));
  return ({ outputs }) => {
    const index = indices.get(outputs.join('\0'));
    // A node without IR nodes of its own became constants, or is not needed.
    if (index === undefined || nodes[index].every((id) => !isOp(original[id], opaqueOp))) return undefined;
    const own = outputs.find((name) => reasons.has(name));
    return reasons.get(own ?? '') ?? 'an operand has a type that is not understood';
  };
}

/** A body of a node, and its reading. A body that was read has its context in front, which holds no layers. */
function readBody(body: OnnxGraph, { origin }: Reading, carried: string | undefined): [OnnxGraph, Reading] {
  const read = origin?.bodies.find((other) => other.body === body);
  const own = read && originOf(read.graph);
  if (own !== undefined) return [own.file.graph, { origin: own, carried: undefined }];
  const reason = origin?.unread.find((other) => other.body === body)?.reason;
  return [body, { origin: undefined, carried: carried && (reason ?? carried) }];
}

const nameOf = ({ name, outputs, opType }: OnnxNode): string => name || outputs.find((o) => o !== '') || opType;
const operatorOf = ({ domain, opType }: OnnxNode): string => (domain === '' ? opType : `${domain}.${opType}`);

function collect(scope: Scope, reading: Reading, within: readonly string[], found: FileLayer[]): void {
  const whyCarried = carriedIn(reading);
  for (const node of scope.graph.nodes) {
    const zeroPoints = scope.zeroPoints(node);
    const carried = whyCarried(node);
    if (zeroPoints !== undefined)
      found.push({
        layer: nameOf(node),
        operator: operatorOf(node),
        within,
        hasZeroPoint: zeroPoints.some((name) => name === undefined || !scope.isZero(name)),
        ...(carried !== undefined && { carried }),
      });
    for (const body of bodiesOf(node)) {
      const [graph, how] = readBody(body, reading, carried);
      collect(new Scope(graph, scope), how, [...within, nameOf(node)], found);
    }
  }
}

/** The producers and constants that a graph can see: its own, and those of the graphs around it. */
class Scope {
  readonly graph: OnnxGraph;
  readonly #outer: Scope | undefined;
  readonly #producers = new Map<string, OnnxNode>();

  constructor(graph: OnnxGraph, outer?: Scope) {
    this.graph = graph;
    this.#outer = outer;
    for (const node of graph.nodes) for (const name of node.outputs) this.#producers.set(name, node);
  }

  /** Undefined where the node is not a quantized layer; an undefined zero point is one that nobody can tell. */
  zeroPoints(node: OnnxNode): (string | undefined)[] | undefined {
    const operator = operatorOf(node);
    const indices = carriedIntegerProducts[operator];
    if (indices !== undefined) return indices.length === 0 ? [undefined] : indices.flatMap((i) => node.inputs[i] || []);
    const behind = carriedFactors(operator, node.inputs.length).flatMap(
      (i) => this.#quantizedBehind(node.inputs[i], 0) ?? [],
    );
    if (behind.length === 0) return undefined;
    return behind.flatMap((from) => (isCarriedDequantize(operatorOf(from)) ? from.inputs[2] || [] : [undefined]));
  }

  /** The dequantize whose result an operand is, moved or not. */
  #quantizedBehind(name: string | undefined, depth: number): OnnxNode | undefined {
    const node = name === undefined || name === '' ? undefined : this.producer(name);
    if (node === undefined || depth > 64) return undefined;
    const operator = operatorOf(node);
    if (isCarriedDequantize(operator) || isCarriedFakeQuantize(operator)) return node;
    return isCarriedMovement(operator) ? this.#quantizedBehind(node.inputs[0], depth + 1) : undefined;
  }

  isZero(name: string): boolean {
    const tensor = this.constant(name);
    return tensor !== undefined && tensor.byteLength !== undefined && tensor.raw().every((byte) => byte === 0);
  }

  constant(name: string): OnnxTensor | undefined {
    const initializer = this.graph.initializers.get(name);
    if (initializer !== undefined) return initializer;
    const node = this.#producers.get(name);
    const value = node?.opType === 'Constant' ? node.attributes.get('value') : undefined;
    if (value?.kind === 'tensor') return value.value;
    if (node !== undefined) return isCarriedMovement(operatorOf(node)) ? this.constant(node.inputs[0]) : undefined;
    return this.#outer?.constant(name);
  }

  producer(name: string): OnnxNode | undefined {
    return this.#producers.get(name) ?? this.#outer?.producer(name);
  }
}
