/** Every node of the corpus' integer models is certified bit-exact, with VNNI and without it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import type { Isa } from '../../../src/codegen/onednn/machine.ts';
import { select } from '../../../src/codegen/select.ts';
import { defaultTarget, resolveTarget } from '../../../src/codegen/targets.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import type { CertificateEntry } from '../../../src/passes/certificate.ts';
import { legalizeFor } from '../../../src/passes/legalize.ts';
import { runPipeline } from '../../../src/passes/manager.ts';
import { portableBackend } from '../../../src/runtime/backends.ts';
import { allCases } from '../../conformance/cases.ts';
import { describeCorpus, isWhole, many } from '../../support/corpus.ts';

const deep = process.env.UNSKEW_DEEP !== undefined;
const which = deep ? /./ : /(digits_a|mlp_a|tfm_a)-qop-/;
const mobilenet = 'real/mobilenet_quantized/mobilenet_quantized-torchexport-opset13.onnx';

interface Model {
  readonly file: string;
  readonly bytes: Uint8Array;
}

function models(root: string): Model[] {
  const files = new Map(
    allCases()
      .filter(({ kind, file }) => ['onnx', 'real-model', 'ort-model'].includes(kind) && which.test(file))
      .map((c) => [c.file, c.model]),
  );
  const all = [...files].map(([file, read]) => ({ file, bytes: read() }));
  const file = join(root, mobilenet);
  return deep && isWhole ? [...all, { file, bytes: new Uint8Array(readFileSync(file)) }] : all;
}

function certified({ file, bytes }: Model, isa: Isa): readonly CertificateEntry[] {
  const target = resolveTarget({ ...defaultTarget('onednn'), isa });
  const legal = legalizeFor(importOnnx(bytes, { file }), target);
  const { entries, selection = [] } = legal.certify(
    runPipeline(legal.graph, [select(portableBackend)], { target }).graph,
  );
  return [...entries, ...selection];
}

describeCorpus('models of the corpus', (root) => {
  let all: readonly Model[] = [];
  beforeAll(() => {
    all = models(root);
  });

  it.each(['vnni', 'avx512', 'avx2'] as const)('are bit-exact, node by node, on %s', { timeout: 600_000 }, (isa) => {
    expect(all.length).toBeGreaterThanOrEqual(many(deep ? 70 : 5));
    const entries = all.flatMap((model) => certified(model, isa).map((entry) => ({ file: model.file, ...entry })));
    expect(entries.filter(({ exactness }) => exactness !== 'bit-exact')).toEqual([]);
    const saturations = entries.flatMap(({ obligations = [] }) => obligations.filter((o) => o.kind === 'saturation'));
    expect(saturations.length > 0).toBe(isa !== 'vnni');
    if (isa !== 'vnni') expect(saturations.some(({ method }) => method.includes('lanes in the place of'))).toBe(true);
  });
});
