/** Paths that lead to other things than files, for every input of every command and of the library. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import onnxProto from 'onnx-proto';
import { afterAll, describe, expect, test } from 'vitest';
import { writeNpy } from '../../src/cli/npy.ts';
import { UnskewError } from '../../src/diagnostics/index.ts';
import { print, tensor } from '../../src/ir/index.ts';
import { compile } from '../../src/runtime/compile.ts';
import { importModel } from '../../src/runtime/import_model.ts';
import { quantizedConv, unskew, workFolder } from '../unit/cli/support.ts';
import { shell } from './program.ts';

const work = workFolder();
afterAll(work.dispose);
const model = work.write('conv.onnx', quantizedConv());
const qir = work.write('conv.qir', print(await importModel(model)));
await unskew(['compile', model, '-o', work.path('conv.unskew')]);
const array = work.write('x.npy', writeNpy(tensor('f32', new Float32Array(16), [1, 1, 4, 4])));

mkdirSync(work.path('folder'));
symlinkSync('circle', work.path('circle'));
symlinkSync('nowhere', work.path('dangling'));
symlinkSync('conv.onnx', work.path('link'));

const paths: readonly (readonly [what: string, path: string, says: string])[] = [
  ['no file', work.path('none'), 'the file or folder does not exist (ENOENT)'],
  ['a link to nowhere', work.path('dangling'), 'the file or folder does not exist (ENOENT)'],
  ['a circle of links', work.path('circle'), 'its links lead in a circle (ELOOP)'],
  ['a folder', work.path('folder'), 'it is a folder (EISDIR)'],
  ['below a file', `${model}/below`, 'a part of the path is not a folder (ENOTDIR)'],
  ['a name that is too long', work.path('x'.repeat(300)), 'the name is too long (ENAMETOOLONG)'],
];

describe.each(paths)('%s', (_what, path, says) => {
  test.each([
    ['inspect', [path]],
    ['explain', [path]],
    ['strategies', [path]],
    ['rewrite', [path, '-o', work.path('out')]],
    ['compile', [path, '-o', work.path('out')]],
    ['opt', [path]],
    ['run', [path, '--random', '1']],
    ['run', [model, '--input', `x=${path}`]],
    ['check', [path]],
    ['bench', [path]],
  ])('%s', async (command, args) => {
    const { code, stdout, stderr } = await unskew([command, ...args, '--json']);
    expect(code).toBe(1);
    expect(stderr).toContain(`error[U1001]: the file cannot be read: ${says}`);
    expect(stderr).toContain(`at ${path}`);
    const location = { file: path };
    expect(JSON.parse(stdout).error).toMatchObject({ kind: 'model', diagnostics: [{ code: 'U1001', location }] });
  });

  test('the library', async () => {
    for (const read of [() => importModel(path), () => compile(path, { backend: 'reference' })])
      await expect(read()).rejects.toMatchObject({ code: 'U1001', message: expect.stringContaining(says) });
  });
});

test('the library, given a path that no path can be', async () => {
  const error = await importModel('a\0b').catch((caught) => caught);
  expect(error).toBeInstanceOf(UnskewError);
  expect(error.message).toContain('NUL');
});

describe('external data', () => {
  const reading = async (location: string): Promise<UnskewError> => {
    const path = work.write('external.onnx', withExternal(location));
    const { code, stderr } = await unskew(['inspect', path]);
    expect(code).toBe(1);
    expect(stderr).toContain('error[U1005]');
    return compile(path, { backend: 'reference' }).then(
      () => Promise.reject(new Error('it was read')),
      (error) => error,
    );
  };
  /** The same model, its weights said to lie elsewhere. */
  function withExternal(location: string): Uint8Array {
    const { ModelProto, TensorProto } = onnxProto.onnx;
    const proto = ModelProto.decode(quantizedConv());
    const weights = proto.graph?.initializer?.find(({ name }) => name === 'w') as InstanceType<typeof TensorProto>;
    Reflect.deleteProperty(weights, 'rawData');
    weights.dataLocation = TensorProto.DataLocation.EXTERNAL;
    weights.externalData = [{ key: 'location', value: location }] as typeof weights.externalData;
    return ModelProto.encode(proto).finish();
  }

  test.each([
    ['that is not there', 'none.data', 'the file or folder does not exist (ENOENT)'],
    ['behind a circle of links', 'circle', 'its links lead in a circle (ELOOP)'],
    ['that is a folder', 'folder', 'is not a regular file'],
    ['below a file', 'conv.onnx/below', 'a part of the path is not a folder (ENOTDIR)'],
    ['that is too short', 'short.data', 'has 3 bytes; the model wants 18 at 0'],
  ])('%s', async (_what, location, says) => {
    writeFileSync(work.path('short.data'), 'abc');
    const error = await reading(location);
    expect(error).toMatchObject({ code: 'U1005' });
    expect(error.message).toContain(says);
    expect(error.message).toContain(`external data '${location}'`);
  });

  test('that is a pipe is refused at once', async () => {
    execFileSync('mkfifo', [work.path('pipe.data')]);
    expect((await reading('pipe.data')).message).toContain('is not a regular file');
  });

  test('in the model’s own file is read, and the file not overwritten', async () => {
    const path = work.write('external.onnx', withExternal('external.onnx'));
    const before = readFileSync(path);
    expect(await unskew(['inspect', path])).toMatchObject({ code: 0 });
    const { code, stderr } = await unskew(['rewrite', path, '-o', path]);
    expect(code).toBe(2);
    expect(stderr).toContain('would overwrite the input');
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test('is not overwritten by a file made of the model', async () => {
    work.write('w.data', new Uint8Array(18).fill(1));
    const path = work.write('external.onnx', withExternal('w.data'));
    for (const args of [
      ['rewrite', path, '-o', work.path('w.data')],
      ['compile', path, '-o', work.path('w.data')],
      ['rewrite', path, '-o', work.path('out.onnx'), '--emit-ir', work.path('w.data')],
    ])
      expect(await unskew(args)).toMatchObject({ code: 2 });
    expect(readFileSync(work.path('w.data')).equals(new Uint8Array(18).fill(1))).toBe(true);
  });
});

describe('a file that gives its contents once', () => {
  /** A pipe that a process writes the file into. */
  const piped = (file: string): string => {
    const pipe = work.path(`pipe${piped.count++}`);
    execFileSync('mkfifo', [pipe]);
    spawn('bash', ['-c', `cat '${file}' > '${pipe}'`], { stdio: 'ignore' });
    return pipe;
  };
  piped.count = 0;

  test.each([
    ['inspect', () => ['inspect', piped(model)]],
    ['opt', () => ['opt', piped(qir)]],
    ['inspect of a compiled file', () => ['inspect', piped(work.path('conv.unskew'))]],
    ['rewrite', () => ['rewrite', piped(model), '-o', work.path('of a pipe.onnx')]],
    ['run', () => ['run', piped(model), '--input', `x=${piped(array)}`, '--backend', 'reference']],
  ])('%s', async (_command, args) => {
    const { code, stderr } = await unskew(args());
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  test('the library', async () => {
    expect((await importModel(piped(model))).outputs).toEqual(['y']);
    expect((await compile(piped(model), { backend: 'reference' })).outputs).toMatchObject([{ name: 'y' }]);
  });

  test('/dev/stdin, a pipe or a file', async () => {
    const { code, stdout } = await shell(
      `cat ${model} | unskew inspect /dev/stdin --json && unskew opt /dev/stdin < ${qir}`,
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/"format": "onnx"[\s\S]*graph @/);
  });

  test('a standard input that cannot be read', async () => {
    const { code, stdout, stderr } = await shell(`unskew inspect - --json < ${work.folder}`);
    expect(code).toBe(1);
    expect(stderr).toContain('error[U1001]: it cannot be read: it is a folder (EISDIR)');
    expect(JSON.parse(stdout).error.diagnostics).toMatchObject([{ code: 'U1001' }]);
  });
});
