/** TorchScript archives against PyTorch's own outputs. The table: `npx tsx test/conformance/torchscript_report.ts`. */
import { expect, it } from 'vitest';
import { describeCorpus, itWhole, many } from '../support/corpus.ts';
import { hasVnni, SATURATES } from '../support/exact_weights.ts';
import {
  accuracyOf,
  asOnnx,
  layersOf,
  mobilenetLayers,
  mobilenetLogits,
  onAddon,
  onePerCall,
  onInterpreter,
  torchCases,
  transformer,
} from './torchscript.ts';

const exact = { differing: 0, greatest: 0 };

/** A quantization on the edge of two integers, after float arithmetic that PyTorch's kernels round otherwise than ours. */
const known: Readonly<Record<string, number>> = { 'tfm_a-dynamic-qnnpack-trace-torch2.6.0.pt': 10 };

describeCorpus('TorchScript archives', (root) => {
  const cases = torchCases(root);

  it('are all of the corpus', () => {
    expect(cases.filter(({ isDynamic }) => !isDynamic).length).toBeGreaterThanOrEqual(many(35));
    expect(cases.filter(({ isDynamic }) => isDynamic).length).toBeGreaterThanOrEqual(many(4));
  });

  it.each(cases.filter((c) => !c.isDynamic).map((c) => [c.id, c] as const))('%s: every integer', async (_id, c) => {
    expect(await onInterpreter(c, 4)).toMatchObject(exact);
    expect(await onAddon(c, 64)).toMatchObject({ ...exact, outputs: c.expected.data.length });
  });

  it.each(cases.filter((c) => c.isDynamic).map((c) => [c.id, c] as const))('%s: within 1e-4', async (id, c) => {
    const { differing } = await onInterpreter(c, c.inputs.shape[0]);
    expect(differing).toBe(known[id] ?? 0);
    expect((await onAddon(c, c.inputs.shape[0])).differing).toBe(differing);
  });

  it.each(cases.filter((c) => c.isDynamic).map((c) => [c.id, c] as const))(
    '%s: within 1e-5, one image per call',
    async (_id, c) => {
      expect(await onePerCall(root, c)).toBeLessThan(1e-5);
    },
  );

  it.for(cases.map((c) => [c.id, c] as const))(
    '%s: the same as plain ONNX in ONNX Runtime',
    async ([id, c], { skip }) => {
      skip(!hasVnni, SATURATES);
      const count = c.isDynamic ? c.inputs.shape[0] : 16;
      for (const optimization of ['disabled', 'all'] as const)
        expect((await asOnnx(c, count, optimization)).differing).toBe(known[id] ?? 0);
    },
  );

  it.each(cases.map((c) => [c.id, c] as const))('%s: its accuracy', async (_id, c) => {
    expect(await accuracyOf(root, c)).toBeCloseTo(c.accuracy, c.isDynamic ? 2 : 12);
  });

  it.each(cases.filter((c) => 'intermediates_first4' in (c.entry.expected as object)).map((c) => [c.id, c] as const))(
    '%s: layer by layer',
    async (_id, c) => {
      const layers = await layersOf(root, c);
      expect(layers).toMatchObject({ differing: 0 });
      expect(layers?.layers).toBeGreaterThanOrEqual(10);
    },
  );

  for (const engine of ['qnnpack', 'onednn'] as const)
    itWhole(`MobileNetV2, engine ${engine}: every logit and every layer`, async () => {
      expect(await mobilenetLogits(root, engine, true)).toEqual({ outputs: 3000, ...exact });
      const layers = await mobilenetLayers(root, engine);
      expect(layers).toMatchObject({ differing: 0 });
      expect(layers.layers).toBeGreaterThanOrEqual(64);
    });

  for (const [engine, near] of [
    ['qnnpack', 60],
    ['onednn', 64],
  ] as const)
    itWhole(`a vision transformer, engine ${engine}: every class, most logits`, async () => {
      expect(await transformer(root, engine)).toMatchObject({ images: 64, sameClass: 64, near });
    });
});
