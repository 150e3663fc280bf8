/**
 * Joins nodes that compute the same. Rules correct a layer, and a term of a correction, on its own: a padded source, a window sum, or a
 * zero point in s32 is then computed for each of them.
 */
import {
  bytesOf,
  type Graph,
  hasBodies,
  type ITensor,
  isOp,
  type Node,
  opaqueOp,
  sameShape,
  type ValueId,
} from '../ir/index.ts';
import { sameBytes, sameData } from '../tensors/index.ts';
import { type EditResult, GraphEditor } from './rewrite/editor.ts';

/** The rule of the events, which no table has: it has no law but that a value is computed once. */
const RULE = 'equal-nodes';

/** Joins the nodes that `before` does not have. */
export function shareEqual(graph: Graph, before: Graph): EditResult {
  const editor = new GraphEditor(graph);
  const found = new Map<string, Node[]>();
  for (const id of editor.nodeIds) {
    const node = editor.node(id);
    if (node === undefined || isOp(node, opaqueOp) || hasBodies(node)) continue;
    const key = keyOf(editor, node);
    const alike = found.get(key) ?? [];
    const first = alike.find((other) => isSame(editor, node, other));
    if (first === undefined) found.set(key, [...alike, node]);
    else if (!Object.hasOwn(before.nodes, id) && !node.results.some(editor.isOutput))
      editor.replace(RULE, node, first.results.map(editor.value));
  }
  return editor.commit();
}

/** All but the attributes and the contents of constants. */
const keyOf = (editor: GraphEditor, { op, operands, results }: Node): string =>
  JSON.stringify([
    op,
    results.length,
    operands.map((operand) => operand && (editor.isConstant(operand) ? '' : operand)),
  ]);

const isSame = (editor: GraphEditor, a: Node, b: Node): boolean =>
  sameData(a.attrs, b.attrs) && a.operands.every((id, i) => isSameOperand(editor, id, b.operands[i]));

function isSameOperand(editor: GraphEditor, a: ValueId | null, b: ValueId | null): boolean {
  if (a === b || a === null || b === null) return a === b;
  const [left, right] = [editor.constant(a), editor.constant(b)];
  return left !== undefined && right !== undefined && isSameTensor(left, right);
}

const isSameTensor = (a: ITensor, b: ITensor): boolean =>
  a.dtype === b.dtype && sameShape(a.shape, b.shape) && sameBytes(bytesOf(a.data), bytesOf(b.data));
