/**
 * A campaign of changed files: `npm run fuzz -- SECONDS [KIND …]`, or one case again: `npm run fuzz -- --replay onnx:12345`.
 *
 *   --seed N      the first case; drawn unless given
 *   --workers N   child processes (1)
 *   --own         only seed files that every clone has, without the corpus beside the repository
 *   --peer        ONNX models are compared with ONNX Runtime too
 *   --save FILE   with --replay: where the file of the case is written
 *   --no-keep     found cases are neither minimized nor kept
 *   --json        the result as one object
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { extname } from 'node:path';
import { parseArgs } from 'node:util';
import { campaign } from './campaign.ts';
import { caseOf, parseCase } from './cases.ts';
import { Child } from './child.ts';
import { type KindName, kindNames } from './kinds/kind.ts';
import { jsonOf, summaryOf, tableOf } from './report.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string' },
    workers: { type: 'string', default: '1' },
    own: { type: 'boolean', default: false },
    peer: { type: 'boolean', default: false },
    replay: { type: 'string' },
    save: { type: 'string' },
    'no-keep': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
if (values.peer) process.env.UNSKEW_FUZZ_PEER = '1';
try {
  process.exitCode = values.replay === undefined ? await run() : await replay(values.replay);
} catch (error) {
  if (!(error instanceof RangeError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}

async function run(): Promise<number> {
  const [seconds = '60', ...named] = positionals;
  const unknown = named.find((name) => !kindNames.includes(name as KindName));
  if (!(Number(seconds) > 0) || unknown !== undefined) {
    console.error(`usage: npm run fuzz -- SECONDS [KIND …]; the kinds are ${kindNames.join(', ')}`);
    return 2;
  }
  const seed = Number(values.seed ?? Math.floor(Math.random() * 1e9));
  console.error(`the first case of each kind is ${seed} (--seed ${seed})`);
  let shown = performance.now();
  let lines = 0;
  let told = 0;
  const state = await campaign({
    seconds: Number(seconds),
    kinds: named.length > 0 ? (named as KindName[]) : kindNames,
    seed,
    own: values.own,
    workers: Number(values.workers),
    keep: !values['no-keep'],
    progress(now) {
      const { isTTY } = process.stderr;
      // at once: a campaign that is ended early has shown its findings
      for (const { id, finding } of now.faults.slice(told)) {
        process.stderr.write(
          `${lines > 0 ? `\x1b[${lines}A\x1b[J` : ''}${finding.class} during ${finding.during} in ${id}\n`,
        );
        lines = 0;
      }
      told = now.faults.length;
      if (performance.now() - shown < (isTTY ? 500 : 300_000)) return;
      shown = performance.now();
      const table = tableOf(now);
      process.stderr.write(`${lines > 0 ? `\x1b[${lines}A\x1b[J` : ''}${table}\n`);
      if (isTTY) lines = table.split('\n').length;
    },
  });
  if (lines > 0) process.stderr.write(`\x1b[${lines}A\x1b[J`);
  console.log(values.json ? JSON.stringify(jsonOf(state), null, 1) : summaryOf(state, values.own));
  return state.faults.length > 0 ? 1 : 0;
}

/** A case by its name, or a file by its path and ending. */
async function replay(what: string): Promise<number> {
  const kind = extname(what).slice(1) as KindName;
  const isFile = kindNames.includes(kind);
  const bytes = isFile ? readFileSync(what) : (await caseOf(parseCase(what), values.own)).bytes;
  if (values.save) writeFileSync(values.save, bytes);
  const child = new Child();
  const file = { kind: isFile ? kind : parseCase(what).kind, base64: Buffer.from(bytes).toString('base64') };
  const report = await child.perform({ file, own: values.own });
  await child.dispose();
  console.log(JSON.stringify({ ...report, findings: undefined }));
  for (const finding of report.findings) console.log(`${finding.class} during ${finding.during}: ${finding.message}`);
  return report.findings.length > 0 ? 1 : 0;
}
