/** One network at one number of threads on every engine. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { quantile } from '../measure.ts';
import { type Engine, EngineProcess } from './engine_process.ts';
import type { StoredTensors } from './protocol.ts';

/** The time of another engine divided by ours: 10th percentile, median and 90th percentile over rounds. */
export type Ratio = readonly [low: number, median: number, high: number];

export interface EngineFigures {
  readonly version: string;
  /** Median over rounds of the medians of turns. */
  readonly ms: number;
  /** Against `run` of unskew; 1 for itself. */
  readonly ratio: Ratio;
  /** From the start of the process to the end of the first run. */
  readonly coldMs: number;
  readonly peakKiB: number;
}

export interface Row {
  readonly model: string;
  readonly threads: number;
  readonly engines: Readonly<Partial<Record<Engine, EngineFigures>>>;
  /** Why an engine does not run it. */
  readonly refused: Readonly<Partial<Record<Engine, string>>>;
  readonly interpreted: number;
  /** Against ONNX Runtime. */
  readonly difference: Difference | undefined;
}

export interface Difference {
  /** Bytes of outputs that are not f32 which differ, of how many. */
  readonly integers: number;
  readonly integersOf: number;
  /** The largest difference of floats over the largest magnitude of the output. */
  readonly floats: number;
}

export interface ZooResult {
  readonly machine: string;
  readonly date: string;
  readonly rows: readonly Row[];
  /** Models that unskew cannot read, and why. */
  readonly unread: Readonly<Record<string, string>>;
}

export interface RowOptions {
  readonly model: string;
  /** The name in the table. */
  readonly name: string;
  readonly threads: number;
  readonly engines: readonly Engine[];
  readonly feeds: StoredTensors;
  readonly rounds: number;
  readonly turnMs: number;
  readonly python?: string;
}

/** Threads of an engine that still spin fall asleep in this time. */
const SETTLE_MS = 60;

export async function benchRow(options: RowOptions): Promise<Row> {
  const { model, name, threads, rounds, turnMs } = options;
  const folder = mkdtempSync(join(tmpdir(), 'unskew-zoo-'));
  const feedsFile = join(folder, 'feeds.json');
  writeFileSync(feedsFile, JSON.stringify(options.feeds));
  const running: EngineProcess[] = [];
  const cold = new Map<Engine, { coldMs: number; version?: string }>();
  const refused: Partial<Record<Engine, string>> = {};
  let interpreted = 0;
  try {
    for (const engine of options.engines) {
      const child = new EngineProcess(engine, model, threads, feedsFile, options.python);
      const started = await child.started();
      if ('refused' in started) {
        refused[engine] = started.refused;
        child.close();
        continue;
      }
      running.push(child);
      cold.set(engine, started);
      if (engine === 'unskew') interpreted = started.interpreted ?? 0;
    }
    const times = new Map(running.map(({ engine }) => [engine, [] as number[]]));
    for (let round = 0; round < rounds; round++)
      for (const child of round % 2 === 0 ? running : running.toReversed()) {
        await sleep(SETTLE_MS);
        times.get(child.engine)?.push(await child.ask<number>({ do: 'time', ms: turnMs }));
      }
    const own = times.get('unskew');
    const figures: Partial<Record<Engine, EngineFigures>> = {};
    const outputs = new Map<Engine, StoredTensors>();
    for (const child of running) {
      const taken = times.get(child.engine) ?? [];
      const ratios = taken.map((ms, round) => (own ? ms / own[round] : Number.NaN));
      figures[child.engine] = {
        version: cold.get(child.engine)?.version ?? '',
        coldMs: cold.get(child.engine)?.coldMs ?? Number.NaN,
        ms: quantile(taken, 0.5),
        ratio: [quantile(ratios, 0.1), quantile(ratios, 0.5), quantile(ratios, 0.9)],
        peakKiB: await child.ask<number>({ do: 'peak' }),
      };
      const file = join(folder, `${child.engine}.json`);
      await child.ask({ do: 'outputs', file });
      outputs.set(child.engine, JSON.parse(readFileSync(file, 'utf8')));
    }
    const [ours, theirs] = [outputs.get('unskew'), outputs.get('onnxruntime')];
    const difference = ours && theirs ? differenceOf(ours, theirs) : undefined;
    return { model: name, threads, engines: figures, refused, interpreted, difference };
  } finally {
    for (const child of running) child.close();
    rmSync(folder, { recursive: true });
  }
}

function differenceOf(ours: StoredTensors, theirs: StoredTensors): Difference {
  let [integers, integersOf, floats] = [0, 0, 0];
  for (const [name, other] of Object.entries(theirs)) {
    const [a, b] = [ours[name], other].map((tensor) => Buffer.from(tensor?.data ?? '', 'base64'));
    if (other.type !== 'float32') {
      integersOf += b.length;
      for (let i = 0; i < b.length; i++) if (a[i] !== b[i]) integers++;
      continue;
    }
    const [x, y] = [a, b].map((bytes) => new Float32Array(Uint8Array.from(bytes).buffer));
    const largest = y.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    for (let i = 0; i < y.length; i++) floats = Math.max(floats, Math.abs(x[i] - y[i]) / (largest || 1));
  }
  return { integers, integersOf, floats };
}
