/** A system that has no more memory or threads: an error with a code, and everything goes on. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { MOST_THREADS } from '../../src/codegen/backend.ts';
import { describeUnless } from '../support/unless.ts';
import { binding } from './support.ts';

const addon = fileURLToPath(new URL('../../build/Release/unskew.node', import.meta.url));

/** One byte, written `count` times; `arena` is memory that is not used. */
const prelude = `const binding = require(${JSON.stringify(addon)});
const { execFileSync } = require('node:child_process');
const { readFileSync } = require('node:fs');
const GiB = 2 ** 30;
const made = (count, arena = 0, threads = 1) => binding.session({ threads, arenaBytes: arena, inputBytes: [1], outputBytes: [count],
  commands: [{ kind: 'kernel', kernel: { name: 'copy', elementBytes: 1, shape: [count], sourceStrides: [0], destinationStrides: [1], sourceOffset: 0, destinationOffset: 0 },
    arguments: { source: { space: 'input', index: 0 }, destination: { space: 'output', index: 0 } } }] });
const one = Uint8Array.of(7);
// From now on the process gets so many bytes of address space and no more.
const leave = (bytes) => {
  const size = Number(/VmSize:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;
  execFileSync('prlimit', ['--pid', String(process.pid), '--as=' + (size + bytes) + ':unlimited']);
};
const codeOf = async (body) => { try { await body(); return 'none'; } catch (error) { return error.code ?? error.message; } };
`;

/** Runs a script in a process of its own and returns its result. */
function inChild(script: string): unknown {
  const text = `${prelude}(async () => {${script}})().then((result) => console.log(JSON.stringify(result)))`;
  // V8's helpers and the arenas of their threads would take the address space that is left for the addon
  const { stdout, stderr, status, signal } = spawnSync(
    process.execPath,
    ['--expose-gc', '--single-threaded-gc', '-e', text],
    { encoding: 'utf8', timeout: 60_000, env: { ...process.env, MALLOC_ARENA_MAX: '1' } },
  );
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
  return JSON.parse(stdout);
}

const hasPrlimit = spawnSync('prlimit', ['--version']).status === 0;

describeUnless(hasPrlimit ? undefined : 'prlimit (util-linux) is missing', 'without memory', () => {
  it.each([
    ['a session', 'made(1, 2 * GiB)'],
    ['outputs of a run', 'made(GiB).run([one])'],
    ['a constant', 'binding.memory(large)'],
    ['packed weights', "binding.pack(large, desc('row-major'), desc('channels-last'), 1)"],
    ['sums', 'binding.byteSums(large, 2 ** 29, 1, 1)'],
  ])('%s: an error with a code, and what fits goes on', (_name, body) => {
    const result = inChild(`
      const large = new Uint8Array(GiB / 2);
      const desc = (layout) => binding.desc('u8', [2, 2 ** 14, 2 ** 7, 2 ** 7], layout);
      await made(1).run([one]);
      leave(GiB / 4);
      const code = await codeOf(() => ${body});
      return { code, after: (await made(1000, 1000).run([one]))[0][999] };`);
    expect(result).toEqual({ code: 'ERR_OUT_OF_MEMORY', after: 7 });
  });

  it.each([1, 2])('a run of %d threads that cannot be started: an error with a code', (threads) => {
    const result = inChild(`
      const session = made(1000, 1000, ${threads});
      leave(2 ** 20);
      return [await codeOf(() => session.run([one])), await codeOf(() => session.run([one]))];`);
    expect(result).toEqual(['ERR_OUT_OF_THREADS', 'ERR_OUT_OF_THREADS']);
  });
});

describe('a number of threads', () => {
  const desc = binding.desc('u8', [1, 1, 4, 4], 'channels-last');
  const shape = { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], padsBegin: [0, 0], padsEnd: [0, 0] };
  const calls: Readonly<Record<string, (threads: number) => unknown>> = {
    pooling: (threads) => binding.pooling({ algorithm: 'max', source: desc, destination: desc, ...shape }, threads),
    reorder: (threads) => binding.reorder(desc, desc, threads),
    pack: (threads) => binding.pack(new Uint8Array(16), desc, desc, threads),
    session: (threads) => binding.session({ threads, arenaBytes: 0, inputBytes: [], outputBytes: [], commands: [] }),
  };
  it.each(Object.keys(calls))('out of range is refused by %s, with the range', (name) => {
    for (const threads of [MOST_THREADS + 1, 1e9, 2 ** 31, 2 ** 53, 0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => calls[name](threads)).toThrow(
        `threads must be an integer from 1 to ${MOST_THREADS}, received ${threads}`,
      );
    expect(() => calls[name](MOST_THREADS)).not.toThrow();
  });
});
