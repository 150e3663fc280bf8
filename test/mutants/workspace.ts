/**
 * A copy of the working tree in a temporary folder, in which files are broken and tests run. Nothing there is shared with
 * the tree but the packages, which are linked one by one, so that caches beside them are the copy's own.
 */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { type Ended, Programs } from './program.ts';

export const repository = resolve(import.meta.dirname, '../..');

/** Files that tests need and git does not track. */
const BUILT = ['build/Release/unskew.node', 'build/Release/.digest'];

/** The outcome of a run of tests. */
export interface Outcome {
  /** The tests that failed. */
  readonly failed: readonly string[];
  readonly passed: number;
  /** The reason why no test failed although the run did: a file that does not load, a run that does not end. */
  readonly trouble?: string;
}

interface Report {
  readonly numPassedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

export class Workspace {
  readonly folder = mkdtempSync(join(tmpdir(), 'unskew-mutants-'));
  readonly #programs = new Programs();

  constructor() {
    const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
      cwd: repository,
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
    });
    const files = listed.split('\0').filter((file) => file !== '' && !file.startsWith('examples/'));
    for (const file of [...files, ...BUILT]) {
      if (!existsSync(join(repository, file))) continue;
      mkdirSync(dirname(this.path(file)), { recursive: true });
      copyFileSync(join(repository, file), this.path(file));
    }
    mkdirSync(this.path('node_modules'));
    for (const name of readdirSync(join(repository, 'node_modules')))
      if (!name.startsWith('.vite'))
        symlinkSync(join(repository, 'node_modules', name), this.path(`node_modules/${name}`));
  }

  path = (file: string): string => join(this.folder, file);
  read = (file: string): string => readFileSync(this.path(file), 'utf8');
  write = (file: string, text: string): void => writeFileSync(this.path(file), text);

  /** Builds the addon of the sources here; objects of other places come from ccache where there is one. */
  async build(): Promise<string | undefined> {
    for (const command of ['configure', 'build']) {
      const args = [command, '--out', 'build', '--parallel', String(cpus().length)];
      const { code, output } = await this.#run(join('node_modules', '.bin', 'cmake-js'), args, 1_200_000);
      if (code !== 0) return `the addon does not build: ${output.trim().split('\n').slice(-3).join(' / ')}`;
    }
    return undefined;
  }

  /** @param only tests whose names contain it; `ends`: with the first that fails */
  async test(files: readonly string[], only: string | undefined, ends: boolean): Promise<Outcome> {
    const report = this.path('report.json');
    rmSync(report, { force: true });
    const filter = only === undefined ? [] : ['-t', only];
    const args = [
      'run',
      ...(ends ? ['--bail=1'] : []),
      '--reporter=json',
      `--outputFile=${report}`,
      ...filter,
      ...files,
    ];
    const most = MOST_TIME * Math.max(1, files.length / 4);
    const { code, output } = await this.#run(join('node_modules', '.bin', 'vitest'), args, most);
    const failed: string[] = [];
    if (code === undefined) return { passed: 0, failed, trouble: `does not end within ${most / 1000} s` };
    if (!existsSync(report)) return { passed: 0, failed, trouble: output.trim().split('\n').slice(-3).join(' / ') };
    const { numPassedTests: passed, testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report;
    for (const { name, assertionResults } of testResults)
      for (const { status, fullName } of assertionResults)
        if (status === 'failed') failed.push(`${name.slice(this.folder.length + 1)} › ${fullName}`);
    if (code === 0 || failed.length > 0) return { passed, failed };
    const message = testResults.find((result) => result.message !== '')?.message.split('\n')[0];
    return { passed, failed, trouble: message ?? `the tests end with ${code}, and none has failed` };
  }

  dispose(): void {
    this.#programs.end();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #run(command: string, args: readonly string[], most: number): Promise<Ended> {
    const env = { ...process.env, CCACHE_BASEDIR: this.folder, CCACHE_NOHASHDIR: '1' };
    return this.#programs.run(this.path(command), args, { cwd: this.folder, env, most });
  }
}

/** Milliseconds of one run of tests. */
const MOST_TIME = 300_000;
