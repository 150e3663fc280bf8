import { dtypes, qnnLut, qnnQuantize, qnnRequantize, tensor, type Value } from '../../ir/index.ts';
import { outputOf, type QuantizeMatch } from '../qdq/parameters.ts';
import { clampBounds, type Table, tableOf } from '../qdq/table.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import { planned, type Refusals } from '../rewrite/plan.ts';
import { defineRule, type Match } from '../rewrite/rule.ts';

/**
 * Any elementwise function of one 8-bit tensor, requantization included. Other readers of the floats in between do not
 * matter: their operands stay, and the table costs less than the quantize alone.
 */
export const qdqTable = defineRule({
  name: 'qdq-table',
  root: qnnQuantize,
  law: 'quantize(f(dequantize(x))) = table[x],   table[q] = quantize(f(dequantize(q))) for the 256 values of x;   x itself when table[q] = q',
  exactness: 'bit-exact',
  ...planned(
    (match: QuantizeMatch, refusals: Refusals): Table => {
      outputOf(match, refusals);
      return tableOf(match, refusals);
    },
    (plan, a) => lookUp(a, plan),
    {
      what: 'indexes the table of a signed tensor from its least value instead of by byte, and rotates that of an unsigned one',
      emit: ({ x, table: { dtype, data } }, a) =>
        lookUp(a, {
          x,
          table: tensor(
            dtype,
            Array.from(data, (_, i) => data[(i + 128) & 255]),
          ),
        }),
    },
  ),
});

function lookUp(a: Algebra, { x, table }: Table): Value {
  const isIdentity = table.dtype === x.type.dtype && Array.from(table.data).every((y, byte) => (y & 255) === byte);
  return isIdentity ? x : a.emit(qnnLut, { x, table: a.constant(table) });
}

type LutMatch = Match<typeof qnnLut.operands, typeof qnnLut.attrs>;

/** The operator that a table reads, when the table is its only reader and a constant. */
const readBy = <D extends typeof qnnLut | typeof qnnRequantize>(
  { graph, x, table, constant }: LutMatch,
  op: D,
  { refuse, unrelated }: Refusals,
) => {
  const producer = graph.view(op, graph.producer(x.id)) ?? unrelated(`no ${op.name} computes %${x.id}`);
  if (!graph.isPrivate(x.id)) unrelated(`%${x.id} has other readers`);
  return { producer, outer: constant(table) ?? refuse('the table is computed at run time', table) };
};

export const tableOfTable = defineRule({
  name: 'table-of-table',
  root: qnnLut,
  law: 'lut(lut(x; t), u) = lut(x; u∘t)',
  exactness: 'bit-exact',
  ...planned(
    (match: LutMatch, refusals) => {
      const {
        producer: { x, table },
        outer,
      } = readBy(match, qnnLut, refusals);
      const inner = match.constant(table) ?? refusals.refuse('the inner table is computed at run time', table);
      return { x, outer, inner };
    },
    ({ x, inner, outer }, a) =>
      lookUp(a, {
        x,
        table: tensor(
          outer.dtype,
          Array.from(inner.data, (q) => outer.data[q & 255]),
        ),
      }),
    {
      what: 'composes the tables in the other order',
      emit: ({ x, inner, outer }, a) =>
        lookUp(a, {
          x,
          table: tensor(
            outer.dtype,
            Array.from(outer.data, (q) => inner.data[q & 255]),
          ),
        }),
    },
  ),
});

/** Relu between a requantization and the next quantize with the same parameters ends up here. */
export const tableOfRequantize = defineRule({
  name: 'table-of-requantize',
  root: qnnLut,
  law: 'clamp(requantize(x; …, low, high), l, h) = requantize(x; …, clamp(low), clamp(high))   for a table that is clamp(·, l, h)',
  exactness: 'bit-exact',
  ...planned(
    (match: LutMatch, refusals) => {
      const { producer, outer } = readBy(match, qnnRequantize, refusals);
      const { dtype } = match.x.type;
      const { min, max } = dtypes[dtype];
      const { low, high } = producer.attrs;
      const bounds = outer.dtype === dtype ? clampBounds(outer, Math.max(low, min), Math.min(high, max)) : undefined;
      if (bounds === undefined) return refusals.unrelated('the table is not a clamp of integers');
      return { producer: producer.node, bounds };
    },
    ({ producer, bounds: [low, high] }, a, { graph }) => narrowed(a, graph, producer, { low, high }),
    { what: 'keeps the wider range', emit: ({ producer }, a, { graph }) => narrowed(a, graph, producer, {}) },
  ),
});

function narrowed(
  a: Algebra,
  graph: LutMatch['graph'],
  node: LutMatch['node'],
  range: { low?: number; high?: number },
): Value {
  const operands = node.operands.map((id) => (id === null ? null : graph.value(id)));
  return a.b.emitList(qnnRequantize, operands, { ...node.attrs, ...range }, { loc: node.loc })[0];
}
