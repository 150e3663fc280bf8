/** The program as a process: exit codes, pipes, files. */
import { execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { print } from '../../../src/ir/index.ts';
import { importModel } from '../../../src/runtime/import_model.ts';
import { program, root } from '../../support/program.ts';
import { quantizedConv, workFolder } from './support.ts';

const work = workFolder();
const model = work.write('conv.onnx', quantizedConv());
afterAll(work.dispose);

const unskew = (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [...program, ...args], { cwd: root }, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
  });

const shell = (command: string): Promise<{ code: number | null; stderr: string }> =>
  new Promise((resolve) => {
    const child = spawn(
      'bash',
      ['-c', `set -o pipefail; unskew() { ${[process.execPath, ...program].join(' ')} "$@"; }; ${command}`],
      { cwd: root },
    );
    let stderr = '';
    child.stderr.on('data', (text) => void (stderr += text));
    child.on('close', (code) => resolve({ code, stderr }));
  });

test('exit codes reach the caller, and no native thread keeps the process alive', async () => {
  const { code, stdout, stderr } = await unskew('run', model, '--random', '1');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/^y +float32 +\[1, 2, 4, 4\]/m);
  expect((await unskew('inspect', `${model}.missing`)).code).toBe(1);
  expect((await unskew('inspect')).code).toBe(2);
});

test('a reader that closes its end is not an error; a file gets all of it', async () => {
  const nodes = Array.from({ length: 6000 }, (_, i) => ({
    op: 'Neg',
    inputs: [i === 0 ? 'x' : `v${i}`],
    outputs: [i === 5999 ? 'y' : `v${i + 1}`],
  }));
  const long = work.write(
    'long.onnx',
    quantizedConv({ nodes, initializers: [], outputs: [{ name: 'y', type: 'float32' }] }),
  );
  const qir = work.write('long.qir', print(await importModel(long)));
  expect(await shell(`unskew opt ${qir} --passes=fold-constants | head -1`)).toEqual({ code: 0, stderr: '' });
  const all = work.path('all.qir');
  expect((await shell(`unskew opt ${qir} --passes=fold-constants > ${all}`)).code).toBe(0);
  expect(readFileSync(all, 'utf8').split('\n')).toHaveLength(6003);
});

test('standard input', async () => {
  const qir = work.write('conv.qir', print(await importModel(model)));
  expect((await shell(`unskew opt - < ${qir} | unskew opt - --passes=canonicalize | grep -q 'nn.conv'`)).code).toBe(0);
});

test.each([
  ['a promise that nobody awaits', "void Promise.reject(new Error('nobody awaits this'))"],
  ['an error in a callback', "setImmediate(() => { throw new Error('nobody awaits this'); })"],
])('a failure that no command awaits is an internal error like any other: %s', async (_, fault) => {
  const whenReady = `setInterval(() => process.listenerCount('uncaughtException') > 0 && !globalThis.done && (globalThis.done = true, ${fault}), 1).unref()`;
  const faulty = `data:text/javascript,${encodeURIComponent(whenReady)}`;
  const child = spawn(process.execPath, ['--import', faulty, ...program, 'inspect', '-', '--json'], {
    cwd: work.folder,
  });
  const texts = { stdout: '', stderr: '' };
  child.stdout.on('data', (text) => void (texts.stdout += text));
  child.stderr.on('data', (text) => void (texts.stderr += text));
  const code = await new Promise((resolve) => child.on('close', resolve)); // standard input stays open
  expect(code).toBe(70);
  expect(texts.stderr).toMatch(
    /^internal error: nobody awaits this\n {2}This is a bug in unskew.*\n {2}Please report it, with (reproducers\/unskew-\S+\.txt) /,
  );
  const { error } = JSON.parse(texts.stdout);
  expect(error).toMatchObject({ kind: 'internal', diagnostics: [{ code: 'U9001', message: 'nobody awaits this' }] });
  expect(readFileSync(work.path(error.diagnostics[0].location.file), 'utf8')).toContain('unskew inspect - --json');
});
