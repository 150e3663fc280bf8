/**
 * Damaged archives, real and written ones: whatever is wrong inside, the answer is a graph or an error of ours, soon and in
 * little memory. With UNSKEW_DEEP thousands of them; UNSKEW_SEED begins elsewhere.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { UnskewError } from '../../../src/diagnostics/index.ts';
import { importModel } from '../../../src/importers/import_model.ts';
import { constantOf, verify } from '../../../src/ir/index.ts';
import type { ValueId } from '../../../src/ir/types.ts';
import { corpusRoot } from '../../support/corpus.ts';
import { type Entry, forward, script } from './archives.ts';
import { entriesOf, mutated, random } from './mutations.ts';

const deep = process.env.UNSKEW_DEEP !== undefined;
const runs = deep ? Number(process.env.UNSKEW_RUNS ?? 3000) : 25;
const seed = Number(process.env.UNSKEW_SEED ?? 1);
/** A sound archive of these takes a hundredth of the time and a tenth of the memory. */
const MOST_MILLISECONDS = 2000;
const MOST_BYTES = 512 * 2 ** 20;

const operators: Readonly<Record<string, Readonly<Record<string, { readonly lines: readonly string[] }>>>> = JSON.parse(
  readFileSync(new URL('operators.json', import.meta.url), 'utf8'),
);

/** All operators of operators.json in one archive. */
function written(): Uint8Array {
  const all = Object.values(operators).flatMap((group) => Object.values(group).map(({ lines }) => lines));
  const body = all.flatMap((lines, i) => [
    ...lines.slice(0, -1),
    `result${i} = torch.dequantize(${lines[lines.length - 1]})`,
  ]);
  const code = forward(
    'q = torch.quantize_per_tensor(x, 0.07, 70, 13)',
    ...body,
    `return (${all.map((_, i) => `result${i}`).join(', ')})`,
  );
  return script({ code });
}

function archives(): (readonly [name: string, bytes: Uint8Array])[] {
  const root = corpusRoot();
  const folders =
    root === undefined
      ? []
      : ['digits_a/torchscript', 'digits_c/torchscript', 'digits_a/pt2', 'tfm_a/pt2', 'tfm_a/torchscript'];
  const real = folders.flatMap((folder) =>
    readdirSync(join(root ?? '', 'nets', folder))
      .filter((name) => /\.(pt|ptl|pt2)$/.test(name))
      .slice(0, deep ? 4 : 1)
      .map((name) => [name, new Uint8Array(readFileSync(join(root ?? '', 'nets', folder, name)))] as const),
  );
  const fixture = new URL('../../../examples/02-pytorch/fixture/network.pt', import.meta.url);
  return [['all operators', written()], ['network.pt', new Uint8Array(readFileSync(fixture))], ...real];
}

/** Imports and looks at the small constants. */
async function outcome(bytes: Uint8Array): Promise<UnskewError | undefined> {
  try {
    const shapes = { x: [1, 4, 4, 4] };
    const graph = await importModel(bytes).catch((error: unknown) => {
      if (!(error instanceof UnskewError) || error.code !== 'U2005') throw error;
      return importModel(bytes, { inputShapes: shapes });
    });
    for (const [id, { type }] of Object.entries(graph.values))
      if (type.shape.reduce<number>((a, b) => a * Number(b), 1) < 2 ** 20) constantOf(graph, id as ValueId);
    expect(verify(graph)).toEqual([]);
    return undefined;
  } catch (error) {
    if (error instanceof UnskewError) return error;
    throw error;
  }
}

describe('damaged inside', () => {
  it.each(archives())('%s', { timeout: 3_600_000 }, async (_name, bytes) => {
    const entries: readonly Entry[] = await entriesOf(bytes);
    let refused = 0;
    for (let run = 0; run < runs; run++) {
      const damaged = mutated(entries, random(seed * 1_000_003 + run));
      const [start, before] = [performance.now(), process.resourceUsage().maxRSS];
      const error = await outcome(damaged).catch((other: unknown) => {
        throw new Error(`run ${run}, seed ${seed}`, { cause: other });
      });
      const [spent, grown] = [performance.now() - start, (process.resourceUsage().maxRSS - before) * 1024];
      expect([run, spent < MOST_MILLISECONDS, grown < MOST_BYTES]).toEqual([run, true, true]);
      if (error) {
        refused++;
        expect(error.diagnostics[0].location).toBeDefined();
      }
    }
    expect(refused).toBeGreaterThan(0);
  });
});
