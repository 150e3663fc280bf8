import {
  type ByteType,
  byteTypes,
  evaluateNode,
  type ITensor,
  type Node,
  qnnAdd,
  qnnLut,
  qnnMul,
  sizeOf,
  tensorOfType,
  type Value,
} from '../../ir/index.ts';
import { allValues } from '../qdq/table.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import { planned, type Refusals } from '../rewrite/plan.ts';
import { defineRule, type Match } from '../rewrite/rule.ts';

/** a ∘ c, c ∘ a or a ∘ a: a function of one byte. The values are the operator's own, in its own order of operands. */
interface OneByte {
  readonly x: Value<ByteType>;
  readonly node: Node;
  readonly operands: readonly (ITensor | undefined)[];
}

/** The positions of the operands of qnn.add and qnn.mul. */
const [A, B] = [0, 3];

function plan({ graph, node, a, b }: Match<typeof qnnAdd.operands>, { refuse, unrelated }: Refusals): OneByte {
  const values = node.operands.flatMap((id) => (id === null ? [] : graph.value(id)));
  const constants = values.map((v) => graph.tensor(v));
  const moving = a.id === b.id ? [A, B] : [A, B].filter((at) => constants[at] === undefined);
  if (moving.length !== (a.id === b.id ? 2 : 1)) return unrelated('it depends on two tensors, or on none');
  const other = constants[moving[0] === A ? B : A];
  if (a.id !== b.id && other?.data.length !== 1) return unrelated('the constant has a value for each element');
  const x = moving[0] === A ? a : b;
  const { shape } = x.type;
  if (other && other.shape.length > shape.length) return unrelated('the constant adds dimensions');
  // Of two operands of one element the other goes first: see qlinearAddSwaps.
  if (!shape.some((dim) => typeof dim === 'number' && dim > 1))
    refuse('the tensor may have one element alone, for which the order of the sum is another', x);
  const parameters = values.findIndex((_, at) => at !== A && at !== B && constants[at] === undefined);
  if (parameters >= 0) refuse('a scale or zero point is computed at run time', values[parameters]);
  return { x, node, operands: constants.map((c, at) => (moving.includes(at) ? undefined : c)) };
}

function emit({ x, node, operands }: OneByte, a: Algebra): Value {
  const all = allValues(x);
  const flat = operands.map((c) => (c === undefined ? all : { ...c, shape: sizeOf(c.shape) === 1 ? [] : c.shape }));
  const [table] = evaluateNode(node, flat);
  return a.emit(qnnLut, { x, table: a.constant(tensorOfType(table, ...byteTypes)) });
}

const law = (op: string) =>
  `${op}(x, c; …) = lut(x; t),   t[q] = ${op}(q, c; …) for the 256 values of x; c one constant, or x itself`;
const wrong = {
  what: 'takes the scale of the constant for that of the result',
  emit: (one: OneByte, a: Algebra): Value =>
    emit({ ...one, operands: one.operands.with(6, one.operands[one.operands[A] ? 1 : 4]) }, a),
};
const parts = planned(plan, emit, wrong);

export const tableOfAdd = defineRule({
  name: 'table-of-add',
  root: qnnAdd,
  law: law('qadd'),
  exactness: 'bit-exact',
  ...parts,
});
export const tableOfMul = defineRule({
  name: 'table-of-mul',
  root: qnnMul,
  law: law('qmul'),
  exactness: 'bit-exact',
  ...parts,
});
