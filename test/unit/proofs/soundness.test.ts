/**
 * Pairs of graphs that differ, each made to slip through one argument of the checker: none may be proved. Inputs are given
 * on which the interpreter sees the difference, so that a pair that means the same cannot stay here unnoticed.
 */
import { describe, expect, it } from 'vitest';
import { type DType, type Feeds, type Graph, parse, tensor, type ValueId, verify } from '../../../src/ir/index.ts';
import { checkGraphs } from '../../../src/proofs/check.ts';
import { isProved, isRefuted } from '../../../src/proofs/obligation.ts';
import { Session } from '../../../src/proofs/session.ts';
import { compareGraphs, feedsOf } from '../../../src/testing/index.ts';
import { differing, equal, type Pair } from './pairs.ts';

const write = ({ inputs, outputs = '%y', constants }: Pair, body: string): Graph =>
  parse(`graph @main(${inputs}) -> (${outputs}) {
  ${body}
}
${constants ? `constants {\n  ${constants}\n}\n` : ''}`);

/** The pair as two graphs of one pool, in which equal tensors are one object. */
function graphsOf(pair: Pair): readonly [Graph, Graph] {
  const [before, after] = [write(pair, pair.before), write(pair, pair.after)];
  const known = new Map<string, NonNullable<Graph['values'][ValueId]['constant']>>();
  const shared = (graph: Graph): Graph => ({
    ...graph,
    pool: before.pool,
    values: Object.fromEntries(
      Object.entries(graph.values).map(([id, value]) => {
        if (value.constant === undefined) return [id, value];
        const hash = graph.pool.hash(value.constant);
        const constant = known.get(hash) ?? before.pool.add(graph.pool.get(value.constant));
        known.set(hash, constant);
        return [id, { ...value, constant }];
      }),
    ),
  });
  return [shared(before), shared(after)];
}

function feedsFor(before: Graph, x: NonNullable<Pair['x']>): Feeds {
  const [first] = before.inputs;
  const given = Array.isArray(x) ? { [first]: x } : (x as Readonly<Record<string, readonly number[]>>);
  return Object.fromEntries(
    Object.entries(given).map(([id, elements]) => {
      const { dtype, shape } = before.values[id as ValueId].type;
      const sizes = shape.map((dim) => (typeof dim === 'number' ? dim : elements.length));
      const wide = dtype === 's64' ? elements.map(BigInt) : elements;
      return [id, tensor(dtype as DType, wide as number[], sizes)];
    }),
  );
}

function verdictOf(before: Graph, after: Graph): 'proved' | 'refuted' | 'open' {
  const regions = [...checkGraphs(before, after, new Session(665)).values()];
  const obligations = regions.flatMap((region) => region.obligations);
  return obligations.some(isRefuted) ? 'refuted' : obligations.every(isProved) ? 'proved' : 'open';
}

describe('graphs that differ are not proved equal', () => {
  for (const [name, pair] of Object.entries(differing))
    it(name, () => {
      const [before, after] = graphsOf(pair);
      expect([...verify(before), ...verify(after)]).toEqual([]);
      expect(compareGraphs(before, after, feedsFor(before, pair.x ?? []))).toBeDefined();
      expect(verdictOf(before, after)).not.toBe('proved');
    });
});

describe('graphs that mean the same are proved equal', () => {
  for (const [name, pair] of Object.entries(equal))
    it(name, () => {
      const [before, after] = graphsOf(pair);
      expect([...verify(before), ...verify(after)]).toEqual([]);
      for (let seed = 0; seed < 5; seed++)
        expect(compareGraphs(before, after, feedsOf(before, { pattern: 'random', seed }))).toBeUndefined();
      expect(verdictOf(before, after)).toBe('proved');
    });
});

describe('graphs with other inputs or outputs are not proved equal', () => {
  const before = write(
    { inputs: '%x: u8[2]', outputs: '%a, %b', before: '', after: '' },
    '%a = nn.identity(%x) : u8[2] %b = nn.add(%x, 1:u8) : u8[2]',
  );
  const others: Record<string, [inputs: string, outputs: string, body: string]> = {
    'an output that is gone': ['%x: u8[2]', '%a', '%a = nn.identity(%x) : u8[2]'],
    'outputs in another order': ['%x: u8[2]', '%b, %a', '%a = nn.identity(%x) : u8[2] %b = nn.add(%x, 1:u8) : u8[2]'],
    'an output of another name': ['%x: u8[2]', '%a, %z', '%a = nn.identity(%x) : u8[2] %z = nn.add(%x, 2:u8) : u8[2]'],
    'an output of another type': [
      '%x: u8[2]',
      '%a, %b',
      '%a = nn.recentre(%x) {to="s8"} : s8[2] %b = nn.add(%x, 1:u8) : u8[2]',
    ],
    'an input that is computed': [
      '%x0: u8[2]',
      '%a, %b',
      '%x = nn.add(%x0, 1:u8) : u8[2] %a = nn.identity(%x) : u8[2] %b = nn.add(%x, 1:u8) : u8[2]',
    ],
  };
  for (const [name, [inputs, outputs, body]] of Object.entries(others))
    it(name, () => {
      expect(verdictOf(before, write({ inputs, outputs, before: '', after: '' }, body))).not.toBe('proved');
    });

  it("results in each other's place", () => {
    const split = (results: string) =>
      write(
        { inputs: '%x: u8[1]', outputs: '%p, %q', before: '', after: '' },
        `${results} = opaque(%x) {operator="Split", results=["u8[1]", "u8[1]"]} : u8[1], u8[1]`,
      );
    expect(verdictOf(split('%p, %q'), split('%q, %p'))).not.toBe('proved');
  });
});
