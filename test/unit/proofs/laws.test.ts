import { describe, expect, it } from 'vitest';
import { correctionRules } from '../../../src/passes/all_rules.ts';
import { differenceOf, laws } from '../../../src/proofs/laws.ts';
import { equal, formatPolynomial, polynomial } from '../../../src/proofs/polynomial.ts';

describe('polynomials', () => {
  it('have one normal form', () => {
    expect(formatPolynomial(polynomial('(x - zx) * (w - zw)'))).toBe('w·x + -1·w·zx + -1·x·zw + zw·zx');
    expect(equal(polynomial('(a + b) * (a - b)'), polynomial('a*a - b*b'))).toBe(true);
    expect(equal(polynomial('a - (b - 2)'), polynomial('a - b - 2'))).toBe(false);
    expect(formatPolynomial(polynomial('v - w + 128', { v: 'w - 128' }))).toBe('0');
  });

  it('are refused where they cannot be read', () => {
    expect(() => polynomial('(a')).toThrow("'(a' lacks a parenthesis");
    expect(() => polynomial('a b')).toThrow("'a b' cannot be read beyond 'a'");
    expect(() => polynomial('a +')).toThrow("'a +' ends early");
  });
});

it.each(correctionRules.map(({ name }) => name))('the rule %s has a law', (name) => {
  expect(laws.get(name)?.length ?? 0).toBeGreaterThan(0);
});

describe.each([...laws])('the law of %s', (name, list) => {
  it('holds for all shapes and values', () => {
    expect(correctionRules.map((rule) => rule.name)).toContain(name);
    for (const law of list) expect(differenceOf(law)).toBeUndefined();
  });

  it('does not hold in its wrong variant', () => {
    for (const law of list) expect(differenceOf(law, law.wrong)).toMatch(/^over the taps (inside|outside|other): /);
  });
});

it('a number per filter is wrong where taps are outside, and right where none is', () => {
  const [fold] = laws.get('fold')!;
  expect(differenceOf({ ...fold, nothingOutside: undefined } as never)).toBe(
    'over the taps outside: 0 on the left, -1·w·zx on the right',
  );
});
