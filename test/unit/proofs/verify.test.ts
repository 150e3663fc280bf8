/** Rules are replaced by their wrong variants: `verify` has to notice, and to take another way or to refuse. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { AnyRule } from '../../../src/passes/rewrite/rule.ts';
import { compareGraphs, feedsOf } from '../../../src/testing/index.ts';
import { padded } from './support.ts';

const wrong = (rule: AnyRule): AnyRule => ({ ...rule, rewrite: rule.wrong!.rewrite });

/** `legalize` in a world where these rules are wrong. */
async function legalizeWith(...broken: readonly ('border_table' | 'pad' | 'drop_zero_point')[]) {
  for (const name of broken) {
    const path = `../../../src/passes/rules/${name}.rule.ts`;
    const actual = await vi.importActual<Record<string, AnyRule>>(path);
    const changed = Object.entries(actual).map(([key, rule]) => [key, typeof rule === 'object' ? wrong(rule) : rule]);
    vi.doMock(path, () => Object.fromEntries(changed));
  }
  await import('../../../src/runtime/node_platform.ts'); // the installed platform went with the modules
  return (await import('../../../src/codegen/legalize.ts')).legalize;
}

beforeEach(() => {
  vi.resetModules();
  vi.doUnmock('../../../src/passes/rules/border_table.rule.ts');
  vi.doUnmock('../../../src/passes/rules/pad.rule.ts');
  vi.doUnmock('../../../src/passes/rules/drop_zero_point.rule.ts');
});

describe('a wrong way', () => {
  it('differs by the certificate, which shows where', async () => {
    const legalize = await legalizeWith('border_table');
    const { certificate } = legalize(padded(), { strategy: 'border-table' });
    expect(certificate.verdict).toBe('differs');
    const [entry] = certificate.entries.filter(({ node }) => node === 'y');
    expect(entry.exactness).toMatchObject({
      bound: expect.stringMatching(/^differs on an input where %y\[0, 0, 0, 0\] is/),
    });
  });

  it('is left for the next one by verify', async () => {
    const legalize = await legalizeWith('border_table');
    const graph = padded();
    const result = legalize(graph, { strategy: 'border-table', verify: true });
    expect(result.certificate.verdict).toBe('bit-exact');
    expect(result.strategies.map(({ chosen }) => chosen)).not.toContain('border-table');
    expect(compareGraphs(graph, result.graph, feedsOf(graph, { pattern: 'random', seed: 1 }))).toBeUndefined();
  });

  it('and so on, as long as there are ways', async () => {
    const legalize = await legalizeWith('border_table', 'pad');
    const graph = padded();
    for (const strategy of ['border-table', 'pad', 'auto'] as const) {
      const result = legalize(graph, { strategy, verify: true });
      expect(result.certificate.verdict).toBe('bit-exact');
      for (const { chosen } of result.strategies) expect(['border-table', 'pad']).not.toContain(chosen);
    }
  });
});

describe('a right one', () => {
  it('stays with verify', async () => {
    const legalize = await legalizeWith();
    for (const strategy of ['border-table', 'pad', 'two-conv'] as const) {
      const { strategies } = legalize(padded(), { strategy, verify: true });
      expect(strategies.map(({ chosen }) => chosen)).toEqual([strategy]);
    }
  });
});

it('auto verifies unless told not to', async () => {
  const legalize = await legalizeWith('border_table', 'pad');
  const costs = { border: legalize(padded(), { verify: false }), other: legalize(padded()) };
  expect(costs.border.certificate.verdict).toBe('differs');
  expect(costs.other.certificate.verdict).toBe('bit-exact');
});

it('a refuted rewrite without another way is our own fault, and leaves a reproducer', async () => {
  const legalize = await legalizeWith('drop_zero_point');
  const reproducers = mkdtempSync(join(tmpdir(), 'unskew-'));
  expect(() => legalize(padded(0), { reproducers })).toThrow(
    /%y, rewritten by drop-zero-point.*: differs on an input[\s\S]*Replay it with: unskew rewrite .*correct-\d+-\d+\.qir --target=symmetric/,
  );
  const [file] = readdirSync(reproducers);
  expect(readFileSync(join(reproducers, file), 'utf8')).toContain('qnn.conv(%x, @w, zx=114:u8, zw=0:s8)');
  rmSync(reproducers, { recursive: true });
});
