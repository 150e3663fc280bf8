/**
 * The verifier. Every graph that passes hand on has these properties:
 *
 *  - every operand, output and result has an entry in `values`; every value is defined once: input, constant or result;
 *  - a node is stored under the id of its first result; the graph is acyclic;
 *  - operators are declared, may occur at this level, and have operands, attributes and result types as declared;
 *  - constants have the type that the graph says;
 *  - graphs inside of operators have these properties too, and fit the operator.
 *
 * Not checked: unread values (dead code is legal), and the results of `evaluate`.
 */
import { type Code, type Diagnostic, type Location, UnskewError } from '../diagnostics/index.ts';
import { bodiesIn, MOST_NESTED } from './bodies.ts';
import { completeAttrs, inferTypes } from './builder.ts';
import type { Level } from './define_op.ts';
import { type Graph, nodesOf } from './graph.ts';
import { findOp } from './op_table.ts';
import { topologicalOrder } from './order.ts';
import { formatType, sameShape, type ValueId } from './types.ts';

/** All violations, empty for a good graph. */
export const verify = (graph: Graph, level?: Level): readonly Diagnostic[] => verifyNested(graph, level, 0);

function verifyNested(graph: Graph, level: Level | undefined, depth: number): readonly Diagnostic[] {
  const found: Diagnostic[] = [];
  const report = (code: Code, message: string, location: Location) =>
    found.push({ code, severity: 'error', message, location });
  const defined = new Set<ValueId>(graph.inputs);
  for (const node of nodesOf(graph)) {
    const where = { op: node.op, ...node.loc };
    if (graph.nodes[node.id] !== node || node.results[0] !== node.id)
      report('U2002', `the node %${node.id} is not stored under its first result`, where);
    for (const id of node.results) {
      if (defined.has(id) || graph.values[id]?.constant !== undefined)
        report('U2002', `the value %${id} is defined twice`, where);
      if (graph.values[id] === undefined) report('U2001', `the result %${id} has no type`, where);
      defined.add(id);
    }
  }
  const exists = (id: ValueId) => defined.has(id) || graph.values[id]?.constant !== undefined;
  for (const id of graph.outputs) if (!exists(id)) report('U2001', `the output %${id} is not defined`, {});
  for (const node of nodesOf(graph)) {
    const where = { op: node.op, ...node.loc };
    const missing = node.operands.filter((id): id is ValueId => id !== null && !exists(id));
    for (const id of missing) report('U2001', `%${node.id} reads %${id}, which is not defined`, where);
    const op = findOp(node.op);
    if (op === undefined) report('U2004', `'${node.op}' is not an operator`, where);
    else if (level !== undefined && op.level !== undefined && op.level !== level)
      report('U2009', `${node.op} may not occur at level ${level}`, where);
    else if (missing.length === 0) collect(() => verifyNode(graph, node.id), found);
    if (op?.traits.includes('bodies') !== true) continue;
    if (depth === MOST_NESTED) report('U2004', `graphs stand in graphs ${MOST_NESTED} times at most`, where);
    else for (const [, body] of bodiesIn(node)) found.push(...verifyNested(body, level, depth + 1));
  }
  for (const node of topologicalOrder(graph).cyclic)
    report('U2003', `%${node.id} depends on itself`, { op: node.op, ...node.loc });
  return found;
}

/** @throws UnskewError with every violation */
export function verifyOrThrow(graph: Graph, level?: Level): void {
  const found = verify(graph, level);
  if (found.length > 0) throw new UnskewError(found);
}

function verifyNode(graph: Graph, id: ValueId): void {
  const node = graph.nodes[id];
  const op = findOp(node.op);
  if (op === undefined) return;
  const where = { op: node.op, ...node.loc };
  completeAttrs(op, node.attrs, where);
  const types = inferTypes(
    op,
    node.operands.map((operand) => operand && graph.values[operand].type),
    node.attrs,
    where,
  );
  node.results.forEach((result, i) => {
    const { type } = graph.values[result];
    if (types[i] === undefined || type.dtype !== types[i].dtype || !sameShape(type.shape, types[i].shape)) {
      const inferred = types[i] ? formatType(types[i]) : 'no such result';
      throw new UnskewError([
        {
          code: 'U2005',
          severity: 'error',
          message: `%${result} is said to be ${formatType(type)}, but ${node.op} makes ${inferred}`,
          location: where,
        },
      ]);
    }
  });
}

function collect(check: () => void, into: Diagnostic[]): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof UnskewError)) throw error;
    for (const diagnostic of error.diagnostics) into.push(diagnostic);
  }
}
