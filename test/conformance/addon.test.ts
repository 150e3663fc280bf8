/** The shared corpus on the addon: it passes every case that the interpreter passes, with the interpreter's very integers. */
import { beforeAll, expect, it } from 'vitest';
import { type ITensor, isFloat, nodesOf } from '../../src/ir/index.ts';
import { addonAvailable } from '../../src/runtime/addon.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { Model } from '../../src/runtime/model.ts';
import { toPublic } from '../../src/tensors/tensor.ts';
import { describeCorpus, many } from '../support/corpus.ts';
import { knownDifferences } from './known.ts';
import { type Result, runAll } from './results.ts';
import type { Backend } from './run_case.ts';

/** Cases whose integers, or whose floats by more than rounding, differ between addon and interpreter. */
const unequal: string[] = [];
let fallbacks = 0;

const addon: Backend = (graph, feeds) => {
  const compiled = compileGraph(graph, { threads: 1 });
  const model = new Model(compiled, { threads: 1 });
  const given = Object.fromEntries(Object.entries(feeds).map(([name, t]) => [name, toPublic(t)]));
  const results = model.runSync(given);
  const expected = new Model(compiled, { backend: 'reference' }).runSync(given);
  if (model.fallbacks.length > 0) fallbacks++;
  model.dispose();
  return Object.fromEntries(
    graph.outputs.map((id): [string, ITensor] => {
      const { dtype } = graph.values[id].type as { dtype: ITensor['dtype'] };
      const [a, b] = [results[id], expected[id]];
      // 16-bit activations stay float: a float sum in another order may land one 16-bit step (about 1e-4) away.
      const bound = nodesOf(compiled.graph).some((n) => n.attrs.dtype === 'u16') ? 5e-4 : 1e-5;
      const close = (x: number, y: number) =>
        Object.is(x, y) || x === y || Math.abs(x - y) <= bound * Math.max(1, Math.abs(y));
      const [p, q] = [a.data as ArrayLike<number>, b.data as ArrayLike<number>];
      for (let i = 0; i < p.length; i++) {
        if (isFloat(dtype) && dtype !== 'f16' && dtype !== 'bf16' ? close(p[i], q[i]) : p[i] === q[i]) continue;
        unequal.push(`${graph.name} %${id}[${i}]: ${p[i]} on the addon, ${q[i]} on the interpreter`);
        break;
      }
      return [id, { dtype, shape: a.dims, data: a.data as never }];
    }),
  );
};

describeCorpus('conformance of the addon', () => {
  const { available } = addonAvailable();
  let results: readonly Result[] = [];
  beforeAll(async () => {
    if (available) results = await runAll(addon);
  }, 300_000);

  it('gives no wrong answer but the known ones', ({ skip }) => {
    if (!available) skip('the addon is not built');
    const wrong = results.filter(({ outcome }) => outcome.status === 'fails');
    const unknown = wrong.filter(({ case: c }) => !Object.hasOwn(knownDifferences, c.id));
    expect(unknown.map(({ case: c, outcome }) => ({ id: c.id, outcome }))).toEqual([]);
    expect(results.filter(({ outcome }) => outcome.status === 'pass').length).toBeGreaterThanOrEqual(many(1690));
  });

  it('computes the interpreter’s results, integers exactly', ({ skip }) => {
    if (!available) skip('the addon is not built');
    expect(unequal).toEqual([]);
    expect(fallbacks).toBeGreaterThan(0); // operators without a primitive do occur in the corpus
  });
});
