import {
  controlIf,
  controlLoop,
  evaluateNode,
  isOp,
  isStatic,
  type Level,
  type Node,
  nnIdentity,
  nnShape,
  oneOf,
  opaqueOp,
  qnnBlockDequantize,
  qnnDequantize,
  type Shape,
  sizeOf,
  tensor,
} from '../ir/index.ts';
import type { Pass } from './pass.ts';
import { GraphEditor } from './rewrite/editor.ts';

/** Larger results are folded only when they are not larger than their operands: a broadcast stays one. */
const LARGE = 2 ** 20;

/** Opaque operators have no meaning here, and graphs in operators are compiled for themselves. */
const isOpaque = oneOf(opaqueOp, controlIf, controlLoop);

/**
 * Dequantized weights stay: rules look for them, floats are four times the size, and a product that stays float has to
 * be exported with them. ONNX Runtime quantizes float weights between a dequantize and a quantize anew.
 */
export const foldConstants = folding({
  name: 'fold-constants',
  doc: 'Operators whose operands are all constants are computed, shapes that are known too; dequantized weights stay quantized.',
  level: 'qnn',
  kept: oneOf(opaqueOp, controlIf, controlLoop, qnnDequantize, qnnBlockDequantize),
});

/** For graphs that run here: after selection, and never before an export. */
export const foldWeights = (level: Level): Pass =>
  folding({
    name: 'fold-weights',
    doc: 'As fold-constants, weights of what stays float too: they are not dequantized at every run.',
    level,
    kept: isOpaque,
  });

interface Folding extends Pick<Pass, 'name' | 'doc'> {
  readonly level: Level;
  /** True for operators that are not folded. */
  readonly kept: (node: Node) => boolean;
}

function folding({ name, doc, level, kept }: Folding): Pass {
  return {
    name,
    doc,
    from: level,
    to: level,
    run(graph) {
      const editor = new GraphEditor(graph);
      for (const id of editor.nodeIds) {
        const node = editor.node(id);
        if (node === undefined || kept(node) || !isFoldable(editor, node)) continue;
        const shape = editor.view(nnShape, node);
        const results = shape
          ? [tensor('s64', shape.x.type.shape.map(BigInt))]
          : evaluateNode(
              node,
              node.operands.map((id) => editor.constant(id) ?? null),
            );
        editor.emitter.loc = node.loc;
        editor.replace(
          name,
          node,
          results.map((tensor, i) =>
            editor.emitter.constant(tensor, editor.emitter.fresh(`${node.results[i]}.folded`)),
          ),
        );
      }
      return editor.commit();
    },
  };
}

function isFoldable(editor: GraphEditor, node: Node): boolean {
  if (node.results.some((id) => !isStatic(editor.type(id).shape))) return false;
  if (isOp(node, nnIdentity) && editor.isOutput(node.results[0])) return false; // it names the output
  const operands = node.operands.filter((id) => id !== null);
  if (isOp(node, nnShape)) return isStatic(editor.type(operands[0]).shape);
  if (operands.length === 0 || !operands.every(editor.isConstant)) return false;
  const elements = (shape: Shape): number => sizeOf(shape.map(Number));
  const before = operands.reduce((sum, id) => sum + elements(editor.type(id).shape), 0);
  const after = node.results.reduce((sum, id) => sum + elements(editor.type(id).shape), 0);
  return after <= Math.max(LARGE, before);
}
