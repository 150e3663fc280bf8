/**
 * Types at the border between a node and the graphs in it, at known sizes. An importer takes sizes to be at least 1: of a size 0 other
 * types may follow than those that it wrote there.
 */
import type { Diagnostic } from '../diagnostics/index.ts';
import type { Graph, Node } from './graph.ts';
import { controlIf, controlLoop, controlRefuse } from './ops/control_ops.ts';
import { parseType } from './parse_type.ts';
import { type Dim, formatType, type TensorType, type ValueId } from './types.ts';
import { isOp } from './view.ts';

/** The types of operands as the graph declares them, and as they are at known sizes. */
export interface OperandTypes {
  readonly declared: readonly (TensorType | null)[];
  readonly actual: readonly (TensorType | null)[];
}

/** Inputs of the body of a loop that no operand is: the count of turns, and the condition. */
const OWN = 2;

/** The places of the carried values and of the captured ones among the operands. */
function borderOf({ op, operands, attrs }: Pick<Node, 'op' | 'operands' | 'attrs'>) {
  const captures = attrs.captures as readonly string[];
  return { isLoop: op === controlLoop.name, captures, first: operands.length - captures.length };
}

/** What the inputs of a body are: a size that the body has from an operand stays the operand's, others are `bound`. */
export function bodyInputTypes(
  node: Pick<Node, 'op' | 'operands' | 'attrs'>,
  body: Graph,
  { declared, actual }: OperandTypes,
  bound: (dim: Dim) => Dim,
): ReadonlyMap<ValueId, TensorType> {
  const { isLoop, captures, first } = borderOf(node);
  return new Map(
    body.inputs.map((id, i) => {
      const { type } = body.values[id];
      const capture = captures.indexOf(id);
      const isCarried = isLoop && i >= OWN && i < first;
      const at = isCarried ? i : capture < 0 || (isLoop && i < first) ? -1 : first + capture;
      const [before, now] = [declared[at], actual[at]];
      const isSame = before && now && before.shape.length === type.shape.length && now.dtype === type.dtype;
      const shape = type.shape.map((dim, axis) =>
        isSame && before.shape[axis] === dim ? now.shape[axis] : bound(dim),
      );
      return [id, { ...type, shape }];
    }),
  );
}

/** The results of a node, as text: a size that is known is open where the graphs in the node do not have it any more. */
export function resultsOfBodies(
  node: Node,
  bodies: Readonly<Record<string, Graph>>,
  actual: OperandTypes['actual'],
  bound: (dim: Dim) => Dim,
): readonly string[] {
  return (node.attrs.results as readonly string[]).map((text, i) => {
    const type = parseType(text);
    if (type === undefined) return text;
    const given = shapesOfResult(node, bodies, actual, i);
    const shape = type.shape.map((dim, axis) => {
      const declared = bound(dim);
      const dims = given.map((shape) => shape[axis]);
      if (typeof declared !== 'number' || dims.every((other) => typeof other !== 'number' || other === declared))
        return declared;
      return dims.every((other) => other === dims[0]) ? dims[0] : openDim(node.results[i], axis);
    });
    return formatType({ ...type, shape });
  });
}

/** The shapes that may become the result `i`; a stacked one begins with the number of turns, which no body tells. */
function shapesOfResult(
  node: Node,
  bodies: Readonly<Record<string, Graph>>,
  actual: OperandTypes['actual'],
  i: number,
): (readonly Dim[])[] {
  const output = (name: string, at: number): readonly Dim[] => {
    const { outputs, values } = bodies[name];
    return values[outputs[at]]?.type.shape ?? [];
  };
  if (isOp(node, controlIf)) return [output('thenBranch', i), output('elseBranch', i)];
  const count = borderOf(node).first - OWN;
  const turn = output('body', 1 + i);
  return i < count ? [actual[OWN + i]?.shape ?? turn, turn] : [[TURNS, ...turn]];
}

const TURNS = 'turns';

/** A size that only the run tells, as a symbol that no other value has. */
const openDim = (id: ValueId, axis: number): Dim =>
  `of.${Array.from(id, (letter) => letter.codePointAt(0)?.toString(16)).join('_')}.${axis}`;

/** A body in whose place an error stands; it is none to have it where it does not run. */
export function refusedBody(body: Graph, inputs: ReadonlyMap<ValueId, TensorType>, fault: Diagnostic): Graph {
  const results = body.outputs.map((_, i) => `refused.${i}` as ValueId);
  const types = body.outputs.map((id) => body.values[id].type);
  const reason = `a graph in an operator does not fit the sizes of the run: ${fault.message}`;
  const attrs = { reason, results: types.map(formatType) };
  const node: Node = { id: results[0], op: controlRefuse.name, operands: [], attrs, results, loc: fault.location };
  const values = Object.fromEntries([
    ...[...inputs].map(([id, type]) => [id, { type }] as const),
    ...results.map((id, i) => [id, { type: types[i] }] as const),
  ]);
  const { origin: _, ...rest } = body;
  return { ...rest, outputs: results, values, nodes: { [node.id]: node } };
}

/** True where a size that the body knows is another one. */
export const isContradicted = (body: Graph, inputs: ReadonlyMap<ValueId, TensorType>): boolean =>
  body.inputs.some((id) =>
    body.values[id].type.shape.some((dim, axis) => {
      const known = inputs.get(id)?.shape[axis];
      return typeof dim === 'number' && typeof known === 'number' && dim !== known;
    }),
  );
