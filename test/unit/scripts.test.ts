import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';

const repository = resolve(import.meta.dirname, '../..');
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A throw-away folder holding the given files. */
function folderWith(files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'unskew-scripts-'));
  folders.push(root);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

describe('scripts/comments.mjs', () => {
  test('reports files and names that do not exist', () => {
    const root = folderWith({
      'docs/here.md': 'See a.ts, node_modules/b/c.ts, net.json.\nAnd b.ts.',
      'src/a.ts': [
        '/** See docs/here.md, a.ts, torch/jit/_script.py, <new>, https://x.org/gone.md, `make` and `make_…`. */',
        "export const make = '/* `inString` */';",
        '// see docs/gone.md, `unmade` and noSuchThing',
        '',
      ].join('\n'),
    });
    execFileSync('git', ['init', '-q', root]);
    const { status, stdout } = spawnSync(process.execPath, [join(repository, 'scripts/comments.mjs'), root], {
      encoding: 'utf8',
    });
    expect(stdout.split('\n')).toEqual([
      'src/a.ts:3  the file docs/gone.md does not exist',
      'docs/here.md:2  the file b.ts does not exist',
      'src/a.ts:3  noSuchThing does not occur in code',
      'src/a.ts:3  unmade does not occur in code: `unmade`',
      '2 comments and 1 documents checked, 4 name something that does not exist',
      '',
    ]);
    expect(status).toBe(1);
  });
});

describe('scripts/layers.mjs', () => {
  const check = (root: string) =>
    spawnSync(process.execPath, [join(repository, 'scripts/layers.mjs'), root], { encoding: 'utf8' });

  test('accepts imports that point down, and comments that look like imports', () => {
    const root = folderWith({
      'src/diagnostics/index.ts': 'export const fail = 1; // import "onnx-proto"\n/* import "../cli/main.ts" */\n',
      'src/tensors/index.ts': "import { fail } from '../diagnostics/index.ts';\n",
      'src/numerics/index.ts': "import { x } from '../tensors/index.ts';\n",
      'src/ir/a.ts': "import '../numerics/index.ts';\nimport type { B } from './b.ts';\n",
      'src/ir/b.ts': "import {\n  a,\n  c,\n} from '../tensors/index.ts';\n",
      'src/formats/onnx/read.ts': "import { onnx } from 'onnx-proto';\nimport protobuf from 'protobufjs/minimal.js';\n",
      'src/cli/main.ts': "import * as api from '../index.ts';\nconst later = () => import('../runtime/index.ts');\n",
      'src/index.ts': "export { run } from './runtime/index.ts';\nimport './runtime/node_platform.ts';\n",
      'src/runtime/index.ts': "import { readFileSync } from 'node:fs';\n",
    });
    const { status, stdout } = check(root);
    expect(stdout).toBe('9 files checked, 0 violations\n');
    expect(status).toBe(0);
  });

  test.each([
    ['upwards', 'src/ir/a.ts', "import { p } from '../passes/p.ts';", 'src/ir/a.ts:1', 'ir does not see passes'],
    [
      'numerics to ops',
      'src/numerics/a.ts',
      "import '../ir/graph.ts';",
      'src/numerics/a.ts:1',
      'numerics does not see ir',
    ],
    ['type-only', 'src/ir/a.ts', "import type { P } from '../cli/p.ts';", 'src/ir/a.ts:1', 'ir does not see cli'],
    ['re-export', 'src/ir/a.ts', "\nexport * from '../runtime/p.ts';", 'src/ir/a.ts:2', 'ir does not see runtime'],
    [
      'dynamic',
      'src/codegen/a.ts',
      "const f = () => import('../runtime/p.ts');",
      'src/codegen/a.ts:1',
      'codegen does not see runtime',
    ],
    [
      'over lines',
      'src/ir/a.ts',
      "import {\n  a,\n  b,\n} from '../cli/p.ts';",
      'src/ir/a.ts:1',
      'ir does not see cli',
    ],
    ['package', 'src/passes/a.ts', "import { onnx } from 'onnx-proto';", 'src/passes/a.ts:1', 'onnx-proto only in'],
    [
      'package subpath',
      'src/importers/torch/a.ts',
      "import x from 'protobufjs/light.js';",
      'src/importers/torch/a.ts:1',
      'protobufjs only in',
    ],
    ['Node.js', 'src/codegen/a.ts', "import { join } from 'node:path';", 'src/codegen/a.ts:1', 'node: only in'],
    [
      'leaving src',
      'src/testing/a.ts',
      "import '../../test/support/x.ts';",
      'src/testing/a.ts:1',
      'nothing outside src',
    ],
    ['a global of Node.js', 'src/ir/a.ts', 'const file = process.env.FILE;', 'src/ir/a.ts', "process.env is Node.js's"],
    [
      'past a door',
      'src/cli/a.ts',
      "import { f } from '../ir/graph.ts';",
      'src/cli/a.ts:1',
      'the door of ir is src/ir/index.ts',
    ],
    ['unknown layer', 'src/new/a.ts', '', 'src/new/a.ts', 'no layer is declared'],
  ])('reports an import: %s', (_, file, text, where, why) => {
    const { status, stdout } = check(folderWith({ [file]: `${text}\n` }));
    expect(status).toBe(1);
    const line = stdout.split('\n').find((l) => l.startsWith(`  ${where} `));
    expect(line).toContain(why);
    expect(stdout).toContain('1 files checked, 1 violations');
  });

  test('reports an import cycle with its files', () => {
    const root = folderWith({
      'src/ir/a.ts': "import './b.ts';\n",
      'src/ir/b.ts': "import { c } from './c.ts';\n",
      'src/ir/c.ts': "export * from './b.ts';\n",
    });
    const { status, stdout } = check(root);
    expect(status).toBe(1);
    expect(stdout).toContain('import cycle: src/ir/b.ts -> src/ir/c.ts -> src/ir/b.ts');
  });

  test('reports cycles of types, and of folders', () => {
    const root = folderWith({
      'src/ir/a.ts': "import type { B } from './b.ts';\n",
      'src/ir/b.ts': "import { a } from './a.ts';\n",
      'src/passes/one/a.ts': "import type { B } from '../two/b.ts';\n",
      'src/passes/one/c.ts': '',
      'src/passes/two/b.ts': "import { c } from '../one/c.ts';\n",
    });
    const { status, stdout } = check(root);
    expect(status).toBe(1);
    expect(stdout).toContain('import cycle: src/ir/a.ts -> src/ir/b.ts -> src/ir/a.ts');
    expect(stdout).toContain('import cycle: src/passes/one -> src/passes/two -> src/passes/one');
    expect(stdout).toContain('2 violations');
  });

  test('warns of long files without failing', () => {
    const root = folderWith({ 'src/ir/long.ts': '\n'.repeat(401), 'native/fine.cpp': '\n'.repeat(400) });
    const { status, stdout } = check(root);
    expect(status).toBe(0);
    expect(stdout).toContain('src/ir/long.ts  401 lines');
    expect(stdout).not.toContain('fine.cpp');
  });
});

describe('scripts/setup', () => {
  const tools =
    'bash node uname dirname flock find sort xargs sha256sum cut nproc mkdir rm grep cat touch ln chmod'.split(' ');

  /**
   * A project whose tools are stand-ins that write their arguments to `log`: the real scripts/setup runs in it with a
   * PATH of only these, so that no package is ever installed. `missing` names the commands the machine lacks at first.
   */
  function project({ missing = [] as string[], uid = 0, aptGet = 'exit 0', sudo = '' } = {}) {
    const folder = folderWith({
      'unskew/package-lock.json':
        '{"packages":{"":{},"node_modules/a":{"integrity":"1"},"node_modules/b":{"optional":true,"integrity":"2"}}}',
      'unskew/src/index.ts': 'export {};\n',
      'unskew/native/addon.cpp': '// addon\n',
      'unskew/CMakeLists.txt': '',
      'unskew/scripts/bundle.mjs':
        "import { appendFileSync } from 'node:fs';\nappendFileSync('log', 'bundle it\\n');\n",
    });
    const root = join(folder, 'unskew');
    mkdirSync(join(root, 'bin'));
    for (const tool of tools)
      symlinkSync(execFileSync('which', [tool], { encoding: 'utf8' }).trim(), join(root, 'bin', tool));
    const standIn = (path: string, body: string) => {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), `#!/bin/bash\ncd ${root}\necho "\${0##*/} $*" >>log\n${body}\n`);
      chmodSync(join(root, path), 0o755);
    };
    const installed = '{"packages":{"node_modules/a":{"integrity":"1"}}}';
    standIn(
      'tools/cmake-js',
      '[[ -f native/broken ]] && { echo "error: broken"; exit 1; }; mkdir -p build/Release; touch build/Release/unskew.node',
    );
    standIn('tools/tsc', 'mkdir -p dist; touch dist/index.js');
    standIn(
      'bin/npm',
      `mkdir -p node_modules; ln -sfn ../tools node_modules/.bin; echo '${installed}' >node_modules/.package-lock.json`,
    );
    standIn('bin/apt-get', aptGet);
    writeFileSync(join(root, 'bin/id'), `#!/bin/bash\necho ${uid}\n`);
    chmodSync(join(root, 'bin/id'), 0o755);
    if (sudo) standIn('bin/sudo', sudo);
    for (const tool of ['cmake', 'g++', 'make']) if (!missing.includes(tool)) standIn(`bin/${tool}`, '');
    cpSync(join(repository, 'scripts/setup'), join(root, 'scripts/setup'));
    const run = (args: string[] = [], environment: Record<string, string> = {}) => {
      writeFileSync(join(root, 'log'), '');
      // oneDNN is looked for in one fixed place; dnnl_DIR makes these tests independent of the machine's.
      const env = { PATH: join(root, 'bin'), dnnl_DIR: join(root, 'bin'), ...environment };
      const result = spawnSync(join(root, 'scripts/setup'), args, { encoding: 'utf8', env });
      const log = readFileSync(join(root, 'log'), 'utf8');
      return { ...result, log };
    };
    return { root, run };
  }

  test('a fresh clone gets everything, announced before it is done; a second run does nothing', () => {
    const { root, run } = project();
    const first = run(['--quiet']);
    expect(first.stderr).toBe('');
    expect(first.status).toBe(0);
    expect(first.log.split('\n').map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
      'npm ci',
      'cmake-js configure',
      'cmake-js build',
      'tsc -p',
      'bundle it',
      '',
    ]);
    expect(first.log).toContain('--ignore-scripts');
    const plan = first.stdout.split('\n').findIndex((line) => line.includes('will compile and bundle src/'));
    expect(plan).toBe(2);
    expect(first.stdout.split('\n').findIndex((line) => line.includes('npm ci'))).toBeGreaterThan(plan);

    const second = run(['--quiet']);
    expect([second.status, second.stdout, second.log]).toEqual([0, '', '']);
    expect(run().stdout).toMatch(/native addon: up to date[\s\S]*ready/);
    expect(existsSync(join(root, 'dist/.digest'))).toBe(true);
  });

  test('--built tells whether dist/ was made of the sources as they are, and does nothing', () => {
    const { root, run } = project();
    expect(run(['--built'])).toMatchObject({ status: 1, stdout: '', stderr: '', log: '' });
    run();
    expect(run(['--built'])).toMatchObject({ status: 0, stdout: '', stderr: '', log: '' });
    writeFileSync(join(root, 'src/index.ts'), 'export const changed = true;\n');
    expect(run(['--built'])).toMatchObject({ status: 1, stdout: '', stderr: '', log: '' });
  });

  test('an installed package builds the addon alone, with the cmake-js that npm put beside it', () => {
    const { root, run } = project();
    rmSync(join(root, 'package-lock.json'));
    mkdirSync(join(root, '../.bin'));
    symlinkSync(join(root, 'tools/cmake-js'), join(root, '../.bin/cmake-js'));
    const { status, stderr, log } = run(['--quiet']);
    expect([status, stderr]).toEqual([0, '']);
    expect(log).toMatch(/^cmake-js configure .*\ncmake-js build .*\n$/);
    expect(run(['--quiet']).log).toBe('');
  });

  test('contents decide about rebuilding, not modification times', () => {
    const { root, run } = project();
    run();
    utimesSync(join(root, 'src/index.ts'), 2e9, 2e9);
    utimesSync(join(root, 'native/addon.cpp'), 2e9, 2e9);
    utimesSync(join(root, 'package-lock.json'), 2e9, 2e9);
    expect(run(['--quiet']).log).toBe('');
    writeFileSync(join(root, 'src/index.ts'), 'export const a = 1;\n');
    expect(run().log).toMatch(/^tsc .*\nbundle it\n$/);
    writeFileSync(join(root, 'native/more.cpp'), '');
    // bundles know the sources of the addon
    expect(run().log).toMatch(/^cmake-js configure .*\ncmake-js build .*\ntsc .*\nbundle it\n$/);
    rmSync(join(root, 'build/Release/unskew.node'));
    expect(run().log).toMatch(/^cmake-js configure .*\ncmake-js build .*\n$/);
    writeFileSync(join(root, 'build/Release/unskew.node'), 'damaged, or of another build');
    expect(run().log).toMatch(/^cmake-js configure .*\ncmake-js build .*\n$/);
    writeFileSync(join(root, 'node_modules/.package-lock.json'), '{"packages":{"node_modules/a":{"integrity":"0"}}}');
    expect(run().log).toMatch(/^npm ci .*\n$/);
  });

  test('a failed native build shows the output of the compiler and is tried again', () => {
    const { root, run } = project();
    writeFileSync(join(root, 'native/broken'), '');
    const failed = run();
    expect(failed.status).toBe(1);
    expect(failed.stderr).toContain('error: broken');
    expect(run().log).toMatch(/^cmake-js /);
  });

  test('missing Debian packages are announced, then installed with apt-get by root', () => {
    const { root, run } = project({ missing: ['cmake', 'make'] });
    const { status, stdout, log } = run();
    expect(status).toBe(0);
    expect(stdout.indexOf('will install Debian packages: cmake make')).toBeGreaterThan(0);
    expect(stdout.indexOf('will install Debian packages')).toBeLessThan(stdout.indexOf('apt-get'));
    expect(log).toMatch(/^apt-get install -y --no-install-recommends cmake make$/m);
    expect(existsSync(join(root, 'build/Release/.digest'))).toBe(true);
  });

  test.each([
    ['apt-get is forbidden', { uid: 0 }, { UNSKEW_NO_APT: '1' }, '  apt-get '],
    ['the user is not root and has no sudo', { uid: 1000 }, {}, '  sudo apt-get '],
    ['sudo asks for a password', { uid: 1000, sudo: 'exit 1' }, {}, '  sudo apt-get '],
    ['apt-get fails', { uid: 0, aptGet: 'exit 100' }, {}, '  apt-get '],
  ])('prints the one command to run and fails when %s', (_, machine, environment, command) => {
    const { root, run } = project({ missing: ['g++'], ...machine });
    const { status, stdout, stderr, log } = run([], environment);
    expect(status).toBe(1);
    expect(stdout).toContain('will install Debian packages: g++');
    const commands = stderr.split('\n').filter((line) => line.startsWith('  '));
    expect(commands).toHaveLength(1);
    expect(commands[0]).toContain(command);
    expect(commands[0]).toMatch(/install -y --no-install-recommends g\+\+$/);
    if (!('aptGet' in machine)) expect(log).not.toContain('apt-get install');
    expect(existsSync(join(root, 'node_modules'))).toBe(false);
  });

  test('passwordless sudo is used', () => {
    const { run } = project({ missing: ['g++'], uid: 1000, sudo: 'true' });
    const { status, log } = run();
    expect(status).toBe(0);
    expect(log).toMatch(/sudo DEBIAN_FRONTEND=noninteractive apt-get .*install -y/);
  });

  test('refuses an argument it does not know', () => {
    expect(project().run(['--force'])).toMatchObject({
      status: 2,
      stderr: 'usage: scripts/setup [--quiet | --built]\n',
    });
  });
});

describe('.ci/summary.mjs', () => {
  const summary = (report: unknown, ...failedStages: string[]) => {
    const file = join(folderWith({ 'report.json': report === undefined ? '' : JSON.stringify(report) }), 'report.json');
    const { status, stdout } = spawnSync(
      process.execPath,
      [join(repository, '.ci/summary.mjs'), file, ...failedStages],
      { encoding: 'utf8' },
    );
    return { status, last: stdout.trimEnd().split('\n').at(-1) };
  };
  const report = (failed = 0) => ({
    numPassedTests: 7,
    numFailedTests: failed,
    numPendingTests: 2,
    numTodoTests: 0,
    testResults: [],
  });

  test('counts the tests that vitest counted', () => {
    expect(summary(report())).toEqual({ status: 0, last: '7 passed, 0 failed, 2 skipped' });
    expect(summary(report(3), 'tests')).toEqual({ status: 1, last: '7 passed, 3 failed, 2 skipped' });
  });

  test('a failed stage, a file that did not load and a missing report are failures', () => {
    expect(summary(report(), 'lint', 'types')).toEqual({ status: 1, last: '7 passed, 2 failed, 2 skipped' });
    const unloaded = { ...report(), testResults: [{ status: 'failed', assertionResults: [] }] };
    expect(summary(unloaded, 'tests')).toEqual({ status: 1, last: '7 passed, 1 failed, 2 skipped' });
    expect(summary(report(), 'tests')).toEqual({ status: 1, last: '7 passed, 1 failed, 2 skipped' });
    expect(summary(undefined, 'tests')).toEqual({ status: 1, last: '0 passed, 1 failed, 0 skipped' });
    expect(summary({ ...report(), numPassedTests: 0 })).toMatchObject({ status: 1 });
  });
});
