/** The products that files have an operator for which takes s8 weights and needs no second product. */
import { additionsOf, factorsOf, type Node, productKind, qnnRequantize, type ValueId } from '../ir/index.ts';
import type { GraphEditor } from './rewrite/editor.ts';

/**
 * True for a matrix product, MatMulInteger, and for a convolution with a known zero point of the source that nothing but a
 * requantization reads: QLinearConv. ConvInteger runs with u8 weights alone, whose 128 is corrected by a window sum in any case.
 */
export function staysOneProduct(graph: GraphEditor, node: Node): boolean {
  if (productKind(node) === 'matmul') return true;
  const { zx } = factorsOf(node) ?? {};
  return (zx === undefined || graph.isConstant(zx)) && isRequantized(graph, node.results[0]);
}

/** True for a sum whose only reader, behind constants that are added to it, requantizes it as ONNX Runtime does. */
function isRequantized(graph: GraphEditor, sum: ValueId): boolean {
  for (let id = sum; graph.isPrivate(id); ) {
    const [reader] = graph.consumers(id);
    const requantize = graph.view(qnnRequantize, reader);
    if (requantize) {
      const { arithmetic, rounding, zeroPointAt } = requantize.attrs;
      return requantize.x.id === id && arithmetic === 'f32' && rounding === 'half-even' && zeroPointAt === 'after';
    }
    const addition = additionsOf(reader).find(({ rest, added }) => rest === id && graph.isConstant(added));
    if (reader === undefined || addition === undefined) return false;
    id = reader.results[0];
  }
  return false;
}
