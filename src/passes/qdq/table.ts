/**
 * The cone of elementwise operators between one quantized tensor and a quantize, evaluated at the 256 values that the
 * tensor can take. Any shape of graph is fine (HardSwish is written as x·clip(x + 3, 0, 6)/6) as long as all paths
 * start at the same integers and everything else is a constant for all elements.
 */
import { assert } from '../../diagnostics/index.ts';
import {
  type ByteType,
  byteTypes,
  evaluateNode,
  type ITensor,
  lutOf,
  type Node,
  opOf,
  sameShape,
  sizeOf,
  tensorOfType,
  type Value,
  type ValueId,
} from '../../ir/index.ts';
import type { GraphEditor } from '../rewrite/editor.ts';
import type { Refusals } from '../rewrite/plan.ts';
import { dequantized, dequantizeOf, type QuantizeMatch } from './parameters.ts';

/** Longer chains are not looked at: the search for them would not be linear in the graph. */
const LONGEST = 64;

export interface Table {
  readonly x: Value<ByteType>;
  readonly table: ITensor<ByteType>;
}

/** The table from the integers that all paths start at to the result of the quantize. */
export function tableOf({ graph, node, x: v }: QuantizeMatch, { refuse, unrelated }: Refusals): Table {
  const nodes: Node[] = [];
  const seen = new Set<ValueId>();
  const source: { found?: Value<ByteType> } = {};

  const visit = (value: Value): void => {
    if (seen.has(value.id)) return;
    seen.add(value.id);
    if (isConstant(graph, value.id)) {
      if (elements(value) !== 1)
        refuse(`%${value.id} is a constant for each element, a table needs one for all`, value);
      return;
    }
    const producer = graph.producer(value.id) ?? unrelated(`%${value.id} is an input of the graph`);
    if (dequantizeOf(graph, value)) {
      const { x, perTensor, node: leaf, scale } = dequantized(graph, value, 'the input of the chain', refuse);
      if (!perTensor) refuse('the input of the chain has a scale for each channel, a table needs one for all', scale);
      if (source.found !== undefined && source.found.id !== x.id)
        refuse(`the chain has two sources, %${source.found.id} and %${x.id}; a table has one`, x);
      source.found = x;
      nodes.push(leaf);
      return;
    }
    if (!opOf(producer).traits.includes('elementwise')) unrelated(`${producer.op} is not a function of one element`);
    if (seen.size > LONGEST) unrelated(`the chain is longer than ${LONGEST} operators`);
    for (const id of producer.operands) if (id !== null) visit(graph.value(id));
    nodes.push(producer);
  };

  visit(v);
  const { found: from } = source;
  if (from === undefined) return unrelated('everything is constant');
  const grown = nodes.find((n) => !sameShape(graph.type(n.results[0]).shape, from.type.shape) && !isSmall(graph, n));
  if (grown) refuse(`${grown.op} broadcasts the tensor to another shape`, graph.value(grown.results[0]));
  return { x: from, table: evaluate(graph, from, [...nodes, node]) };
}

const elements = (value: Value): number => sizeOf(value.type.shape.map(Number));
const isSmall = (graph: GraphEditor, node: Node): boolean => isConstant(graph, node.results[0]);

/** True for a constant, dequantized or not. */
function isConstant(graph: GraphEditor, id: ValueId): boolean {
  if (graph.isConstant(id)) return true;
  const dequantize = dequantizeOf(graph, graph.value(id));
  return dequantize?.node.operands.every((operand) => operand === null || graph.isConstant(operand)) ?? false;
}

/** The 256 values that an element may have, in the order of the bytes. */
export const allValues = ({ type: { dtype } }: Value<ByteType>): ITensor<ByteType> => lutOf(dtype, dtype, (q) => q);

/** Runs the very nodes on all values. */
function evaluate(graph: GraphEditor, x: Value<ByteType>, nodes: readonly Node[]): ITensor<ByteType> {
  const values = new Map<ValueId, ITensor>([[x.id, allValues(x)]]);
  const valueAt = (id: ValueId): ITensor => {
    const known = values.get(id) ?? graph.constant(id) ?? dequantizedConstant(graph, id);
    values.set(id, known);
    return known;
  };
  let last: ITensor | undefined;
  for (const node of nodes) {
    [last] = evaluateNode(
      node,
      node.operands.map((id) => (id === null ? null : valueAt(id))),
    );
    values.set(node.results[0], last);
  }
  assert(last?.data.length === 256, 'a table has 256 entries');
  return { ...tensorOfType(last, ...byteTypes), shape: [256] };
}

function dequantizedConstant(graph: GraphEditor, id: ValueId): ITensor {
  const node = graph.producer(id);
  assert(node, `%${id} is not a constant`);
  const operands = node.operands.map((operand) => graph.constant(operand) ?? null);
  return evaluateNode(node, operands)[0];
}

/** The bounds when the table clamps the integers of [from, to] and does nothing else. */
export function clampBounds(
  { dtype, data }: ITensor<ByteType>,
  from: number,
  to: number,
): readonly [number, number] | undefined {
  const at = (q: number): number => data[q & 255];
  const [low, high] = [at(from), at(to)];
  if (dtype === 'u8' && from < 0) return undefined;
  for (let q = from; q <= to; q++) if (at(q) !== Math.min(Math.max(q, low), high)) return undefined;
  return [low, high];
}
