/**
 * Surveys all models in a folder, as a table and as JSON lines: `node --import tsx test/faults/survey.ts FOLDER [PART] [--json
 * FILE]`. Each is rewritten for the target `symmetric`; zero points left in the written file are counted apart from unskew and
 * compared with the report of the command; the written file and the model are compared in ONNX Runtime, and the compiled model
 * with it, on one random input. /
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { createPeer } from '../../src/cli/onnxruntime.ts';
import { randomFeeds } from '../../src/cli/random.ts';
import { formatTable } from '../../src/cli/table.ts';
import { compile, importModel, UnskewError } from '../../src/index.ts';
import { toPublic } from '../../src/ir/index.ts';
import { unskew } from '../unit/cli/support.ts';
import { difference, type Tensors } from './tensors.ts';
import { zeroPointsLeft } from './zero_points.ts';

interface Row {
  readonly file: string;
  /** `reached`, `named` (zero points are left, and the exit code says so), `silent`, `refused`, `crash`. */
  readonly rewrite: 'reached' | 'named' | 'silent' | 'refused' | 'crash';
  readonly left: number;
  /** The differences of the written file from the model in ONNX Runtime, by optimization level. */
  readonly written: Readonly<Record<string, string>>;
  /** `right`, the difference from ONNX Runtime, or the reason why it does not run. */
  readonly run: string;
  readonly said: string;
}

const [folder, ...rest] = process.argv.slice(2);
const jsonAt = rest.indexOf('--json');
const json = jsonAt < 0 ? undefined : rest[jsonAt + 1];
const part = rest[0]?.startsWith('--') ? '' : (rest[0] ?? '');
/** The allowed difference from ONNX Runtime, as a part of the largest number: one quantized step, in a few layers. */
const PART = 0.02;
/** The allowed difference of a written file from its model, in ONNX Runtime. */
const WRITTEN = 0.001;
const out = mkdtempSync(join(tmpdir(), 'unskew-survey-'));

async function survey(file: string): Promise<Row> {
  const target = join(out, 'out.onnx');
  rmSync(target, { force: true });
  const { code, stdout, stderr } = await unskew(['rewrite', file, '-o', target]);
  const said = `${stdout}\n${stderr}`.trim();
  const bytes = readOrNothing(target);
  const left = bytes ? zeroPointsLeft(bytes).length : 0;
  const rewrite =
    code === 70 ? 'crash' : !bytes ? 'refused' : left === 0 && code === 0 ? 'reached' : code === 0 ? 'silent' : 'named';
  return { file: relative(folder, file), rewrite, left, said, ...(await compare(file, bytes ? target : undefined)) };
}

async function compare(file: string, written: string | undefined): Promise<Pick<Row, 'written' | 'run'>> {
  const feeds = await importModel(file)
    .then((graph) => Object.fromEntries(Object.entries(randomFeeds(graph, 1)).map(([n, t]) => [n, toPublic(t)])))
    .catch(() => undefined);
  if (feeds === undefined) return { written: {}, run: 'not imported' };
  const inRuntime = async (path: string, level: 'disabled' | 'all'): Promise<Tensors | string> => {
    try {
      const peer = await createPeer(path, { threads: 1, graphOptimizationLevel: level });
      const found = (await peer.run(feeds)) as unknown as Tensors;
      await peer.dispose();
      return found;
    } catch (error) {
      return (error as Error).message.slice(0, 200);
    }
  };
  const isOnnx = file.endsWith('.onnx');
  const differs: Record<string, string> = {};
  let expected: Tensors | string = 'not ONNX';
  if (isOnnx)
    for (const level of ['disabled', 'all'] as const) {
      expected = await inRuntime(file, level);
      if (written === undefined || typeof expected === 'string') continue;
      const found = await inRuntime(written, level);
      const why = typeof found === 'string' ? found : difference(found, expected, { part: WRITTEN });
      if (why) differs[level] = why;
    }
  return { written: differs, run: await runs(file, feeds, expected) };
}

async function runs(
  file: string,
  feeds: Parameters<Awaited<ReturnType<typeof compile>>['run']>[0],
  expected: Tensors | string,
) {
  try {
    const model = await compile(file, { threads: 1 });
    const found = await model.run(feeds);
    model.dispose();
    if (typeof expected === 'string') return 'runs';
    return difference(found, expected, { part: PART }) ?? 'right';
  } catch (error) {
    return error instanceof UnskewError
      ? `refused: ${error.message.split('\n')[0]}`
      : `CRASH ${(error as Error).stack}`;
  }
}

function readOrNothing(path: string): Uint8Array | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.(onnx|pt|pt2|ptl)$/.test(name) && name.includes(part))
  .sort()
  .map((name) => join(folder, name));
const rows: Row[] = [];
for (const file of files) rows.push(await survey(file));
rmSync(out, { recursive: true, force: true });
if (json) writeFileSync(json, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));

const groups = [...new Set(rows.map(({ file }) => dirname(file)))];
const count = (of: readonly Row[], test: (row: Row) => boolean): number => of.filter(test).length;
console.log(
  formatTable(
    [
      'files of',
      'all',
      'reached',
      'named',
      'SILENT',
      'refused',
      'CRASH',
      'written differs',
      'run right',
      'run refused',
      'run WRONG',
    ],
    [...groups, 'all'].map((group) => {
      const of = group === 'all' ? rows : rows.filter(({ file }) => dirname(file) === group);
      const isRight = ({ run }: Row) => run === 'right' || run === 'runs';
      const isRefused = ({ run }: Row) => run.startsWith('refused') || run === 'not imported';
      return [
        group,
        of.length,
        ...(['reached', 'named', 'silent', 'refused', 'crash'] as const).map((kind) =>
          count(of, (r) => r.rewrite === kind),
        ),
        count(of, ({ written }) => Object.keys(written).length > 0),
        count(of, isRight),
        count(of, isRefused),
        count(of, (row) => !isRight(row) && !isRefused(row)),
      ];
    }),
  ),
);
