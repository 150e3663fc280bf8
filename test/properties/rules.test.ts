/** The laws of all rewrite rules, and the mistakes that their tests have to be able to see. */
import { describe, expect, it } from 'vitest';
import { selectRules } from '../../src/codegen/onednn/select/select.rules.ts';
import { allRules } from '../../src/passes/all_rules.ts';
import { checkRule, checkWrong, defaultRuns, familiesOf, LEAST_SHARE } from '../../src/testing/index.ts';

const rules = [...allRules, ...selectRules().flat()];

describe('the table of rules', () => {
  it('has a name for each rule', () => {
    const names = rules.map((rule) => rule.name);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  });

  it('has a wrong variant for each rule', () => {
    expect(rules.filter((rule) => rule.wrong === undefined).map((rule) => rule.name)).toEqual([]);
  });

  it('has a generator for the root of each rule', () => {
    expect(
      rules.filter((rule) => familiesOf(rule.root) === undefined).map((rule) => `${rule.name}: ${rule.root.name}`),
    ).toEqual([]);
  });
});

describe.each(rules.map((rule) => [rule.name, rule] as const))('%s', (_name, rule) => {
  it(`holds: ${rule.law.replaceAll('%', '%%')}`, { timeout: 1_800_000 }, () => {
    // Bounded rules compare floats with a fraction of the largest one, which exists only when it is finite.
    const { drawn, fired } = checkRule(rule, { nonFinite: rule.exactness === 'bit-exact' });
    expect(fired).toBeGreaterThanOrEqual(defaultRuns);
    expect(fired / drawn).toBeGreaterThanOrEqual(LEAST_SHARE);
  });

  it(`is told apart from a mistake: ${rule.wrong?.what ?? 'none'}`, { timeout: 600_000 }, () => {
    const { refutation } = checkWrong(rule);
    expect(refutation.difference).toMatchObject({ output: expect.any(String), count: expect.any(Number) });
  });
});
