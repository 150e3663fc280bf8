/** Sizes as the file computes them: read off the shapes of values, derived ones by the arithmetic of their expression. */

import {
  buildDim,
  type Dim,
  type DType,
  type Graph,
  hasBodies,
  isOp,
  isStatic,
  type Node,
  nodesOf,
  opaqueOp,
  openSymbolOf,
  type Shape,
  symbolsIn,
  typeOf,
  type ValueId,
} from '../../../ir/index.ts';
import { int, type NodeWriter } from '../node_writer.ts';

const operators: Readonly<Record<string, string>> = {
  '+': 'Add',
  '-': 'Sub',
  '*': 'Mul',
  '/': 'Div',
  max: 'Max',
  min: 'Min',
};

/** A list of sizes, computed where some of them are symbols. */
export function sizeList(e: NodeWriter, shape: Shape, base: string): string {
  if (isStatic(shape)) return e.list(shape, base);
  const known = new Map<Dim, string>();
  const parts = shape.map((dim) => {
    const part = known.get(dim) ?? sizeOf(e, dim);
    known.set(dim, part);
    return part;
  });
  return parts.length === 1 ? parts[0] : e.add('Concat', parts, { axis: int(0) });
}

/** One size, as s64[1]. A derived size is read off an operand that has it, before it is computed from its symbols. */
export function sizeOf(e: NodeWriter, dim: Dim): string {
  return (
    readOff(e, dim) ??
    buildDim<string>(dim, {
      number: (value) => e.list([value], 'size'),
      symbol: (name) =>
        readOff(e, name) ??
        e.refuse(
          `the size ${name} is not that of an input or of what it reads`,
          'give inputShapes, or --shape NAME=SIZES',
        ),
      apply: (operation, a, b) => apply(e, operation, a, b),
    })
  );
}

function apply(e: NodeWriter, operation: string, a: string, b: string): string {
  if (operation === 'wrap') {
    const isNegative = e.add('Less', [a, e.list([0], 'zero')]);
    return e.add('Where', [isNegative, e.add('Add', [a, b]), a]);
  }
  if (operation === 'broadcast') return e.add('Where', [e.add('Equal', [a, e.list([1], 'one')]), b, a]);
  if (operation === 'max' || operation === 'min') e.since(12, 'Max and Min of integers');
  if (operation !== '/') return e.add(operators[operation], [a, b]);
  // ⌊a / b⌋ where Div goes towards zero: less 1 where a is negative and a remainder is left
  e.since(10, 'Mod');
  const remainder = e.add('Mod', [a, b]); // it has the sign of b, and b is positive
  return e.add('Div', [e.add('Sub', [a, remainder]), b]);
}

function readOff(e: NodeWriter, dim: Dim): string | undefined {
  if (typeof dim === 'number') return undefined;
  const operands = e.node.operands.filter((id) => id !== null);
  for (const id of [...e.graph.inputs, ...operands, ...carried(e.graph, dim)]) {
    const axis = typeOf(e.graph, id).shape.indexOf(dim);
    if (axis < 0) continue;
    const shape = e.add('Shape', [e.value(id)]);
    return e.add('Gather', [shape, e.list([axis], 'axis')], { axis: int(0) });
  }
  return undefined;
}

/** Results of opaque operators, of those that hold graphs, and of those that count: the sources of sizes that only they determine. */
function carried(graph: Graph, dim: string): readonly ValueId[] {
  const [symbol] = symbolsIn(dim);
  const isSource = (node: Node) =>
    openSymbolOf(node) === symbol ||
    ((isOp(node, opaqueOp) || hasBodies(node)) && node.results.some((id) => typeOf(graph, id).shape.includes(dim)));
  return nodesOf(graph).flatMap((node) => (isSource(node) ? node.results : []));
}

/** The same number in another type. */
export const sizeAs = (e: NodeWriter, size: string, dtype: DType): string =>
  dtype === 's64' ? size : e.cast(size, dtype);
