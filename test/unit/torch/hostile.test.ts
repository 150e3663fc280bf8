/** Damaged archives of the corpus: whatever is wrong with the bytes, the answer is an error of ours, and soon. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { UnskewError } from '../../../src/diagnostics/index.ts';
import { constantOf, verify } from '../../../src/ir/index.ts';
import type { ValueId } from '../../../src/ir/types.ts';
import { importModel } from '../../../src/runtime/import_model.ts';
import { describeCorpus } from '../../support/corpus.ts';
import { pickle, zip } from './archives.ts';

const folder = 'nets/digits_a/torchscript';
const files = [
  'digits_a-fx-qnnpack-pc-hist-frozen-torch2.6.0.pt',
  'digits_a-eager-qnnpack-pta-hist-script-torch2.6.0.pt',
  'digits_a-fx-qnnpack-pc-hist-mobile-torch2.6.0.ptl',
];

/** Longest time for one damaged file, which a sound one takes a twentieth of. */
const MOST_MILLISECONDS = 2000;

/** Imports and looks at every constant; returns the refusal, undefined without one. */
async function outcome(bytes: Uint8Array): Promise<UnskewError | undefined> {
  const start = performance.now();
  try {
    const graph = await importModel(bytes);
    for (const id of Object.keys(graph.values)) constantOf(graph, id as ValueId);
    expect(verify(graph)).toEqual([]);
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(UnskewError);
    return error as UnskewError;
  } finally {
    expect(performance.now() - start).toBeLessThan(MOST_MILLISECONDS);
  }
}

/** Deterministic numbers below a limit. */
function random(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

describeCorpus('damaged archives', (root) => {
  const archives = files.map((file) => [file, new Uint8Array(readFileSync(join(root, folder, file)))] as const);

  it.each(archives)('%s, cut at every sixteenth', async (_file, whole) => {
    for (let i = 0; i < 16; i++) {
      const error = await outcome(whole.subarray(0, Math.floor((whole.length * i) / 16)));
      expect(error?.code).toMatch(/^U100[2-4]$/);
    }
    expect(await outcome(whole)).toBeUndefined();
  });

  it.each(archives)('%s, with bits flipped', { timeout: 120_000 }, async (_file, whole) => {
    const draw = random(whole.length);
    for (let run = 0; run < 150; run++) {
      const bytes = whole.slice();
      for (let flips = 1 + draw(4); flips > 0; flips--) bytes[draw(bytes.length)] ^= 1 << draw(8);
      await outcome(bytes);
    }
  });

  // most bits of a file are weights: these flips are where the structure is
  it.each(archives)(
    '%s, with bits of its pickles and its directory flipped',
    { timeout: 120_000 },
    async (_file, whole) => {
      const text = Buffer.from(whole).toString('latin1');
      const places = ['data.pkl', 'constants.pkl', 'PK\x01\x02', 'PK\x05\x06']
        .map((mark) => text.indexOf(mark))
        .filter((at) => at >= 0);
      const draw = random(1 + whole.length);
      let refused = 0;
      for (let run = 0; run < 300; run++) {
        const bytes = whole.slice();
        const at = places[draw(places.length)] + draw(400);
        if (at < bytes.length) bytes[at] ^= 1 << draw(8);
        if (await outcome(bytes)) refused++;
      }
      expect(refused).toBeGreaterThan(30);
    },
  );
});

it('a deep pickle is refused or read, never a crash', async () => {
  const deep = Buffer.concat([Buffer.alloc(500_000, '('), Buffer.from('N'), Buffer.alloc(500_000, 't')]);
  const bytes = zip([
    { name: 'm/data.pkl', data: pickle(deep) },
    { name: 'm/code/__torch__.py', data: '', deflate: true },
    { name: 'm/constants.pkl', data: Buffer.from(').') },
  ]);
  expect((await outcome(bytes))?.code).toBe('U1004');
});
