import type { Node } from '../ir/index.ts';
import { qnnQuantize } from '../ir/index.ts';
import type { Pass, PassContext } from './pass.ts';
import { applyRulesTo } from './rewrite/driver.ts';
import { GraphEditor } from './rewrite/editor.ts';
import { isUnrelated } from './rewrite/plan.ts';
import type { AnyRule, Miss } from './rewrite/rule.ts';
import { blockWeights } from './rules/block_weights.rule.ts';
import { packedWeights } from './rules/packed_weights.rule.ts';
import { qdqAdd, qdqMul } from './rules/qdq_binary.rule.ts';
import { qdqConvComputed, qdqConvTransposeComputed, qdqMatmulComputed } from './rules/qdq_computed.rule.ts';
import { dequantizeLate } from './rules/qdq_dequantize_late.rule.ts';
import { dequantizeWeightsLate } from './rules/qdq_dequantize_weights_late.rule.ts';
import { qdqAveragePool, qdqGlobalAveragePool } from './rules/qdq_pool.rule.ts';
import {
  qdqConv,
  qdqConvToFloat,
  qdqConvTranspose,
  qdqConvTransposeToFloat,
  qdqMatmul,
  qdqMatmulToFloat,
} from './rules/qdq_products.rules.ts';
import { quantizeAgain } from './rules/qdq_quantize_again.rule.ts';
import { quantizeEarly } from './rules/qdq_quantize_early.rule.ts';
import { qdqSoftmax } from './rules/qdq_softmax.rule.ts';
import { subtractZeroPoint } from './rules/qdq_subtract.rule.ts';
import { qdqTable, tableOfRequantize, tableOfTable } from './rules/qdq_table.rule.ts';
import { tableOfAdd, tableOfMul } from './rules/table_of_binary.rule.ts';

/** `products`: convolutions and matmuls; all else stays as in the model. `all`: every operator with an integer form. */
export type QdqFamilies = 'products' | 'all';

const requantizedProducts = [qdqConv, qdqConvTranspose, qdqMatmul];

const toFloat: readonly AnyRule[] = [
  qdqConvToFloat,
  qdqConvTransposeToFloat,
  qdqMatmulToFloat,
  qdqConvComputed,
  qdqConvTransposeComputed,
  qdqMatmulComputed,
];

/** Rules by stage. A product becomes float only when no quantize behind it could take it. */
export const qdqStages: Readonly<Record<QdqFamilies, readonly (readonly AnyRule[])[]>> = {
  products: [requantizedProducts, toFloat, [subtractZeroPoint]],
  all: [
    [
      ...dequantizeWeightsLate,
      ...dequantizeLate,
      blockWeights,
      qdqAdd, // in front of tables: a quantized constant is added as any operand is
      qdqMul,
      qdqTable,
      ...requantizedProducts,
      qdqGlobalAveragePool,
      qdqAveragePool,
      qdqSoftmax,
      quantizeAgain,
      quantizeEarly,
      tableOfAdd,
      tableOfMul,
      tableOfTable,
      tableOfRequantize,
    ],
    toFloat,
    [packedWeights],
  ],
};

export const qdqRules: readonly AnyRule[] = [...new Set(Object.values(qdqStages).flat(2))];

export const groupQdq = (families: QdqFamilies): Pass => ({
  name: 'group-qdq',
  doc: 'Operators between dequantize and quantize become integer operators where that is legal; what is not grouped says why.',
  from: 'qnn',
  to: 'qnn',
  run(graph, context) {
    const editor = new GraphEditor(graph);
    const misses: Miss[] = [];
    const listen = context.onMiss ? { onMiss: (miss: Miss) => void misses.push(miss) } : {};
    for (const rules of qdqStages[families]) applyRulesTo(editor, rules, listen);
    report(editor, misses, context);
    return editor.commit();
  },
});

/** Reports the last reason of every rule for remaining nodes; a float result that no rule knows is reported once. */
function report(editor: GraphEditor, misses: readonly Miss[], { onMiss }: PassContext): void {
  if (onMiss === undefined) return;
  const remains = ({ id, op }: Node): boolean => editor.node(id)?.op === op;
  const last = new Map(
    misses.filter(({ node }) => remains(node)).map((miss) => [`${miss.rule} ${miss.node.id}`, miss]),
  );
  const explained = new Set<string>();
  for (const miss of last.values()) {
    if (isUnrelated(miss)) continue;
    explained.add(miss.node.id);
    onMiss(miss);
  }
  for (const id of editor.nodeIds) {
    const quantize = editor.view(qnnQuantize, editor.node(id));
    if (quantize === undefined || explained.has(id)) continue;
    const source = editor.producer(quantize.x.id);
    if (source === undefined) continue;
    onMiss({
      rule: 'group-qdq',
      node: quantize.node,
      reason: `${source.op} in front of the quantize has no integer form here`,
      operand: source.id,
    });
  }
}
