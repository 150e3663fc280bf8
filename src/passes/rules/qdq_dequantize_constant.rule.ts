import { evaluateNode, type ITensor, type Node, type Value } from '../../ir/index.ts';
import { qnnDequantize } from '../../ir/ops/qnn_dequantize.op.ts';
import { planned, type Site } from '../qdq/plan.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import { defineRule } from '../rewrite/rule.ts';

interface Constant {
  readonly node: Node;
  readonly operands: readonly (ITensor | null)[];
}

const emit = ({ node, operands }: Constant, a: Algebra): Value => a.constant(evaluateNode(node, operands)[0]);

/** After grouping: weights of what stays float need not be dequantized at every run. */
export const dequantizeConstant = defineRule({
  name: 'dequantize-constant',
  root: qnnDequantize,
  law: 'dequantize(c; s, zp) = the constant fl(fl(c − zp)·s)',
  exactness: 'bit-exact',
  ...planned(
    ({ graph, node }: Site, { unrelated }): Constant => {
      if (graph.isOutput(node.results[0])) unrelated('it names an output of the graph');
      const operands = node.operands.map((id) =>
        id === null ? null : (graph.constant(id) ?? unrelated(`%${id} is computed at run time`)),
      );
      return { node, operands };
    },
    emit,
    {
      what: 'forgets the zero point',
      emit: ({ node, operands: [x, scale] }, a) => emit({ node, operands: [x, scale] }, a),
    },
  ),
});
