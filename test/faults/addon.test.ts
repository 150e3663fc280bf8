/** The addon's file: missing, cut, of something else, of another build, with flipped bits. No process dies of it. */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { UnskewError } from '../../src/diagnostics/index.ts';
import { addonAvailable, loadAddon } from '../../src/runtime/addon.ts';
import { addonFault } from '../../src/runtime/addon_seal.ts';
import { writeModel } from '../support/onnx.ts';
import { describeUnless } from '../support/unless.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'unskew-addon-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const addon = `${root}build/Release/unskew.node`;
const { available } = addonAvailable();

let files = 0;
/** The message about a file with these contents. */
function refusal(contents: Uint8Array | string): string {
  const path = join(folder, `${files++}.node`);
  writeFileSync(path, contents);
  return refusalOf(path);
}
function refusalOf(path: string): string {
  try {
    loadAddon(path);
  } catch (error) {
    if (error instanceof UnskewError && error.code === 'U5001') return error.message;
    throw error;
  }
  throw new Error(`${path} was loaded`);
}

describe('a file that is not an addon', () => {
  test.each([
    ['an empty file', '', 'is an empty file'],
    ['text', 'module.exports = {}\n', 'is not a native addon at all'],
    ['the beginning of a library', '\x7fELF\x02\x01\x01', 'is truncated'],
  ])('%s', (_what, contents, says) => {
    const message = refusal(contents);
    expect(message).toContain(`the native addon ${says}`);
    expect(message).toMatch(/help: run .*scripts\/setup/);
  });

  test('a folder, a pipe, a link to nowhere, no file', () => {
    expect(refusalOf(folder)).toContain('is a folder');
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    expect(refusalOf(join(folder, 'pipe'))).toContain('is not a file');
    symlinkSync('nowhere', join(folder, 'link'));
    expect(refusalOf(join(folder, 'link'))).toContain('has not been built');
    expect(refusalOf(join(folder, 'none'))).toContain('has not been built');
    symlinkSync('circle', join(folder, 'circle'));
    expect(refusalOf(join(folder, 'circle'))).toContain('ELOOP');
    expect(refusalOf(`${addon}/below`)).toContain('ENOTDIR');
  });

  test('the addon of another package', () => {
    const other = `${root}node_modules/onnxruntime-node/bin/napi-v6/linux/x64/onnxruntime_binding.node`;
    expect(refusal(readFileSync(other))).toContain('is not of this version of unskew');
  });

  test('a file larger than any addon is not read', () => {
    const path = join(folder, 'huge.node');
    writeFileSync(path, '');
    truncateSync(path, 2 ** 40);
    expect(refusalOf(path)).toContain('is not a native addon');
  });
});

describeUnless(available ? undefined : 'the addon is not built', 'the addon that was built', () => {
  let built: Buffer;
  beforeAll(() => {
    built = readFileSync(addon);
  });

  test('is accepted, under any name', () => {
    expect(addonFault(addon, root)).toBeUndefined();
  });

  test('cut anywhere', () => {
    for (const part of [1, 0.999, 0.9, 0.5, 0.1, 0.01])
      for (const less of [1, 64, 200]) expect(refusal(built.subarray(0, part * built.length - less))).toMatch(/U5001/);
    expect(refusal(built.subarray(0, built.length >> 1))).toContain('is truncated');
  });

  test('with something behind it', () => {
    expect(refusal(Buffer.concat([built, Buffer.from('\n')]))).toMatch(/U5001/);
  });

  test('with a flipped bit: in its header, its code, its data, its last line', () => {
    const size = built.length;
    for (const at of [
      0,
      5,
      40,
      ...Array.from({ length: 12 }, (_, i) => (size * (i + 0.5)) / 12),
      size - 200,
      size - 150,
      size - 30,
    ]) {
      const damaged = Buffer.from(built);
      damaged[Math.floor(at)] ^= 1 << (Math.floor(at) % 8);
      expect(refusal(damaged)).toMatch(/is damaged|has no mark|not a native addon/);
    }
  });

  test('of other sources is another addon', () => {
    const other = join(folder, 'other');
    cpSync(`${root}native`, `${other}/native`, { recursive: true });
    cpSync(`${root}CMakeLists.txt`, `${other}/CMakeLists.txt`);
    expect(addonFault(addon, `${other}/`)).toBeUndefined();
    writeFileSync(`${other}/native/test/more.cc`, '// tests do not belong to it');
    expect(addonFault(addon, `${other}/`)).toBeUndefined();
    writeFileSync(`${other}/native/kernels/more.h`, '');
    expect(addonFault(addon, `${other}/`)).toBe('was built from other sources than this unskew has');
    rmSync(`${other}/native`, { recursive: true });
    expect(addonFault(addon, `${other}/`)).toBe('was built from other sources than this unskew has');
  });
});

describeUnless(available ? undefined : 'the addon is not built', 'oneDNN', () => {
  /** The message of a process that finds this file in the place of the library. */
  const loading = (contents: Uint8Array): string => {
    const libraries = join(folder, `libraries${files++}`);
    mkdirSync(libraries);
    for (const version of [2, 3]) writeFileSync(join(libraries, `libdnnl.so.${version}`), contents);
    const script = join(folder, 'load.mts');
    writeFileSync(
      script,
      `import { addonAvailable } from '${root}src/runtime/addon.ts';
       console.log(JSON.stringify(addonAvailable()));`,
    );
    const env = { ...process.env, LD_LIBRARY_PATH: libraries };
    const printed = execFileSync(process.execPath, ['--import', 'tsx', script], { cwd: root, encoding: 'utf8', env });
    return JSON.parse(printed).reason;
  };

  test('that is truncated is not loaded', () => {
    const addonFile = readFileSync(addon); // a library as good as any
    expect(loading(addonFile.subarray(0, addonFile.length >> 1))).toMatch(
      /U5001\]: the library of oneDNN is truncated\n {2}at .*libdnnl\.so\.2\n {2}help: install it again/,
    );
  });

  test('that is another library is named, and ends no process', () => {
    const [libm] = ['/lib/x86_64-linux-gnu/libm.so.6', '/lib64/libm.so.6'].filter((path) => existsSync(path));
    expect(loading(readFileSync(libm))).toMatch(
      /U5001\]: the native addon cannot be loaded: .*undefined symbol: dnnl_/,
    );
  });

  test('that is empty is named', () => {
    expect(loading(new Uint8Array())).toMatch(/U5001\]: the native addon cannot be loaded: .*libdnnl\.so/);
  });
});

test('without an addon everything works that does not compute with it', () => {
  const bare = join(folder, 'bare');
  mkdirSync(bare);
  for (const part of ['src', 'native', 'CMakeLists.txt', 'package.json', 'tsconfig.json'])
    cpSync(`${root}${part}`, join(bare, part), { recursive: true });
  symlinkSync(`${root}node_modules`, join(bare, 'node_modules'));
  const model = join(folder, 'relu.onnx');
  writeFileSync(
    model,
    writeModel({
      nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['y'] }],
      inputs: [{ name: 'x', type: 'float32', dims: [2] }],
      outputs: [{ name: 'y', type: 'float32', dims: [2] }],
    }),
  );
  const qir = join(folder, 'relu.qir');
  const commands = [
    ['inspect', model],
    ['rewrite', model, '-o', join(folder, 'out.onnx'), '--emit-ir', qir],
    ['opt', qir],
    ['run', model, '--random', '1', '--backend', 'reference'],
    ['explain', model],
    ['strategies', model],
    ['run', model, '--random', '1'],
    ['compile', model, '-o', join(folder, 'out.unskew')],
    ['check', model, '--runs', '1'],
    ['bench', model],
    ['strategies', model, '--measure'],
  ];
  const script = join(bare, 'commands.mts');
  writeFileSync(
    script,
    `import { cli } from './src/cli/cli.ts';
     const outcomes = [];
     for (const args of ${JSON.stringify(commands)}) {
       let text = '';
       const sink = { write: (more) => void (text += more) };
       const code = await cli(args, { stdout: sink, stderr: sink, env: {}, sendFile: async () => {}, readStdin: async () => Buffer.of() });
       outcomes.push({ command: args.filter((word) => !word.includes('/')).join(' '), code, says: /U5001.*/.exec(text)?.[0] ?? '' });
     }
     console.log(JSON.stringify(outcomes));`,
  );
  const printed = execFileSync(process.execPath, ['--import', 'tsx', script], { cwd: bare, encoding: 'utf8' });
  const without = 'U5001]: the native addon has not been built';
  expect(JSON.parse(printed)).toEqual([
    { command: 'inspect', code: 0, says: '' },
    { command: 'rewrite -o --emit-ir', code: 0, says: '' },
    { command: 'opt', code: 0, says: '' },
    { command: 'run --random 1 --backend reference', code: 0, says: '' },
    { command: 'explain', code: 0, says: without },
    { command: 'strategies', code: 0, says: '' },
    { command: 'run --random 1', code: 1, says: without },
    { command: 'compile -o', code: 1, says: without },
    { command: 'check --runs 1', code: 1, says: without },
    { command: 'bench', code: 1, says: without },
    { command: 'strategies --measure', code: 1, says: without },
  ]);
}, 60_000);
