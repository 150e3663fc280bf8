import { isOfType, nnAdd, type Value, type ValueId } from '../../ir/index.ts';
import { planned, type Refusals, type Site } from '../rewrite/plan.ts';
import { defineRule } from '../rewrite/rule.ts';

interface Sum {
  readonly x: Value<'s32'>;
  readonly constant: Value<'s32'>;
}

/** x + c with constant c, on either side. */
function sumAt({ graph }: Site, id: ValueId): Sum | undefined {
  const sum = graph.view(nnAdd, graph.producer(id));
  if (sum === undefined || !isOfType(sum.a, 's32') || !isOfType(sum.b, 's32')) return undefined;
  if (graph.isConstant(sum.b.id)) return { x: sum.a, constant: sum.b };
  return graph.isConstant(sum.a.id) ? { x: sum.b, constant: sum.a } : undefined;
}

/** (x + inner) + outer */
interface Sums {
  readonly x: Value<'s32'>;
  readonly inner: Value<'s32'>;
  readonly outer: Value<'s32'>;
}

function plan(site: Site, { refuse }: Refusals): Sums {
  const outer = sumAt(site, site.node.results[0]) ?? refuse('it adds no s32 constant');
  const inner = sumAt(site, outer.x.id) ?? refuse('no s32 constant was added before', outer.x);
  if (!site.graph.isPrivate(outer.x.id)) refuse(`%${outer.x.id} has other readers`, outer.x);
  return { x: inner.x, inner: inner.constant, outer: outer.constant };
}

/** Two int32 biases, for instance one of the model and one that corrects a zero point. Floats would round differently. */
export const addOfAdd = defineRule({
  name: 'add-of-add',
  root: nnAdd,
  law: '(x + c) + d = x + (c + d)   in s32, modulo 2^32',
  exactness: 'bit-exact',
  ...planned(plan, ({ x, inner, outer }, { add }) => add(x, add(inner, outer)), {
    what: 'keeps the inner constant and drops the outer one',
    emit: ({ x, inner, outer }, { add }) => add(add(x, inner), add(outer, inner)),
  }),
});
