/** Targets of -o: new and old files, links, pipes, standard streams, and places where nothing can be written. */
import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readCompiledFile } from '../../../src/codegen/compiled_file.ts';
import { parse, print } from '../../../src/ir/index.ts';
import { importModel } from '../../../src/runtime/import_model.ts';
import { program, root } from '../../support/program.ts';
import { quantizedConv, unskew, workFolder } from './support.ts';

const work = workFolder();
const bytes = quantizedConv();
const model = work.write('conv.onnx', bytes);
const qir = work.write('conv.qir', print(await importModel(model)));
afterAll(work.dispose);

/** Every command that writes a file, without its -o. */
const writers = [
  ['rewrite', model],
  ['compile', model],
  ['opt', qir],
] as const;
const reference = new Map<string, Uint8Array>();
for (const args of writers) {
  const path = work.path(`reference-${args[0]}`);
  await unskew([...args, '-o', path]);
  reference.set(args[0], new Uint8Array(readFileSync(path)));
}
const emitted = work.path('reference.qir');
await unskew(['rewrite', model, '-o', work.path('thrown-away.onnx'), '--emit-ir', emitted]);

const contents = (path: string) => new Uint8Array(readFileSync(path));
const leftOvers = () => readdirSync(work.folder, { recursive: true }).filter((name) => String(name).includes('.part'));
let folders = 0;
const fresh = () => {
  const folder = work.path(`f${folders++}`);
  mkdirSync(folder);
  return folder;
};

describe.each(writers)('%s -o', (command, input) => {
  const write = (path: string) => unskew([command, input, '-o', path]);
  const right = reference.get(command) as Uint8Array;

  test('makes folders that are missing, and files that the umask allows', async () => {
    const path = `${fresh()}/a/b/out`;
    expect(await write(path)).toMatchObject({ code: 0 });
    expect(contents(path)).toEqual(right);
    const plain = `${dirname(path)}/plain`;
    writeFileSync(plain, '');
    expect(statSync(path).mode).toBe(statSync(plain).mode);
  });

  test.each([0o600, 0o640, 0o755])(
    'keeps the mode %o of what it replaces, and replaces it as a whole',
    async (mode) => {
      const folder = fresh();
      const path = `${folder}/out`;
      writeFileSync(path, 'old');
      chmodSync(path, mode);
      linkSync(path, `${folder}/another name`);
      expect(await write(path)).toMatchObject({ code: 0 });
      expect(contents(path)).toEqual(right);
      expect(statSync(path).mode & 0o777).toBe(mode);
      expect(readFileSync(`${folder}/another name`, 'utf8')).toBe('old'); // not written into
      expect(readdirSync(folder).sort()).toEqual(['another name', 'out']);
    },
  );

  test('follows links: to a file, over several, to a file that is not there yet', async () => {
    const folder = fresh();
    mkdirSync(`${folder}/there`);
    writeFileSync(`${folder}/there/file`, 'old');
    symlinkSync('there', `${folder}/folder`);
    symlinkSync('folder/file', `${folder}/one`);
    symlinkSync('one', `${folder}/two`);
    symlinkSync('../new/file', `${folder}/there/dangling`);
    for (const [link, target] of [
      ['two', 'there/file'],
      ['folder/dangling', 'new/file'],
    ]) {
      expect(await write(`${folder}/${link}`)).toMatchObject({ code: 0 });
      expect(contents(`${folder}/${target}`)).toEqual(right);
      expect(lstatSync(`${folder}/${link}`).isSymbolicLink()).toBe(true);
    }
    expect(lstatSync(`${folder}/one`).isSymbolicLink()).toBe(true);
  });

  test('writes through pipes, also behind links', async () => {
    const folder = fresh();
    execFileSync('mkfifo', [`${folder}/pipe`]);
    symlinkSync('pipe', `${folder}/link`);
    for (const name of ['pipe', 'link']) {
      const reader = spawn('cat', [`${folder}/pipe`]);
      const chunks: Buffer[] = [];
      reader.stdout.on('data', (chunk) => void chunks.push(chunk));
      const closed = new Promise((resolve) => reader.on('close', resolve));
      expect(await write(`${folder}/${name}`)).toMatchObject({ code: 0 });
      await closed;
      expect(new Uint8Array(Buffer.concat(chunks))).toEqual(right);
    }
    expect(statSync(`${folder}/pipe`).isFIFO()).toBe(true);
    expect(readdirSync(folder).sort()).toEqual(['link', 'pipe']);
  });

  test('- is standard output, and all else goes to standard error', async () => {
    const { code, stdout, stderr, file } = await unskew([command, input, '-o', '-']);
    expect(code).toBe(0);
    if (command === 'opt')
      expect(new TextEncoder().encode(stdout)).toEqual(right); // text
    else {
      expect({ stdout, file: new Uint8Array(file as Uint8Array) }).toEqual({ stdout: '', file: right });
      expect(stderr).toContain('written');
    }
    expect(existsSync('-')).toBe(false);
  });

  test.each([
    ['a folder', () => fresh(), 'it is a folder (EISDIR)'],
    ['a name that ends like a folder', () => `${fresh()}/out/`, 'EISDIR'],
    ['below a file', () => `${model}/out`, 'a part of the path is not a folder (ENOTDIR)'],
    ['where no folder can be made', () => '/proc/no/such/place', 'ENOENT'],
    ['a name of 300 letters', () => `${fresh()}/${'x'.repeat(300)}`, 'the name is too long'],
    [
      'a circle of links',
      () => {
        const folder = fresh();
        symlinkSync('b', `${folder}/a`);
        symlinkSync('a', `${folder}/b`);
        return `${folder}/a`;
      },
      'its links lead in a circle (ELOOP)',
    ],
  ])('%s: a sentence with a code', async (_what, place, sentence) => {
    const { code, stdout, stderr } = await write(place());
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^error\[U1007\]: the file cannot be written: /m);
    expect(stderr).toContain(sentence);
  });

  test('a file that was read is not overwritten, under any name', async () => {
    const folder = fresh();
    symlinkSync(input, `${folder}/link`);
    linkSync(input, `${folder}/same`);
    for (const path of [input, `${folder}/link`, `${folder}/same`, `${folder}/../${input.split('/').at(-1)}`]) {
      const { code, stderr } = await write(path);
      expect({ path, code }).toEqual({ path, code: 2 });
      expect(stderr).toContain('would overwrite the input');
    }
  });
});

describe('two outputs', () => {
  test('are two files', async () => {
    const folder = fresh();
    symlinkSync('a', `${folder}/b`);
    for (const args of [
      ['-o', `${folder}/a`, '--emit-ir', `${folder}/a`],
      ['-o', `${folder}/a`, '--emit-ir', `${folder}/b`],
      ['-o', '-', '--emit-ir', '-'],
      ['-o', `${folder}/a`, '--emit-ir', model],
    ])
      expect(await unskew(['rewrite', model, ...args])).toMatchObject({ code: 2, stdout: '' });
    expect(contents(model)).toEqual(bytes);
  });

  test('and one of them may be standard output', async () => {
    const out = `${fresh()}/out.onnx`;
    const { code, file } = await unskew(['rewrite', model, '-o', out, '--emit-ir', '-']);
    expect(code).toBe(0);
    expect(parse(Buffer.from(file as Uint8Array).toString())).toBeTruthy();
    expect(new Uint8Array(file as Uint8Array)).toEqual(contents(emitted));
    expect(contents(out)).toEqual(reference.get('rewrite'));
  });
});

describe('- as an input', () => {
  test.each([
    ['inspect', ['inspect', '-']],
    ['rewrite', ['rewrite', '-', '-o', '-']],
    ['run', ['run', '-', '--random', '1']],
    ['check', ['check', '-', '--runs', '1']],
    ['strategies', ['strategies', '-']],
    ['explain', ['explain', '-']],
    ['compile', ['compile', '-', '-o', '-']],
  ])('%s', async (_command, args) => {
    const { code, stderr, file } = await unskew(args, { stdin: bytes });
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    if (args[0] === 'rewrite') expect(new Uint8Array(file as Uint8Array)).toEqual(reference.get('rewrite'));
    if (args[0] === 'compile') expect(readCompiledFile(file as Uint8Array).graph.outputs).toEqual(['y']);
  });

  test('a compiled file, textual IR and a tensor are read so too', async () => {
    const compiled = reference.get('compile') as Uint8Array;
    expect(await unskew(['run', '-', '--random', '1'], { stdin: compiled })).toMatchObject({ code: 0 });
    expect(await unskew(['inspect', '-'], { stdin: readFileSync(qir) })).toMatchObject({ code: 0 });
    const folder = fresh();
    const { file } = await unskew(['run', model, '--random', '3', '-o', '-']);
    await unskew(['run', model, '--random', '3', '-o', folder]);
    expect(new Uint8Array(file as Uint8Array)).toEqual(contents(`${folder}/y.npy`));
    const again = await unskew(['run', model, '--input', 'x=-'], { stdin: file as Uint8Array });
    expect(again.stderr).toContain("'x' should be f32[N,1,4,4]"); // the output has two channels
  });

  test('its faults are located in the standard input', async () => {
    const { code, stderr } = await unskew(['inspect', '-'], { stdin: 'no model' });
    expect(code).toBe(1);
    expect(stderr).toContain('(standard input)');
    expect(await unskew(['check', '-', '--against', '-'], { stdin: bytes })).toMatchObject({ code: 2 });
  });
});

describe('as a process', () => {
  const shell = (command: string): Promise<{ code: number | null; signal: string | null; stderr: string }> =>
    new Promise((resolve) => {
      const child = spawn(
        'bash',
        ['-c', `set -o pipefail; unskew() { ${[process.execPath, ...program].join(' ')} "$@"; }; ${command}`],
        { cwd: root },
      );
      let stderr = '';
      child.stderr.on('data', (text) => void (stderr += text));
      child.on('close', (code, signal) => resolve({ code, signal, stderr }));
    });

  test('a pipeline', async () => {
    const out = `${fresh()}/out.onnx`;
    const { code } = await shell(`cat ${model} | unskew rewrite - -o - | cat > ${out}`);
    expect(code).toBe(0);
    expect(contents(out)).toEqual(reference.get('rewrite'));
  });

  test('a reader that goes away is an error: it has got a part only', async () => {
    const outcome = await shell(`unskew rewrite ${model} -o - | true; exit $((\${PIPESTATUS[0]} - 1))`);
    expect(outcome).toMatchObject({ code: 0 });
    expect(outcome.stderr).toMatch(/error\[U1007\].*nobody reads the pipe any more \(EPIPE\)/);
  });

  test('files that grow too large leave the old one as it was', async () => {
    const folder = fresh();
    writeFileSync(`${folder}/out`, 'old');
    const { code, stderr } = await shell(`ulimit -f 0; unskew rewrite ${model} -o ${folder}/out`);
    expect(code).toBe(1);
    expect(stderr).toMatch(/error\[U1007\].*\(EFBIG\)/);
    expect(readFileSync(`${folder}/out`, 'utf8')).toBe('old');
    expect(readdirSync(folder)).toEqual(['out']);
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s leaves nothing behind', async (signal) => {
    const folder = fresh();
    writeFileSync(`${folder}/out`, 'old');
    const script = work.write(
      'write.mts',
      `import { placeOf, writeFile } from '${root}src/cli/write_file.ts';
       const path = process.argv[2];
       await writeFile(await placeOf(path), new Uint8Array(256e6), path);`,
    );
    const child = spawn(process.execPath, ['--import', 'tsx', script, `${folder}/out`], { cwd: root });
    const closed = new Promise<string | null>((resolve) => child.on('close', (_code, by) => resolve(by)));
    const seen = await new Promise<boolean>((resolve) => {
      const timer = setInterval(() => {
        if (readdirSync(folder).length < 2 && child.exitCode === null) return;
        clearInterval(timer);
        resolve(child.exitCode === null);
      }, 1);
    });
    expect(seen).toBe(true);
    child.kill(signal);
    expect(await closed).toBe(signal);
    expect(readdirSync(folder)).toEqual(['out']);
    expect(readFileSync(`${folder}/out`, 'utf8')).toBe('old');
  });
});

test('nothing is left behind by any of this', () => expect(leftOvers()).toEqual([]));
