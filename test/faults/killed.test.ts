/** A process that is killed while it writes: the old file is whole, and the next write removes the remains. */
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { openBeside } from '../../src/runtime/beside.ts';
import { root } from '../support/program.ts';
import { quantizedConv, unskew, workFolder } from '../unit/cli/support.ts';

const work = workFolder();
afterAll(work.dispose);
const model = work.write('conv.onnx', quantizedConv());
let folders = 0;
const fresh = (): string => {
  const folder = work.path(`f${folders++}`);
  mkdirSync(folder);
  return folder;
};
const parts = (folder: string): string[] => readdirSync(folder).filter((name) => name.endsWith('.part'));

/** Kills a process as soon as a byte of its file is in the folder. */
async function killWhileWriting(folder: string, path: string): Promise<void> {
  const script = work.write(
    'write.mts',
    `import { placeOf, writeFile } from '${root}src/cli/write_file.ts';
     const path = process.argv[2];
     await writeFile(await placeOf(path), new Uint8Array(512e6).fill(7), path);`,
  );
  const before = statSync(path, { throwIfNoEntry: false });
  const hasBegun = (): boolean =>
    readdirSync(folder).some((name) => {
      const now = statSync(`${folder}/${name}`, { throwIfNoEntry: false });
      return now !== undefined && now.size > 0 && now.ino !== before?.ino;
    }) || statSync(path, { throwIfNoEntry: false })?.size !== before?.size;
  const child = spawn(process.execPath, ['--import', 'tsx', script, path], { cwd: root });
  const closed = new Promise<string | null>((resolve) => child.on('close', (_code, by) => resolve(by)));
  while (!hasBegun() && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 1));
  child.kill('SIGKILL');
  expect(await closed).toBe('SIGKILL');
}

describe('kill -9 in a write', () => {
  test('leaves the old file, and the next write takes away the remains', async () => {
    const folder = fresh();
    const out = `${folder}/out`;
    writeFileSync(out, 'old');
    await killWhileWriting(folder, out);
    expect(readFileSync(out, 'utf8')).toBe('old');
    expect(parts(folder)).toHaveLength(1);
    expect(await unskew(['rewrite', model, '-o', out])).toMatchObject({ code: 0 });
    expect(readdirSync(folder)).toEqual(['out']);
    expect(readFileSync(out).length).toBeGreaterThan(100);
  });

  test('leaves no half file where no file was before', async () => {
    const folder = fresh();
    await killWhileWriting(folder, `${folder}/out`);
    expect(readdirSync(folder)).toEqual(parts(folder));
  });
});

describe('unfinished files in a folder', () => {
  const write = async (folder: string): Promise<void> =>
    expect(await unskew(['rewrite', model, '-o', `${folder}/out`])).toMatchObject({ code: 0 });
  /** The name that a process of this machine gives. */
  const named = (folder: string): string => {
    const beside = openBeside(folder, 0o600);
    beside.remove();
    return beside.path.slice(folder.length + 1);
  };

  test('of a process that runs are its own', async () => {
    const folder = fresh();
    const beside = openBeside(folder, 0o600);
    await write(folder);
    expect(parts(folder)).toEqual([beside.path.slice(folder.length + 1)]);
    const other = named(folder).replace(/-\d+-\d+\.part$/, '-1-0.part'); // init lives
    writeFileSync(`${folder}/${other}`, '');
    await write(folder);
    expect(parts(folder)).toHaveLength(2);
    beside.remove();
  });

  test('of other machines are left for a day', async () => {
    const folder = fresh();
    const other = named(folder).replace(/^\.unskew-[0-9a-f]{8}/, '.unskew-00000000');
    writeFileSync(`${folder}/${other}`, '');
    await write(folder);
    expect(parts(folder)).toEqual([other]);
    const yesterday = Date.now() / 1000 - 90_000;
    utimesSync(`${folder}/${other}`, yesterday, yesterday);
    await write(folder);
    expect(parts(folder)).toEqual([]);
  });

  test('that are not ours are nobody else’s to remove', async () => {
    const folder = fresh();
    const names = ['.unskew-1-0.part', 'x.part', '.unskew-00000000-1.part'];
    for (const name of names) writeFileSync(`${folder}/${name}`, '');
    await write(folder);
    expect(parts(folder).sort()).toEqual(names.sort());
  });
});

test('names as long as names may be', async () => {
  const folder = fresh();
  for (const length of [250, 255]) {
    const out = `${folder}/${'x'.repeat(length)}`;
    for (const command of ['rewrite', 'compile'])
      expect(await unskew([command, model, '-o', out])).toMatchObject({ code: 0 });
  }
  expect(parts(folder)).toEqual([]);
});
