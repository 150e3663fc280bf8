/**
 * Layers of a small language model with weights of 4 bits in blocks, beside ONNX Runtime: one row (decoding) and 128, in turns in one process;
 * and the peak of memory of a process with one engine alone.
 *
 *   npm run bench:blocks [-- --rows=1,128 --threads=1,2 --layers=N --width=N --rounds=N --json=FILE]
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createPeer } from '../src/cli/onnxruntime.ts';
import { compile } from '../src/index.ts';
import { argument } from './argument.ts';
import { compare, formatTable, measure } from './measure.ts';
import { type DecoderOptions, decoder } from './models/decoder.ts';
import { addToFile, type BlocksRow, commandOf } from './zoo/result.ts';

const numbers = (name: string, usual: string): number[] => (argument(name) ?? usual).split(',').map(Number);

const engines = ['unskew', 'onnxruntime'] as const;
type Engine = (typeof engines)[number];

const feedsOf = (rows: number, width: number) => ({
  x: {
    type: 'float32',
    data: Float32Array.from({ length: rows * width }, (_, i) => Math.sin(i * 12.9898)),
    dims: [rows, width],
  },
});

async function open(engine: Engine, file: string, threads: number, rows: number, width: number) {
  const feeds = feedsOf(rows, width);
  const model =
    engine === 'unskew'
      ? await compile(file, { threads, inputShapes: { x: [rows, width] } })
      : await createPeer(file, { threads });
  return { name: engine, run: () => model.run(feeds), dispose: () => model.dispose() };
}

/** Peak resident memory in KiB of a process that runs a model with one engine. */
function peakOf(engine: Engine, file: string, rows: number, width: number): number {
  const { stdout, status, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', fileURLToPath(import.meta.url), '--alone', engine, file, String(rows), String(width)],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`${engine} alone: ${stderr}`);
  return Number(stdout);
}

async function alone([engine, file, rows, width]: readonly string[]): Promise<void> {
  const model = await open(engine as Engine, file!, 1, Number(rows), Number(width));
  for (let i = 0; i < 3; i++) await model.run();
  // what getrusage tells counts the process that started this one as well
  console.log(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
}

async function rowsOf(file: string, options: DecoderOptions): Promise<BlocksRow[]> {
  const found: BlocksRow[] = [];
  const { block, hasZeros, activations, width } = options;
  for (const rows of numbers('rows', '1,128')) {
    const peaks = engines.map((engine) => peakOf(engine, file, rows, width));
    for (const threads of numbers('threads', '1,2')) {
      const contenders = [];
      for (const engine of engines) contenders.push(await open(engine, file, threads, rows, width));
      const rounds = numbers('rounds', '12')[0]!;
      const schedule = { warmUp: 2, rounds, burst: rows === 1 ? 12 : 3, settle: 60 };
      const [ours, theirs] = await measure(contenders, schedule);
      for (const { dispose } of contenders) await dispose();
      const { ratio, low, high } = compare(ours!, theirs!);
      const figures = { ms: ours!.median, ratio: [low, ratio, high] as const };
      found.push({ block, hasZeros, activations, rows, threads, ...figures, peakKiB: [peaks[0]!, peaks[1]!] });
      console.log(
        `blocks of ${block}, zero points ${hasZeros}, ${activations}, ${rows} rows, ${threads} threads: ${ours!.median.toFixed(2)} ms, ${ratio.toFixed(2)} (${low.toFixed(2)}-${high.toFixed(2)}), peak ${(peaks[0]! / 1024).toFixed(0)} of ${(peaks[1]! / 1024).toFixed(0)} MiB`,
      );
    }
  }
  return found;
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'unskew-blocks-'));
  const found: BlocksRow[] = [];
  try {
    for (const activations of ['f32', 's8'] as const)
      for (const block of [32, 128])
        for (const hasZeros of [false, true]) {
          const [layers, width] = [numbers('layers', '2')[0]!, numbers('width', '2048')[0]!];
          const options: DecoderOptions = { layers, width, block, hasZeros, activations };
          const file = join(folder, 'decoder.onnx');
          writeFileSync(file, decoder(options));
          found.push(...(await rowsOf(file, options)));
        }
  } finally {
    rmSync(folder, { recursive: true });
  }
  const least = Math.min(...found.map(({ ratio }) => ratio[1]));
  console.log(formatTable(['rows', 'least ratio'], [[String(found.length), least.toFixed(2)]]));
  const json = argument('json');
  if (json !== undefined) addToFile(json, { blocks: found }, commandOf('bench:blocks', process.argv.slice(2)));
}

const at = process.argv.indexOf('--alone');
await (at < 0 ? main() : alone(process.argv.slice(at + 1)));
