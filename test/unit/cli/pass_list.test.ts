import fc from 'fast-check';
import { expect, test } from 'vitest';
import { makePasses } from '../../../src/cli/named_passes.ts';
import { type PassEntry, type PassOptions, parsePasses, passOptions, printPasses } from '../../../src/cli/pass_list.ts';
import { UsageError } from '../../../src/cli/usage_error.ts';
import { resolveTarget } from '../../../src/codegen/targets.ts';
import { correctPipeline, quantizePipeline } from '../../../src/passes/pipelines.ts';
import { keysOf } from '../../../src/tensors/index.ts';

const entry: fc.Arbitrary<PassEntry> = fc.constantFrom(...keysOf(passOptions)).chain((name) => {
  const pairs = Object.entries<PassOptions[string]>(passOptions[name]).map(([key, values]) =>
    fc.option(fc.constantFrom(...values).map((value) => [key, value] as const)),
  );
  return fc
    .tuple(...pairs)
    .map((given) => ({ name, options: Object.fromEntries(given.filter((pair) => pair !== null)) }));
});

test('the printed list is parsed', () => {
  fc.assert(
    fc.property(fc.array(entry, { minLength: 1, maxLength: 6 }), (entries) => {
      expect(parsePasses(printPasses(entries))).toEqual(
        entries.map(({ name, options }) => ({ name, options: { ...options } })),
      );
    }),
  );
});

test('blanks do not matter', () => {
  expect(printPasses(parsePasses(' canonicalize , group-qdq { families = all } '))).toBe(
    'canonicalize,group-qdq{families=all}',
  );
});

test.each([
  ['', "a pass was expected at ''"],
  ['canonicalize,', "a pass was expected at ''"],
  ['canonicalize;select', "a pass was expected at 'canonicalize;select'"],
  ['group-qdq{families=all', "a pass was expected at 'group-qdq{families=all'"],
  ['canonicalise', "'canonicalise' is not a pass; did you mean 'canonicalize'?"],
  ['toString', "'toString' is not a pass"],
  ['group-qdq{all}', "group-qdq has no option 'all'"],
  ['group-qdq{families=some}', 'group-qdq{families=…} is one of: products, all'],
  ['canonicalize{constructor=1}', "canonicalize has no option 'constructor'"],
])("'%s' is refused", (text, message) => {
  expect(() => parsePasses(text)).toThrow(
    expect.objectContaining({ name: UsageError.name, message: `--passes: ${message}` }),
  );
});

test('every pass of the pipelines can be named', () => {
  const target = resolveTarget('symmetric');
  const used = [...quantizePipeline(target), ...correctPipeline('auto', () => {})].map(({ name }) => name);
  const setting = { target, strategy: 'auto', report: () => {} } as const;
  const named = makePasses(
    keysOf(passOptions).map((name) => ({ name, options: {} })),
    setting,
  );
  expect(named.map(({ name }) => name)).toEqual(Object.keys(passOptions));
  expect(used.filter((name) => !(name in passOptions))).toEqual([]);
});
