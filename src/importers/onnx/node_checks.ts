/** Checks of the nodes of any ONNX graph, whatever their operators. */

import { fail, type Location } from '../../diagnostics/index.ts';
import type { OnnxGraph, OnnxNode } from '../../formats/onnx/index.ts';
import { formatType, type Loc, type Value } from '../../ir/index.ts';
import { Unsupported } from '../kit/unsupported.ts';
import type { OnnxSignature } from './signature.ts';

/**
 * The nodes in an order in which values are defined before they are used: the order of the file if possible.
 *
 * @throws UnskewError U2002 for a value that two nodes define, U2003 for a cycle
 */
export function nodeOrder({ nodes, inputs, initializers }: OnnxGraph, where: Location): readonly number[] {
  const producer = new Map<string, number>();
  const given = new Set([...inputs.map(({ name }) => name), ...initializers.keys()]);
  nodes.forEach((node, index) => {
    for (const name of node.outputs) {
      if (name === '') continue;
      if (producer.has(name) || given.has(name))
        fail('U2002', `the value '${name}' is defined twice`, locate(node, where));
      producer.set(name, index);
    }
  });
  const producersOf = (node: OnnxNode): number[] =>
    [...node.inputs, ...capturedNames(node)].flatMap((name) => producer.get(name) ?? []);
  const state = new Map<number, 'open' | 'done'>();
  const order: number[] = [];
  for (const root of nodes.keys()) {
    if (state.has(root)) continue;
    const stack = [{ index: root, pending: producersOf(nodes[root]) }];
    state.set(root, 'open');
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      const next = top.pending.pop();
      if (next === undefined) {
        state.set(top.index, 'done');
        order.push(top.index);
        stack.pop();
      } else if (state.get(next) === 'open') {
        const cycle = stack
          .slice(stack.findIndex(({ index }) => index === next))
          .map(({ index }) => label(nodes[index]));
        fail('U2003', `nodes depend on themselves: ${cycle.reverse().join(' → ')}`, locate(nodes[next], where));
      } else if (!state.has(next)) {
        state.set(next, 'open');
        stack.push({ index: next, pending: producersOf(nodes[next]) });
      }
    }
  }
  return order;
}

const label = ({ name, outputs, opType }: OnnxNode): string => name || outputs[0] || opType;
const locate = (node: OnnxNode, where: Location): Loc => ({ ...where, node: label(node), op: node.opType });

/** The outer values that the bodies of a control-flow node read. */
export const capturedNames = (node: OnnxNode): readonly string[] => [...new Set(bodiesOf(node).flatMap(capturedIn))];

/** The outer values that a body reads. */
export function capturedIn(root: OnnxGraph): readonly string[] {
  const names = new Set<string>();
  const visit = (graph: OnnxGraph, inner: ReadonlySet<string>): void => {
    const own = new Set([...inner, ...graph.inputs.map(({ name }) => name), ...graph.initializers.keys()]);
    for (const body of graph.nodes) {
      for (const name of body.inputs) if (name !== '' && !own.has(name)) names.add(name);
      for (const nested of bodiesOf(body)) visit(nested, own);
      for (const name of body.outputs) own.add(name);
    }
    for (const { name } of graph.outputs) if (!own.has(name)) names.add(name);
  };
  visit(root, new Set());
  return [...names];
}

export function bodiesOf({ attributes }: OnnxNode): readonly OnnxGraph[] {
  return [...attributes.values()].flatMap((a) => (a.kind === 'graph' ? [a.value] : a.kind === 'graphs' ? a.value : []));
}

/**
 * Refuses inputs and attributes that this version of the operator lacks: they would be ignored silently. @throws
 * Unsupported
 */
export function checkVersion(
  { inputs, operandsSince, attributesUntil }: OnnxSignature,
  opset: number,
  { inputs: given, attributes }: OnnxNode,
): void {
  const none = (what: string): never => {
    throw new Unsupported(`${what}, which version ${opset} of the operator does not have`);
  };
  inputs.forEach(({ name }, i) => {
    if (given[i] && opset < (operandsSince[name] ?? 0)) none(`the input '${name}'`);
  });
  for (const name of attributes.keys())
    if (opset >= (operandsSince[name] ?? attributesUntil[name] ?? Number.POSITIVE_INFINITY))
      none(`the attribute '${name}'`);
}

/** @throws UnskewError U2004 for a wrong number of inputs or outputs, U2006 or U2007 where element types should agree */
export function checkOperands(
  op: OnnxSignature,
  node: OnnxNode,
  operands: readonly (Value | undefined)[],
  loc: Loc,
): void {
  const { inputs, name } = op;
  const last = inputs.at(-1);
  if (last?.presence !== 'variadic' && operands.length > inputs.length) {
    fail('U2004', `${name} takes at most ${inputs.length} inputs, but has ${operands.length}`, loc);
  }
  if (node.outputs.length > op.outputs)
    fail('U2004', `${name} has at most ${op.outputs} outputs, but has ${node.outputs.length}`, loc);
  const types = new Map<string, { name: string; value: Value }>();
  inputs.forEach((input, i) => {
    if (input.presence !== 'optional' && operands[i] === undefined) {
      fail('U2004', `${name} needs the input '${input.name}'`, { ...loc, input: input.name });
    }
    for (const value of input.presence === 'variadic' ? operands.slice(i) : [operands[i]]) {
      if (value === undefined || input.type === undefined) continue;
      const first = types.get(input.type);
      if (first === undefined) types.set(input.type, { name: input.name, value });
      else if (first.value.type.dtype !== value.type.dtype) {
        const code = /zero_point|scale/.test(first.name + input.name) ? 'U2007' : 'U2006';
        const message = `'${input.name}' is ${formatType(value.type)}, but '${first.name}' is ${formatType(first.value.type)}`;
        fail(code, message, { ...loc, input: input.name }, 'their element types should be the same');
      }
    }
  });
}
