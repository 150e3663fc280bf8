import type { Value, ValueId } from '../../ir/index.ts';
import { isOp } from '../../ir/index.ts';
import { nnAdd } from '../../ir/ops/nn_elementwise_binary.op.ts';
import type { Site } from '../qdq/plan.ts';
import { defineRule } from '../rewrite/rule.ts';

interface Sum {
  readonly x: Value;
  readonly constant: Value<'s32'>;
}

/** x + c with constant c, on either side. */
function sumAt({ graph }: Site, id: ValueId): Sum | undefined {
  const node = graph.producer(id);
  if (!isOp(node, nnAdd) || graph.type(id).dtype !== 's32') return undefined;
  const [a, b] = node.operands.map((operand) => graph.value(operand!));
  if (graph.isConstant(b.id)) return { x: a, constant: b as Value<'s32'> };
  return graph.isConstant(a.id) ? { x: b, constant: a as Value<'s32'> } : undefined;
}

const outer = (match: Site): Sum | undefined => sumAt(match, match.node.results[0]);

/** Two int32 biases, for instance one of the model and one that corrects a zero point. Floats would round differently. */
export const addOfAdd = defineRule({
  name: 'add-of-add',
  root: nnAdd,
  law: '(x + c) + d = x + (c + d)   in s32, modulo 2^32',
  exactness: 'bit-exact',
  where(match, miss) {
    const sum = outer(match);
    if (sum === undefined) return miss('it adds no s32 constant');
    if (sumAt(match, sum.x.id) === undefined) return miss('no s32 constant was added before', sum.x);
    if (!match.graph.isPrivate(sum.x.id)) return miss(`%${sum.x.id} has other readers`, sum.x);
    return undefined;
  },
  rewrite(match, { add }) {
    const { x, constant } = outer(match)!;
    const before = sumAt(match, x.id)!;
    return add(before.x as Value<'s32'>, add(before.constant, constant));
  },
  wrong: {
    what: 'keeps the inner constant and drops the outer one',
    rewrite: (match, { add }) => {
      const { x, constant } = outer(match)!;
      const before = sumAt(match, x.id)!;
      return add(add(before.x as Value<'s32'>, before.constant), add(constant, before.constant));
    },
  },
});
