import { expect, it } from 'vitest';
import { allOps, bodiesIn, hasBodies } from '../../../src/ir/index.ts';

it('operators on integers that stand for numbers say so, and no others', () => {
  for (const { name, traits } of allOps)
    expect([name, traits.includes('quantized')]).toEqual([name, /^qnn\./.test(name)]);
});

it('operators that hold graphs say so, and no others', () => {
  for (const op of allOps) {
    const holds = Object.values(op.attrs).some(({ kind }) => kind === 'graph');
    expect([op.name, hasBodies({ op: op.name })]).toEqual([op.name, holds]);
    if (!holds) expect(bodiesIn({ op: op.name, attrs: {} } as never)).toEqual([]);
  }
});
