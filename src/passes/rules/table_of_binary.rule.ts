import {
  type ByteType,
  byteTypes,
  evaluateNode,
  type ITensor,
  isTensorOf,
  type Node,
  qnnAdd,
  qnnLut,
  qnnMul,
  sizeOf,
  tensor,
  tensorOfType,
  type Value,
} from '../../ir/index.ts';
import { allValues } from '../qdq/table.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import { planned, type Refusals } from '../rewrite/plan.ts';
import { defineRule, type Match } from '../rewrite/rule.ts';

/**
 * a ∘ c, c ∘ a, or operands that are the tensor or a table of it: a function of one byte. The values are the operator's own, in its own
 * order of operands.
 */
interface OneByte {
  readonly x: Value<ByteType>;
  readonly node: Node;
  /** By position: a constant, the table that an operand looks x up in, or undefined for x itself. */
  readonly operands: readonly (ITensor | undefined)[];
  readonly tables: ReadonlyMap<number, ITensor<ByteType>>;
}

type BinaryMatch = Match<typeof qnnAdd.operands>;

/** The positions of the operands of qnn.add and qnn.mul. */
const [A, B] = [0, 3];

/** The tensor that an operand is a function of: itself, or what a constant table is read with. */
function sourceOf({ graph }: BinaryMatch, operand: Value<ByteType>) {
  const lut = graph.view(qnnLut, graph.producer(operand.id));
  const table = lut && graph.tensor(lut.table);
  return lut && table && isTensorOf(table, ...byteTypes) ? { x: lut.x, table } : { x: operand, table: undefined };
}

function plan(match: BinaryMatch, { refuse, unrelated }: Refusals): OneByte {
  const { graph, node, a, b } = match;
  const values = node.operands.flatMap((id) => (id === null ? [] : graph.value(id)));
  const constants = values.map((v) => graph.tensor(v));
  const [constantA, constantB] = [constants[A], constants[B]];
  if (constantA && constantB) return unrelated('it depends on no tensor');
  const constant = constantA ?? constantB;
  if (constant && constant.data.length !== 1) return unrelated('the constant has a value for each element');
  const moving = [A, B].filter((at) => constants[at] === undefined);
  const sources = moving.map((at) => sourceOf(match, at === A ? a : b));
  // beside a constant a table in front is composed later
  const whole = moving.length === 1 ? (constantA ? b : a) : a.id === b.id ? a : undefined;
  const x = whole ?? sources[0].x;
  if (whole === undefined && sources[1].x.id !== x.id) return unrelated('it depends on two tensors');
  const { shape } = x.type;
  if (constant && constant.shape.length > shape.length) return unrelated('the constant adds dimensions');
  // Of two operands of one element the other goes first: see qlinearAddSwaps.
  if (!shape.some((dim) => typeof dim === 'number' && dim > 1))
    refuse('the tensor may have one element alone, for which the order of the sum is another', x);
  const parameters = values.findIndex((_, at) => at !== A && at !== B && constants[at] === undefined);
  if (parameters >= 0) refuse('a scale or zero point is computed at run time', values[parameters]);
  const tables = whole ? [] : moving.flatMap((at, i) => (sources[i].table ? [[at, sources[i].table] as const] : []));
  return { x, node, operands: constants, tables: new Map(tables) };
}

function emit({ x, node, operands, tables }: OneByte, a: Algebra): Value {
  const all = allValues(x);
  const flat = operands.map((constant, at) => {
    const table = tables.get(at);
    if (table) return lookedUp(all, table);
    return constant === undefined ? all : { ...constant, shape: sizeOf(constant.shape) === 1 ? [] : constant.shape };
  });
  const [table] = evaluateNode(node, flat);
  return a.emit(qnnLut, { x, table: a.constant(tensorOfType(table, ...byteTypes)) });
}

const lookedUp = (all: ITensor<ByteType>, table: ITensor<ByteType>): ITensor<ByteType> =>
  tensor(
    table.dtype,
    Array.from(all.data, (q) => table.data[q & 255]),
    all.shape,
  );

const law = (op: string) =>
  `${op}(x, c; …) = lut(x; t),   t[q] = ${op}(q, c; …) for the 256 values of x; c one constant, x itself, or a table of x`;
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
