/** A slice of the sweep (`npm run sweep`): a layer of each kind on each engine; and the sweep finds wrong results. */
import { describe, expect, it } from 'vitest';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { type ITensor, interpret } from '../../src/ir/index.ts';
import { loadAddon } from '../../src/runtime/addon.ts';
import { compared, judgeCompiled, judgeMeaning } from './judge.ts';
import { designOf, type Kind, layerOf } from './kind.ts';
import { kinds } from './kinds/index.ts';

const kindOf = (name: string): Kind => kinds.find((kind) => kind.name === name) as Kind;

describe('a covering design', () => {
  it.each(['QDQ Resize', 'non-finite arithmetic', 'DynamicQuantizeLinear'])(
    'of %s has every two values of two dimensions',
    (name) => {
      const kind = kindOf(name);
      const sizes = Object.values(kind.dimensions).map((values) => values.length);
      const rows = designOf(kind);
      for (const [a, m] of sizes.entries())
        for (const [b, n] of sizes.entries())
          if (a < b) expect(new Set(rows.map((row) => `${row[a]} ${row[b]}`)).size).toBe(m * n);
      const all = sizes.reduce((product, size) => product * size, 1);
      expect(rows.length).toBeLessThan(all / 3);
    },
  );
});

describe('layers', () => {
  it('have a kind of one name, and are the same whenever they are made', () => {
    expect(new Set(kinds.map(({ name }) => name)).size).toBe(kinds.length);
    for (const kind of kinds) expect(layerOf(kind, 7)).toEqual(layerOf(kind, 7));
  });
});

describe('the judge', () => {
  const layer = layerOf(kindOf('QLinearConv'), 3);
  const graph = importOnnx(layer.bytes);
  const [feeds] = layer.feeds;
  const expected = interpret(graph, feeds);
  const off = (y: ITensor, by: number): ITensor =>
    ({ ...y, data: (y.data as Uint8Array).map((v) => v + by) }) as ITensor;
  const judged = (by: number) =>
    compared({
      column: '',
      what: '',
      claim: () => ({ graph, engine: 'compiled' }),
      feeds,
      expected,
      found: { ...expected, y0: off(expected.y0, by) },
    });

  it('sees one step of an integer', async () => {
    expect((await judged(0)).verdict).toBe('equal');
    expect((await judged(1)).verdict).toBe('differs');
  });

  it('sees a result that is missing', async () => {
    const found = { y0: off(expected.y0, 0), y1: expected.y0 };
    const claim = () => ({ graph, engine: 'compiled' }) as const;
    const outcome = await compared({ column: '', what: '', claim, feeds, expected: found, found: { y0: found.y0 } });
    expect(outcome.verdict).toBe('differs');
  });
});

describe('a layer of each kind', () => {
  it.each(kinds.map(({ name }, i) => [name, i] as const))('%s', async (name, i) => {
    const layer = layerOf(kindOf(name), i);
    const outcomes = [...(await judgeMeaning(layer)), await judgeCompiled(layer, loadAddon().isa)];
    expect(outcomes.filter(({ verdict }) => verdict === 'differs')).toEqual([]);
  });
});
