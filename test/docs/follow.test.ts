/** The pages that teach a step are followed: in a copy of the sources, with the compiler and with Node.js. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { edited } from './edited.ts';

const repository = fileURLToPath(new URL('../../', import.meta.url));

/** ```language what … ``` */
const blocks = (page: string) =>
  Array.from(
    readFileSync(join(repository, 'docs', page), 'utf8').matchAll(/^```(\w+) (\S+)\n([\s\S]*?)^```$/gm),
    (m) => ({
      language: m[1],
      what: m[2],
      text: m[3],
    }),
  );

let copy = '';
beforeEach(() => {
  copy = mkdtempSync(join(tmpdir(), 'unskew-docs-'));
  cpSync(join(repository, 'src'), join(copy, 'src'), { recursive: true });
  for (const file of ['package.json', 'tsconfig.json']) cpSync(join(repository, file), join(copy, file));
  for (const folder of ['node_modules', 'build', 'native']) symlinkSync(join(repository, folder), join(copy, folder));
  cpSync(join(repository, 'CMakeLists.txt'), join(copy, 'CMakeLists.txt'));
});
afterEach(() => rmSync(copy, { recursive: true }));

const run = (program: string, ...args: string[]) => {
  const { stdout, stderr } = spawnSync(program, args, { cwd: copy, encoding: 'utf8' });
  return stdout + stderr;
};

test.each(['operator', 'rule', 'importer', 'backend'])('docs/adding-… %s', { timeout: 180_000 }, (page) => {
  let printed = '';
  const steps = blocks(`adding-${/^[aeiou]/.test(page) ? 'an' : 'a'}-${page}.md`);
  expect(steps.length).toBeGreaterThan(4);
  for (const { language, what, text } of steps) {
    const file = join(copy, what);
    if (language === 'diff') writeFileSync(file, edited(readFileSync(file, 'utf8'), text));
    else if (what === 'check') {
      writeFileSync(join(copy, 'check.ts'), text);
      printed = run(process.execPath, '--import', 'tsx', 'check.ts');
    } else if (what === 'output') expect(printed).toBe(text);
    else if (what === 'compiler') {
      // the second time is quicker
      const said = run(join(copy, 'node_modules/.bin/tsc'), '--noEmit', '--incremental', '-p', 'tsconfig.json');
      if (text === '') expect(said).toBe('');
      for (const line of text.split('\n').filter(Boolean)) expect(said).toContain(line);
    } else {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
  }
});
