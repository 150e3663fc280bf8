/** Estimates the work of a graph of known sizes before it is computed. */
import { type Graph, isStatic, nodesOf, sizeOf } from '../../src/ir/index.ts';

export interface Work {
  /** Multiplications, or operations of about the same cost. */
  readonly work: number;
  /** Elements of all values. */
  readonly elements: number;
  /** True when a size is known only while the graph runs. */
  readonly isOpen: boolean;
}

export function workOf(graph: Graph): Work {
  const size = (shape: readonly (number | string)[]): number => sizeOf(shape as readonly number[]);
  let work = 0;
  let elements = graph.inputs.reduce((sum, id) => sum + size(graph.values[id].type.shape), 0);
  for (const { operands, results, attrs, op } of nodesOf(graph)) {
    const made = results.reduce((sum, id) => sum + size(graph.values[id].type.shape), 0);
    elements += made;
    const second = operands[1] ? graph.values[operands[1]].type.shape : [];
    const terms = /conv/.test(op)
      ? size(second.slice(op.includes('transpose') ? 2 : 1))
      : /matmul/.test(op)
        ? Number(second[Math.max(0, second.length - 2)] ?? 1)
        : size((attrs.kernel as readonly number[] | undefined) ?? []);
    work += made * Math.max(1, terms);
    if (/reduce|softmax|pool|cumsum/.test(op) && operands[0]) work += size(graph.values[operands[0]].type.shape);
  }
  const isOpen = !Object.values(graph.values).every(({ type }) => isStatic(type.shape));
  return { work, elements, isOpen };
}
