/**
 * Breaks the code in one place after the other, and names the test that finds each.
 *
 *   npm run mutants -- [--only TEXT]… [--jobs N] [--list] [--json]
 *
 * The working tree is copied and stays as it is. First the tests run on the unchanged code: a test that fails there proves nothing.
 */
import { parseArgs } from 'node:util';
import { formatTable, right } from '../../src/cli/table.ts';
import { type Mutant, mutated, needsAddon } from './mutant.ts';
import { mutants } from './table.ts';
import { Workspace } from './workspace.ts';

interface Verdict {
  readonly mutant: string;
  readonly file: string;
  readonly killed: boolean;
  /** The test that failed, or why none did. */
  readonly by: string;
  readonly seconds: number;
}

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [''] },
    jobs: { type: 'string', default: '1' },
    list: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const chosen = mutants.filter(({ name, file }) => values.only.some((text) => `${name} ${file}`.includes(text)));

const say = (text: string): void => void process.stderr.write(`${text}\n`);

/** Tests that fail without a mutant, which tell nothing of one. */
const failing = new Set<string>();

async function judge(workspace: Workspace, mutant: Mutant): Promise<Verdict> {
  const start = performance.now();
  const { name, file, tests, only } = mutant;
  const source = workspace.read(file);
  workspace.write(file, mutated(mutant, source));
  try {
    const broken = needsAddon(mutant) ? await workspace.build() : undefined;
    const isSure = !tests.some((test) => [...failing].some((known) => known.startsWith(test)));
    const { failed, trouble } = broken ? { failed: [], trouble: broken } : await workspace.test(tests, only, isSure);
    const by = failed.find((test) => !failing.has(test));
    const seconds = Math.round((performance.now() - start) / 100) / 10;
    const why = trouble ? `no test: ${trouble}` : 'SURVIVED';
    return { mutant: name, file, killed: by !== undefined, by: by ?? why, seconds };
  } finally {
    workspace.write(file, source);
  }
}

/** The tests of the mutants on the code as it is. @throws Error where they do not run */
async function learnFailing(workspace: Workspace): Promise<void> {
  const runs = new Map(chosen.map(({ tests, only }) => [JSON.stringify([tests, only]), { tests, only }]));
  const plain = [...runs.values()].filter(({ only }) => only === undefined);
  const all = { tests: [...new Set(plain.flatMap(({ tests }) => tests))], only: undefined };
  const some = [...runs.values()].filter(({ only }) => only !== undefined);
  for (const { tests, only } of [...(plain.length > 0 ? [all] : []), ...some]) {
    const { failed, trouble, passed } = await workspace.test(tests, only, false);
    if (trouble) throw new Error(`without a mutant: ${trouble}`);
    if (passed === 0) throw new Error(`no test of ${tests.join(' ')} passes`);
    say(`without a mutant: ${passed} tests pass${only === undefined ? '' : ` (${tests.join(' ')}, ${only})`}`);
    for (const test of failed) {
      failing.add(test);
      say(`fails without a mutant, and counts for none: ${test}`);
    }
  }
}

async function run(): Promise<readonly Verdict[]> {
  const jobs = Math.min(Math.max(Number(values.jobs) || 1, 1), chosen.length);
  const workspaces = Array.from({ length: jobs }, () => new Workspace());
  const dispose = (): void => {
    for (const workspace of workspaces) workspace.dispose();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      dispose();
      process.exit(130);
    });
  try {
    await learnFailing(workspaces[0]);
    const verdicts: Verdict[] = [];
    // Native mutants last and in one place, where a build has the objects of the one before.
    const left = [...chosen.filter((m) => !needsAddon(m)), ...chosen.filter(needsAddon)];
    await Promise.all(
      workspaces.map(async (workspace, place) => {
        for (;;) {
          const index = left.findIndex((mutant) => place === 0 || !needsAddon(mutant));
          if (index < 0) return;
          const [mutant] = left.splice(index, 1);
          const verdict = await judge(workspace, mutant);
          verdicts.push(verdict);
          say(`${verdict.killed ? 'killed  ' : 'SURVIVED'} ${verdict.mutant} (${verdict.seconds} s): ${verdict.by}`);
        }
      }),
    );
    return chosen.map(({ name }) => verdicts.find(({ mutant }) => mutant === name) as Verdict);
  } finally {
    dispose();
  }
}

if (values.list) {
  console.log(
    formatTable(
      ['mutant', 'file'],
      chosen.map(({ name, file }) => [name, file]),
    ),
  );
} else if (chosen.length === 0) {
  say(`no mutant has '${values.only.join("' or '")}' in its name or file`);
  process.exitCode = 2;
} else {
  const verdicts = await run();
  const killed = verdicts.filter((verdict) => verdict.killed).length;
  if (values.json) console.log(JSON.stringify({ mutants: verdicts.length, killed, verdicts }, null, 2));
  else {
    const rows = verdicts.map((v) => [v.mutant, v.file, v.seconds, v.killed ? 'killed by' : '', v.by]);
    console.log(formatTable(['mutant', 'file', right('s'), '', 'test'], rows));
    console.log(`${killed} of ${verdicts.length} killed`);
  }
  if (killed < verdicts.length) process.exitCode = 1;
}
