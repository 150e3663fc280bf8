/** The way that a layer takes after one that was not proved. */
import { expect, it } from 'vitest';
import type { Certificate } from '../../../src/passes/certificate.ts';
import { otherWays, type Tried } from '../../../src/passes/other_ways.ts';
import type { StrategyReport } from '../../../src/passes/strategies.ts';
import type { Obligation } from '../../../src/proofs/obligation.ts';

const costs = { fold: 1, pad: 1.2, 'four-term': 3 };
const refuted = { refuted: { inputs: {}, output: 'y', index: [0], before: 1, after: 2 } };
const open = { open: 'not decided' };

/** The ways of one layer in the order in which they are taken, when each of them has this verdict. */
function taken(verdicts: Readonly<Record<keyof typeof costs, Obligation['verdict']>>): string[] {
  const tried: Tried = new Map();
  const order: string[] = [];
  for (let way = 'fold' as keyof typeof costs; order.length < 10; ) {
    order.push(way);
    const obligations = [{ kind: 'identity', what: '', method: '', verdict: verdicts[way] } as const];
    const certificate = {
      entries: [{ node: 'y', layer: 'y', rules: [], exactness: 'bit-exact', obligations }],
    } as unknown as Certificate;
    const ways = Object.entries(costs).map(([name, cost]) => ({ name, cost, legal: true }));
    const report = { node: 'y', layer: 'y', op: 'qnn.conv', ways, chosen: way } as unknown as StrategyReport;
    const other = otherWays(certificate, [report], tried) as Record<string, keyof typeof costs> | undefined;
    if (other === undefined) return order;
    way = other.y;
  }
  throw new Error('it goes on for ever');
}

it('the next cheapest is taken until one is proved', () => {
  expect(taken({ fold: open, pad: 'proved', 'four-term': 'proved' })).toEqual(['fold', 'pad']);
  expect(taken({ fold: refuted, pad: open, 'four-term': 'proved' })).toEqual(['fold', 'pad', 'four-term']);
});

it('where no way is proved, the cheapest that was not refuted stays', () => {
  expect(taken({ fold: open, pad: open, 'four-term': open })).toEqual(['fold', 'pad', 'four-term', 'fold']);
  expect(taken({ fold: refuted, pad: open, 'four-term': open })).toEqual(['fold', 'pad', 'four-term', 'pad']);
});

it('the last stays where all are refuted', () => {
  expect(taken({ fold: refuted, pad: refuted, 'four-term': refuted })).toEqual(['fold', 'pad', 'four-term']);
});
