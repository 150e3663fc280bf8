/** Archives that are small and ask for much: time, memory, or a way out of their folder. */
import { describe, expect, it } from 'vitest';
import { importModel } from '../../../src/runtime/import_model.ts';
import { type Entry, forward, type Item, p, pickle, script, zip } from './archives.ts';

const code = (...lines: readonly string[]) => ({ name: 'm/code/__torch__.py', data: forward(...lines), deflate: true });
const data = { name: 'm/data.pkl', data: pickle(p.object('__torch__.M', p.dict())) };
const empty = { name: 'm/constants.pkl', data: pickle(p.tuple()) };
const sound: readonly Entry[] = [data, code('return x'), empty, { name: 'm/version', data: '3\n' }];

/** The code of the error, soon and in little memory. */
async function refusal(bytes: Uint8Array): Promise<string> {
  const [start, before] = [performance.now(), process.resourceUsage().maxRSS];
  const error = await importModel(bytes, { inputShapes: { x: [2, 3] } }).then(
    () => undefined,
    (e: { name: string; code: string }) => e,
  );
  expect(performance.now() - start).toBeLessThan(4000);
  expect((process.resourceUsage().maxRSS - before) / 1024).toBeLessThan(512);
  expect(error?.name).toBe('UnskewError');
  return error?.code ?? '';
}

/** Tuples of two, each twice the one before: 2^depth leaves in a few bytes. */
const doubled = (leaf: Item, depth: number): Item =>
  depth === 0
    ? p.memo(leaf, 0)
    : p.memo(Buffer.concat([doubled(leaf, depth - 1), p.recall(depth - 1), p.raw('\x86')]), depth);

describe('lists that share their elements', () => {
  const constants = p.tuple(doubled(p.none, 60));
  it.each([
    ['returned', 'return CONSTANTS.c0'],
    ['added', 'return torch.add(x, CONSTANTS.c0)'],
    ['compared', 'return torch.add(x, 1 if CONSTANTS.c0 == CONSTANTS.c0 else 2)'],
    ['made a tensor', 'return torch.add(x, torch.tensor(CONSTANTS.c0))'],
    ['stacked', 'return torch.stack(CONSTANTS.c0)'],
  ])('%s', async (_how, line) => {
    expect(await refusal(script({ code: forward(line), constants }))).toBe('U1006');
  });

  it('made by the code', async () => {
    const lines = ['a = [x]', 'for i in range(60):', '  a = [a, a]', 'return torch.add(a, a)'];
    expect(await refusal(script({ code: forward(...lines) }))).toBe('U1006');
  });

  it('that contain themselves', async () => {
    const circle = Buffer.concat([p.memo(p.raw(']'), 7), p.recall(7), p.raw('a')]);
    for (const line of ['return CONSTANTS.c0', 'return torch.add(CONSTANTS.c0, CONSTANTS.c0)'])
      expect(await refusal(script({ code: forward(line), constants: p.tuple(circle) }))).toBe('U1006');
    expect(await refusal(script({ code: forward('a = [x]', 'b = torch.append(a, a)', 'return a') }))).toBe('U1006');
  });
});

describe('code', () => {
  it.each([
    ['that does not end', ['while True:', '  pass', 'return x'], 'U1006'],
    ['that calls itself', ['return (self).forward(x, )'], 'U1006'],
    ['with a long expression', [`return ${'torch.relu('.repeat(3000)}x${')'.repeat(3000)}`], 'U1004'],
    ['with many brackets', [`y = ${'['.repeat(5000)}${']'.repeat(5000)}`, 'return x'], 'U1004'],
    ['with a long sum', [`y = ${'1 + '.repeat(200_000)}1`, 'return torch.add(x, y'], 'U1004'],
    ['with a number that has no end', [`return torch.add(x, ${'9'.repeat(500_000)}`], 'U1004'],
    ['with a string that grows', ['a = "aa"', 'for i in range(40):', '  a = torch.add(a, a)', 'return a'], 'U2008'],
    ['nested in blocks', Array.from({ length: 2000 }, (_, i) => `${' '.repeat(i)}if True:`), 'U1004'],
  ] as const)('%s', async (_what, lines, expected) => {
    expect(await refusal(script({ code: forward(...lines) }))).toBe(expected);
  });
});

describe('containers', () => {
  const zeros = new Uint8Array(32 * 2 ** 20);
  it.each<[string, readonly Entry[], string]>([
    ['declare less than they inflate to', [data, { ...code(), data: zeros, declared: { size: 10 } }, empty], 'U1006'],
    ['declare more than there is', [data, { ...code(), declared: { size: 2 ** 31 } }, empty], 'U1006'],
    [
      'hold many bombs',
      [data, ...Array.from({ length: 3 }, (_, i) => ({ name: `m/code/${i}.py`, data: zeros, deflate: true })), empty],
      'U1006',
    ],
    ['climb out of their folder', [...sound, { name: '../m', data: '' }], 'U1004'],
    ['have absolute names', [...sound, { name: '/etc/m', data: '' }], 'U1004'],
    ['have two entries of one name', [...sound, data], 'U1004'],
    [
      'hold storages longer than their entry',
      [
        ...sound.filter((e) => e !== empty),
        { ...empty, data: pickle(p.tuple(p.tensor(p.storage('Float', 'w', 2 ** 30), 0, [2], [1]))) },
        { name: 'm/constants/w', data: new Uint8Array(8) },
      ],
      'U1004',
    ],
  ])('%s', async (_what, entries, expected) => {
    expect(await refusal(zip(entries))).toBe(expected);
  });
});
