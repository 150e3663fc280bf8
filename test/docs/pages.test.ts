import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { codes } from '../../src/diagnostics/index.ts';
import { allOps } from '../../src/ir/index.ts';
import { allRules } from '../../src/passes/all_rules.ts';
import { pages, pathOf } from './pages.ts';

test.each(Object.entries(pages))('docs/%s is made of the declarations', (page, text) => {
  expect(readFileSync(pathOf(page), 'utf8'), 'run: npm run docs').toBe(text());
});

test('no operator, rule or code is left out', () => {
  const texts = Object.values(pages).map((text) => text());
  const names = [...allOps.map(({ name }) => name), ...allRules.map(({ name }) => name), ...Object.keys(codes)];
  for (const name of names) expect(texts.some((text) => text.includes(`| \`${name}\` |`))).toBe(true);
});
