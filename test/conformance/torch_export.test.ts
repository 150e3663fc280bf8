/** Programs of torch.export against PyTorch's own outputs. The table: `npx tsx test/conformance/torch_export_report.ts`. */
import { expect, it } from 'vitest';
import { nodesOf } from '../../src/ir/graph.ts';
import { describeCorpus, many } from '../support/corpus.ts';
import { correctOf, differenceOf, exportCases, modelsOf, resultOf } from './torch_export.ts';

/** The float sums of PyTorch's kernels are ordered otherwise: a value near a tie may move by one step, and others after it. */
const PROGRAM_STEPS = 1.01;
/** Integer kernels round a float bias and average in integers: as far as the corpus states for its deeper networks. */
const INTEGER_STEPS = 6.01;

/** Networks in which no value lies that near to a tie. */
const exact = /^(mlp_a.*|digits_c-pt2e-x86.*|tfm_a-pt2e-x86.*|.*_dyn-.*)\.pt2$/;

describeCorpus('programs of torch.export', (root) => {
  const cases = exportCases(root);

  it('are all of the corpus', () => expect(cases.length).toBeGreaterThanOrEqual(many(16)));

  it.each(cases.map((c) => [c.id, c] as const))('%s', { timeout: 120_000 }, async (id, c) => {
    const { graph, quantized, program, integers, compiled } = await modelsOf(c);
    expect(graph.origin?.unsupported).toEqual([]);

    const asImported = differenceOf(c, await resultOf(c, program));
    expect(asImported.steps).toBeLessThanOrEqual(exact.test(id) ? 1e-3 : PROGRAM_STEPS);
    expect(asImported.otherClass).toBe(0);

    const inIntegers = await resultOf(c, integers);
    const difference = differenceOf(c, inIntegers);
    expect(difference.steps).toBeLessThanOrEqual(INTEGER_STEPS);
    expect(difference.otherClass).toBe(0);

    const onAddon = await resultOf(c, compiled);
    if (c.isDynamic) expect(differenceOf(c, onAddon).differing).toBe(0);
    else {
      expect(onAddon).toEqual(inIntegers);
      const products = nodesOf(quantized).filter(({ op }) => /^qnn\.(conv|matmul)$/.test(op));
      expect(products.length).toBeGreaterThanOrEqual(3);
    }
    expect(await correctOf(c, compiled)).toBe(c.correct);
  });
});
