import { evaluateNode, type ITensor, isStatic, type Node, type Shape, sizeOf, tensor } from '../ir/index.ts';
import type { Pass } from './pass.ts';
import { GraphEditor } from './rewrite/editor.ts';

/** A result above this many elements is folded only when it is no larger than its operands: a broadcast stays one. */
const LARGE = 2 ** 20;

/**
 * Never folded. Dequantize: rules look for it at the weights, and floats are four times the size. Opaque: has no
 * meaning here.
 */
const kept: ReadonlySet<string> = new Set(['qnn.dequantize', 'opaque']);

export const foldConstants: Pass = {
  name: 'fold-constants',
  doc: 'Operators whose operands are all constants are computed, shapes that are known too; dequantized weights stay quantized.',
  from: 'qnn',
  to: 'qnn',
  run(graph) {
    const editor = new GraphEditor(graph);
    for (const id of editor.nodeIds) {
      const node = editor.node(id) as Node;
      if (!isFoldable(editor, node)) continue;
      const results =
        node.op === 'nn.shape'
          ? [shapeOf(editor, node)]
          : evaluateNode(
              node,
              node.operands.map((id) => editor.constant(id) ?? null),
            );
      editor.emitter.loc = node.loc;
      editor.replace(
        'fold-constants',
        node,
        results.map((tensor, i) => editor.emitter.constant(tensor, editor.emitter.fresh(`${node.results[i]}.folded`))),
      );
    }
    return editor.commit();
  },
};

const shapeOf = (editor: GraphEditor, { operands }: Node): ITensor =>
  tensor('s64', (editor.type(operands[0]!).shape as readonly number[]).map(BigInt));

function isFoldable(editor: GraphEditor, node: Node): boolean {
  if (kept.has(node.op) || node.results.some((id) => !isStatic(editor.type(id).shape))) return false;
  if (node.op === 'nn.identity' && editor.isOutput(node.results[0])) return false; // it names the output
  const operands = node.operands.filter((id) => id !== null);
  if (node.op === 'nn.shape') return isStatic(editor.type(operands[0]).shape);
  if (operands.length === 0 || !operands.every(editor.isConstant)) return false;
  const elements = (shape: Shape): number => sizeOf(shape as readonly number[]);
  const before = operands.reduce((sum, id) => sum + elements(editor.type(id).shape), 0);
  const after = node.results.reduce((sum, id) => sum + elements(editor.type(id).shape), 0);
  return after <= Math.max(LARGE, before);
}
