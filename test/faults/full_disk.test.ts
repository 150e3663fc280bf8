/** A disk that is full, or read-only: old files stay as they were, and a sentence names the fault. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { UnskewError } from '../../src/diagnostics/index.ts';
import { parse, print } from '../../src/ir/index.ts';
import { guarded } from '../../src/passes/manager.ts';
import { cachePath, machineOf, readCosts, writeCosts } from '../../src/runtime/cost_cache.ts';
import { importModel } from '../../src/runtime/import_model.ts';
import { defineCommand } from '../support/command.ts';
import { quantizedConv, unskew, workFolder } from '../unit/cli/support.ts';
import { mountSmall } from './mounted.ts';
import { shell } from './program.ts';

const work = workFolder();
afterAll(work.dispose);
const model = work.write('conv.onnx', quantizedConv());
const qir = work.write('conv.qir', print(await importModel(model)));
const small = mountSmall();
const at = (name: string): string => join(small.folder, name);
const FILLER = 'filler';

/** Leaves this much room and no more. */
function fill(room = 0): void {
  const { bavail, bsize } = statfsSync(small.folder);
  writeFileSync(at(FILLER), Buffer.alloc(Math.max(bavail * bsize - room, 0)));
}
afterEach(() => {
  small.remount('rw');
  for (const name of existsSync(small.folder) ? readdirSync(small.folder) : [])
    rmSync(at(name), { recursive: true, force: true });
});

const writers: readonly (readonly [command: string, args: (out: string) => readonly string[]])[] = [
  ['rewrite', (out) => ['rewrite', model, '-o', out]],
  ['rewrite --emit-ir', (out) => ['rewrite', model, '-o', work.path('out.onnx'), '--emit-ir', out]],
  ['compile', (out) => ['compile', model, '-o', out]],
  ['opt', (out) => ['opt', qir, '-o', out]],
];

describe.each(writers)('%s', (_command, args) => {
  test.each([0, 4096])('onto a disk with room for %d bytes', async (room) => {
    writeFileSync(at('out'), 'old');
    fill(room);
    const { code, stderr } = await unskew(args(at('out')));
    // 4096 bytes are room enough for some of them
    if (code !== 0) {
      expect(code).toBe(1);
      expect(stderr).toMatch(/error\[U1007\].*no space is left on the device \(ENOSPC\)/);
      expect(stderr).toContain(`at ${at('out')}`);
      expect(stderr).toContain('help: free some space, or choose another place');
      expect(readFileSync(at('out'), 'utf8')).toBe('old');
    }
    if (room === 0) expect(code).toBe(1);
    expect(readdirSync(small.folder).sort()).toEqual([FILLER, 'out']);
  });

  test('onto a read-only one', async () => {
    writeFileSync(at('out'), 'old');
    small.remount('ro');
    for (const out of ['out', 'new', 'new/folder/out']) {
      const { code, stderr } = await unskew([...args(at(out)), '--json']);
      expect({ out, code }).toEqual({ out, code: 1 });
      expect(stderr).toMatch(/error\[U1007\].*the file system is read-only \(EROFS\)/);
    }
    expect(readFileSync(at('out'), 'utf8')).toBe('old');
  });
});

test('tensors of run: a folder that cannot be made, a file that does not fit', async () => {
  fill();
  const full = await unskew(['run', model, '--random', '1', '--backend', 'reference', '-o', small.folder]);
  expect(full.code).toBe(1);
  expect(full.stderr).toContain('(ENOSPC)');
  small.remount('ro');
  const fixed = await unskew(['run', model, '--random', '1', '--backend', 'reference', '-o', at('out')]);
  expect(fixed.code).toBe(1);
  expect(fixed.stderr).toContain('(EROFS)');
});

test('results on standard output: all of them, or exit code 1 and a sentence', async () => {
  writeFileSync(at('results'), 'x'.repeat(4000)); // a page has 4096 bytes: some more are taken, and not all
  fill();
  const { code, stderr } = await shell(
    `unskew inspect ${model} --json >> ${at('results')}; [[ $? == 1 ]] && unskew compile ${model} -o - > ${at('sent')}`,
  );
  expect(code).toBe(1);
  expect(stderr).toMatch(/error\[U1007\]: the output cannot be written: no space is left on the device \(ENOSPC\)/);
  expect(stderr).toMatch(/error\[U1007\]: the file cannot be written: no space is left on the device \(ENOSPC\)/);
});

describe('costs that were measured', () => {
  const machine = machineOf({ name: 'onednn', version: '2.6.3', isa: 'vnni' }, 1);
  const layer = { kind: 'matmul', depthwise: false, padded: false, groups: 1, taps: 1, stride: 1 } as const;
  const rows = (n: number) =>
    Array.from({ length: n }, (_, i) => ({ layer: { ...layer, inputChannels: 2 ** i }, costs: { fold: 1 } }) as never);

  test('are kept when newer ones do not fit', () => {
    const env = { XDG_CACHE_HOME: small.folder };
    expect(writeCosts(machine, rows(1), env)).toBeDefined();
    fill();
    expect(writeCosts(machine, rows(200), env)).toBeUndefined();
    expect(readCosts(machine, env)).toEqual(rows(1));
    const folder = join(cachePath(machine, env) as string, '..');
    expect(readdirSync(folder)).toHaveLength(1);
  });

  test('are read from a read-only folder, and not written there', () => {
    const env = { XDG_CACHE_HOME: small.folder };
    writeCosts(machine, rows(1), env);
    small.remount('ro');
    expect(readCosts(machine, env)).toEqual(rows(1));
    expect(writeCosts(machine, rows(2), env)).toBeUndefined();
  });

  test('a read-only home does not fail a command', async () => {
    small.remount('ro');
    const { code, stderr } = await shell(`unskew strategies ${model}`, {
      HOME: small.folder,
      XDG_CACHE_HOME: at('cache'),
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});

describe('an internal fault', () => {
  const graph = parse('graph @main(%x: f32[1]) -> (%y) {\n  %y = nn.relu(%x) : f32[1]\n}\n');
  const fault = (reproducers: string): string => {
    try {
      guarded(graph, { name: 'some-pass', replay: ['opt', '--passes=canonicalize'] }, { reproducers }, () => {
        throw new TypeError('what is wrong');
      });
    } catch (error) {
      if (error instanceof UnskewError) throw error;
      return (error as Error).message;
    }
    throw new Error('nothing was thrown');
  };
  const crash = defineCommand({
    name: 'crash',
    summary: 'Crash',
    arguments: {},
    options: {},
    examples: [],
    run: async () => {
      throw new TypeError('what is wrong');
    },
    format: () => undefined,
  });
  const temporary = process.env.TMPDIR;
  afterEach(() => {
    if (temporary === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = temporary;
  });

  test.each(['full', 'read-only'])('on a disk that is %s leaves its reproducer elsewhere', async (kind) => {
    process.env.TMPDIR = work.path('temporary');
    mkdirSync(work.path('temporary'), { recursive: true });
    if (kind === 'full') fill();
    else small.remount('ro');
    const message = fault(at('reproducers'));
    expect(message).toMatch(/^some-pass: what is wrong\nA reproducer was written: /);
    const file = /written: (\S+)/.exec(message)?.[1] as string;
    expect(file.startsWith(work.path('temporary'))).toBe(true);
    expect(message).toContain(`Replay it with: unskew opt ${file} --passes=canonicalize`);
    expect(await unskew(['opt', file, '--passes=canonicalize'])).toMatchObject({ code: 0 });
    const { code, stderr } = await unskew(['crash'], { commands: [crash], reports: at('reports') });
    expect(code).toBe(70);
    expect(stderr).toContain(work.path('temporary'));
  });

  test('is told where nothing can be written at all', async () => {
    process.env.TMPDIR = small.folder;
    fill();
    expect(fault(at('reproducers'))).toBe(
      'some-pass: what is wrong\nNo reproducer could be written, neither here nor into the folder for temporary files.',
    );
    const { code, stderr } = await unskew(['crash', '--json'], { commands: [crash], reports: at('reports') });
    expect(code).toBe(70);
    expect(stderr).toContain('internal error: what is wrong');
    expect(stderr).toContain('Please report it, with this message, the command line');
    expect(readdirSync(small.folder, { recursive: true }).filter((name) => /\.(qir|txt)$/.test(String(name)))).toEqual(
      [],
    );
  });
});
