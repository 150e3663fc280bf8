/**
 * The example of docs/testing.md: a rule as a user writes it, with the mistake of a published optimizer. Folding a pad of zeros
 * into the pads of a convolution is right only when the source's zero point is 0, because the pads of a convolution read the
 * zero point. /
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { interpret, isStatic, ofType, parse, print } from '../../src/ir/index.ts';
import {
  type AnyRule,
  applyOnce,
  applyRules,
  CounterexampleError,
  checkRewrite,
  checkRule,
  checkWrong,
  compareGraphs,
  defineRule,
  formatDifference,
  GraphBuilder,
  type Match,
  ops,
  scalar,
  tensor,
  type Value,
  view,
} from '../../src/testing/index.ts';
import { readNpy } from '../support/npy.ts';

type ConvMatch = Match<typeof ops.qnnConv.operands, typeof ops.qnnConv.attrs>;

/** The constant pad in front of the convolution, and the one value that it fills with. */
function padOf({ x, graph }: ConvMatch) {
  const pad = view(ops.nnPad, graph.producer(x.id));
  if (pad?.attrs.mode !== 'constant') return undefined;
  const { pads } = pad.attrs;
  if (!isStatic(pads)) return undefined;
  const rank = pads.length / 2;
  const spatial = pads.every((p, i) => (i % rank >= 2 ? p >= 0 : p === 0));
  const filler = pad.value ? graph.constant(pad.value)?.data[0] : 0;
  if (!spatial || filler === undefined) return undefined;
  return {
    source: ofType(graph.value(pad.x), 'u8', 's8'),
    filler: Number(filler),
    pads: [...pads.slice(2, rank), ...pads.slice(rank + 2)],
  };
}

function foldPad(match: ConvMatch, { emit }: Parameters<AnyRule['rewrite']>[1]): Value {
  const { w, zx, zw, attrs } = match;
  const { source, pads } = padOf(match)!;
  return emit(
    ops.qnnConv,
    { x: source, w, ...(zx && { zx }), ...(zw && { zw }) },
    { ...attrs, pads: attrs.pads.map((p, i) => p + pads[i]) },
  );
}

const law = 'qconv(pad(x, value), w; zx, pads) = qconv(x, w; zx, pads + pad)';

const wrongRule: AnyRule = defineRule({
  name: 'fold-pad-into-conv',
  root: ops.qnnConv,
  law: `${law}   when value = 0`,
  exactness: 'bit-exact',
  where: (match, miss) => (padOf(match)?.filler === 0 ? undefined : miss('no pad of zeros in front', match.x)),
  rewrite: foldPad,
});

const rightRule: AnyRule = defineRule({
  name: 'fold-pad-into-conv',
  root: ops.qnnConv,
  law: `${law}   when value = zx`,
  exactness: 'bit-exact',
  where(match, miss) {
    const pad = padOf(match);
    if (pad === undefined) return miss('no constant pad in front', match.x);
    const zero = match.zx ? match.constant(match.zx)?.data[0] : 0;
    return pad.filler === zero ? undefined : miss('the pad does not fill with the zero point', match.zx);
  },
  rewrite: foldPad,
  wrong: {
    what: 'drops the pad',
    rewrite: (match, { emit }) => {
      const { w, zx, zw, attrs } = match;
      return emit(ops.qnnConv, { x: padOf(match)!.source, w, ...(zx && { zx }), ...(zw && { zw }) }, attrs);
    },
  },
});

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'unskew-testing-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function refutationOf(check: () => unknown): CounterexampleError {
  try {
    check();
  } catch (error) {
    if (error instanceof CounterexampleError) return error;
    throw error;
  }
  throw new Error('the check passed');
}

describe('a rule that folds a pad of zeros for every zero point', () => {
  it('is refuted by a small graph, and the error has the law and the first difference', () => {
    const { message, refutation } = refutationOf(() => checkRule(wrongRule, { folder, seed: 1, runs: 200 }));
    expect(message).toContain(`fold-pad-into-conv is refuted: ${wrongRule.law}`);
    expect(message).toMatch(/first difference: %conv\[.*\] is -?\d+ before and -?\d+ after/);
    expect(Object.values(refutation.before.nodes).map((node) => node.op)).toEqual(['nn.pad', 'qnn.conv']);
    expect(refutation.feeds.x.data.length).toBeLessThan(5);
  });

  it('prints the output in the documentation, run as it stands there', () => {
    const documented = readFileSync('docs/testing.md', 'utf8');
    const [, code, printed] = /```ts\nimport [^\n]*\n([\s\S]*?)```[\s\S]*?```text\n([\s\S]*?)\n```/.exec(documented)!;
    const check = (rule: AnyRule, options: object) => checkRule(rule, { ...options, folder, runs: 200 });
    const example = new Function('checkRule', 'defineRule', 'ops', 'view', code);
    const { message } = refutationOf(() => example(check, defineRule, ops, view));
    expect(message.replaceAll(folder, 'reproducers')).toBe(printed);
  });

  it('differs on the graph of the documentation as the documentation says', () => {
    const documented = readFileSync('docs/testing.md', 'utf8');
    const [before, after] = Array.from(
      documented.matchAll(/^ {2}graph [\s\S]*?\n {2}constants \{[\s\S]*?\n {2}\}/gm),
      ([text]) => parse(text),
    );
    expect(print(applyOnce(before, wrongRule)!)).toBe(print(after));
    const difference = compareGraphs(before, after, { x: tensor('u8', [1], [1, 1, 1]) })!;
    expect(documented).toContain(formatDifference(difference));
  });

  it('leaves files from which the difference can be seen again', () => {
    const { folder: written, refutation } = refutationOf(() => checkRule(wrongRule, { folder, seed: 1, runs: 200 }));
    expect(readdirSync(written).sort()).toEqual(['after.qir', 'before.onnx', 'before.qir', 'x.npy']);
    const [before, after] = ['before.qir', 'after.qir'].map((name) => parse(readFileSync(join(written, name), 'utf8')));
    const x = readNpy(readFileSync(join(written, 'x.npy')));
    expect(compareGraphs(before, after, { x })).toEqual(refutation.difference);
  });
});

describe('the same rule with the right condition', () => {
  it('holds, and its test would see the pad dropped', () => {
    const { fired, drawn } = checkRule(rightRule);
    expect(fired / drawn).toBeGreaterThan(0.3);
    checkWrong(rightRule);
  });

  it('gives its reasons', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'u8', [1, 1, 2]);
    const padded = b.emit(ops.nnPad, { x }, { pads: [0, 0, 1, 0, 0, 1] });
    const y = b.emit(
      ops.qnnConv,
      { x: padded, w: b.input('w', 's8', [1, 1, 1]), zx: b.constant(scalar('u8', 7)) },
      { strides: [1], pads: [0, 0], dilations: [1] },
    );
    const reasons: string[] = [];
    applyRules(b.finish([y]), [rightRule], { onMiss: (miss) => reasons.push(miss.reason) });
    expect(reasons).toEqual(['the pad does not fill with the zero point']);
  });
});

describe('the checks themselves', () => {
  const identity = parse('graph @g(%x: u8[2]) -> (%y) {\n  %y = nn.identity(%x) : u8[2]\n}');

  it('refuse a rule that hardly ever fires', () => {
    const never = {
      ...rightRule,
      where: (_match: unknown, miss: (reason: string) => { reason: string }) => miss('never'),
    } as AnyRule;
    expect(() => checkRule(never, { runs: 200 })).toThrow(/fired in 0 of \d+ graphs: its test says too little/);
  });

  it('refuse a wrong variant that is right', () => {
    const harmless = { ...rightRule, wrong: { what: 'nothing', rewrite: rightRule.rewrite } } as AnyRule;
    expect(() => checkWrong(harmless, { runs: 30 })).toThrow("the wrong variant 'nothing' survived 30 graphs");
    expect(() => checkWrong(wrongRule)).toThrow('has no wrong variant');
  });

  it('report a rewrite that fails', () => {
    const failing: AnyRule = { ...rightRule, rewrite: ({ node, graph }) => graph.value(node.operands[0]!) };
    const { refutation } = refutationOf(() => checkRule(failing, { folder }));
    expect(refutation.difference).toMatch(/the rewrite fails: fold-pad-into-conv: .* was rewritten to/);
  });

  it('compare two graphs, within a tolerance where one is given', () => {
    const next = parse(
      'graph @g(%x: u8[2]) -> (%y) {\n  %z = nn.min(%x, 254:u8) : u8[2]\n  %y = nn.add(%z, 1:u8) : u8[2]\n}',
    );
    checkRewrite(identity, identity);
    const { refutation } = refutationOf(() => checkRewrite(identity, next, { folder }));
    expect(refutation.difference).toMatchObject({ output: 'y', size: 2 });
    checkRewrite(identity, next, { steps: 1 });
  });

  it.each([
    ['another output', '(%x: u8[2]) -> (%y, %x)', '%y = nn.identity(%x) : u8[2]', 'the outputs are %y: u8[2] before'],
    ['another name', '(%x: u8[2]) -> (%z)', '%z = nn.identity(%x) : u8[2]', 'the outputs are %y: u8[2] before'],
    [
      'another input',
      '(%x: u8[2], %u: u8[2]) -> (%y)',
      '%y = nn.identity(%x) : u8[2]',
      'the inputs are %x: u8[2] before',
    ],
    [
      'an index outside of the axis',
      '(%x: u8[2]) -> (%y)',
      '%y = nn.gather(%x, [0, 2]:s64) {axis=0} : u8[2]',
      'cannot be evaluated',
    ],
  ])('report %s', (_what, signature, body, difference) => {
    const other = parse(`graph @g${signature} {\n  ${body}\n}`);
    const { refutation } = refutationOf(() => checkRewrite(identity, other, { folder }));
    expect(refutation.difference).toContain(difference);
  });

  it('draw numbers of 16 bits', () => {
    const doubled = (dtype: string, factor: number) =>
      parse(
        `graph @g(%x: ${dtype}[4]) -> (%y) {\n  %f = nn.cast(%x) {to="f32"} : f32[4]\n  %y = nn.mul(%f, ${factor}:f32) : f32[4]\n}`,
      );
    for (const dtype of ['f16', 'bf16'])
      expect(() => checkRewrite(doubled(dtype, 1), doubled(dtype, 2), { folder })).toThrow('is refuted');
  });

  it('need roots that the kit draws graphs for, or graphs', () => {
    const rule = { ...rightRule, root: ops.nnSoftmax } as AnyRule;
    expect(() => checkRule(rule)).toThrow('the kit draws no graphs for nn.softmax; give your own as `graphs`');
  });

  it('apply a rule once at each match', () => {
    const twice = parse(
      'graph @g(%x: u8[2]) -> (%z) {\n  %y = nn.identity(%x) : u8[2]\n  %z = nn.max(%y, 3:u8) : u8[2]\n}',
    );
    const again = {
      name: 'again',
      root: ops.nnIdentity,
      law: 'x = x',
      exactness: 'bit-exact',
      rewrite: ({ x }, { emit }) => emit(ops.nnIdentity, { x }),
    } as AnyRule;
    const once = applyOnce(twice, again)!;
    expect(
      Object.values(once.nodes)
        .map((n) => n.op)
        .sort(),
    ).toEqual(['nn.identity', 'nn.max']);
    expect(interpret(once, { x: { dtype: 'u8', shape: [2], data: Uint8Array.of(1, 9) } }).z.data).toEqual(
      Uint8Array.of(3, 9),
    );
  });
});
