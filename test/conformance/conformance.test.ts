/** The shared corpus on the interpreter. After a change: `npx tsx test/conformance/report.ts`. */
import { readFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { corpusEntries, describeCorpus, isWhole, itWhole, many } from '../support/corpus.ts';
import { accuracies } from './accuracy.ts';
import { knownDifferences } from './known.ts';
import { compareLayers, compareLogits, mobilenet } from './mobilenet.ts';
import { passingIds, type Result, runAll } from './results.ts';
import { interpreter } from './run_case.ts';

describeCorpus('conformance of the interpreter', (root) => {
  let results: readonly Result[] = [];
  beforeAll(async () => {
    results = await runAll(interpreter);
  }, 300_000);

  it('runs every entry of the corpus that is an ONNX model or a case of one', () => {
    const kinds = new Set(['onnx-node', 'ort-vectors', 'ort-model', 'onnx', 'onnx-float', 'real-model']);
    const entries = corpusEntries().filter(({ kind, path }) => kinds.has(kind) && !/\.(pt|ptl|tflite)$/.test(path));
    const files = new Set(results.map(({ case: c }) => c.id.replace(/#.*$/, '')));
    const ids = entries.map(({ kind, path }) =>
      kind === 'onnx-node'
        ? path.replace('onnx-node/', '').replace('/test_', '/')
        : path.replace(/^ort-vectors\/|\.jsonl$/g, ''),
    );
    // MobileNetV2 is compared below
    expect(ids.filter((id) => !files.has(id) && !id.startsWith('real/mobilenet_quantized/'))).toEqual([]);
  });

  it('gives no wrong answer but the known ones', () => {
    const wrong = results
      .filter(({ outcome }) => outcome.status === 'fails')
      .map(({ case: c, outcome }) => ({ id: c.id, outcome }));
    expect(wrong.filter(({ id }) => !Object.hasOwn(knownDifferences, id))).toEqual([]);
    const run = new Set(results.map(({ case: c }) => c.id));
    const known = Object.keys(knownDifferences).filter((id) => isWhole || run.has(id));
    expect(wrong.map(({ id }) => id).sort()).toEqual(known.sort());
  });

  it('supports all that it did', () => {
    const passing = new Set(results.filter(({ outcome }) => outcome.status === 'pass').map(({ case: c }) => c.id));
    const recorded = passingIds(readFileSync(new URL('passing.txt', import.meta.url), 'utf8'));
    expect(recorded.length).toBeGreaterThan(1690);
    const run = new Set(results.map(({ case: c }) => c.id));
    expect(passing.size).toBeGreaterThanOrEqual(many(1690));
    expect(recorded.filter((id) => !passing.has(id) && (isWhole || run.has(id)))).toEqual([]);
  });

  it('classifies as many test images of the trained networks as was recorded', async () => {
    const deep = Boolean(process.env.UNSKEW_DEEP);
    const found = await accuracies(root, interpreter, ({ net }) => deep || !String(net).startsWith('mbv2'));
    if (isWhole) expect(found.length).toBe(deep ? 40 : 32);
    expect(found.length).toBeGreaterThan(5);
    expect(found.filter(({ correct, recorded }) => correct !== recorded)).toEqual([]);
  }, 120_000);

  itWhole(
    'computes every layer of MobileNetV2 as PyTorch does, but for the biases that the export truncated',
    () => {
      const { layers, elements, byBias, other } = compareLayers(root, mobilenet(root));
      expect([layers, elements]).toEqual([66, 7_048_584]);
      // at ties: sums of floats are rounded to binary32 (docs/decisions.md), where PyTorch's are of integers
      expect(other).toBeLessThanOrEqual(3);
      expect(byBias / elements).toBeLessThan(0.005);
    },
    60_000,
  );

  itWhole(
    'classifies the photographs as every reference does, at most 8 steps away',
    async () => {
      const photographs = process.env.UNSKEW_DEEP ? 3 : 1;
      const distances = await compareLogits(root, mobilenet(root), interpreter, photographs);
      expect(distances.filter(({ sameClass, steps }) => !sameClass || steps > 8)).toEqual([]);
      expect(distances.length).toBe(5 * photographs);
    },
    120_000,
  );
});
