/** One network at one number of threads on every engine: times, sentences of many lengths, outputs. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { quantile } from '../measure.ts';
import { differenceOf } from './difference.ts';
import { EngineProcess } from './engine_process.ts';
import { type Engine, engines, homes, type Kind, type LimitedIsa } from './engines.ts';
import type { Sizes } from './feeds.ts';
import type { Start, StoredTensors } from './protocol.ts';
import type { EngineFigures, Ratio, Row, SentenceFigures, SentencesRow } from './result.ts';

export interface RowOptions {
  /** The file, and its name in the table. */
  readonly path: string;
  readonly model: string;
  readonly kind: Kind;
  readonly threads: number;
  /** Engines that do not take the kind are left out. */
  readonly engines: readonly Engine[];
  /** One set of inputs, or those of sentences in their order. */
  readonly feeds: readonly StoredTensors[];
  readonly sizes?: Sizes;
  readonly isa?: LimitedIsa;
  readonly profile?: string;
  /** None compares outputs and times nothing. */
  readonly rounds: number;
  readonly turnMs: number;
  /** The outputs by the interpreter, or why there are none. */
  readonly meaning?: StoredTensors | string;
  readonly python?: string;
}

/** Threads of an engine that still spin fall asleep in this time; one thread alone does not spin. */
const settleMs = (threads: number): number => (threads > 1 ? 60 : 5);

export async function benchRow(options: RowOptions, work?: { multiplyAdds: number; perSecond: number }): Promise<Row> {
  const { turnMs } = options;
  const { figures, ...outcome } = await measured(options, (child) => child.ask<number>({ do: 'time', ms: turnMs }));
  const timed = mapped(
    figures,
    ({ turns, ...rest }, ownTurns): EngineFigures => ({ ...summed(turns, ownTurns), ...rest }),
  );
  const own = timed.unskew;
  return {
    ...outcome,
    engines: timed,
    ...(own && work && { peakShare: work.multiplyAdds / (own.ms / 1000) / work.perSecond }),
  };
}

/** Each turn is a pass over all sentences. In the first one, which meets most lengths for the first time, each sentence runs twice. */
export async function benchSentences(
  options: RowOptions,
  drawn: readonly number[],
  lengths: readonly [number, number],
): Promise<SentencesRow> {
  const { figures, ...outcome } = await measured(options, (child, round) =>
    child.ask<number[][]>({ do: 'pass', times: round === 0 ? 2 : 1 }),
  );
  const total = (pass: readonly (readonly number[])[]) => pass.reduce((sum, [ms]) => sum + ms, 0);
  const timed = mapped(figures, ({ turns, ...rest }, ownTurns): SentenceFigures => {
    const [first, ...later] = turns;
    return {
      ...summed(later.map(total), ownTurns?.slice(1).map(total)),
      ...rest,
      firstMs: total(first),
      newLengthMs: quantile(extraTimes(drawn, first), 0.5),
    };
  });
  return { ...outcome, engines: timed, lengths, sentences: drawn.length };
}

/** What each length took more where it came for the first time than the same sentence took at once again. */
export const extraTimes = (drawn: readonly number[], pass: readonly (readonly number[])[]): number[] =>
  drawn.flatMap((length, i) => {
    // The start of the engine has run the first sentence.
    const isNew = length !== drawn[0] && drawn.indexOf(length) === i;
    return isNew ? [pass[i][0] - pass[i][1]] : [];
  });

interface Measured<Turn> {
  readonly turns: readonly Turn[];
  readonly version: string;
  readonly coldMs: number;
  readonly peakKiB: number;
}

type Figures<T> = Partial<Record<Engine, T>>;

function mapped<Turn, T>(
  figures: Figures<Measured<Turn>>,
  make: (figures: Measured<Turn>, own: readonly Turn[] | undefined) => T,
): Figures<T> {
  const entries = Object.entries(figures).map(([engine, each]) => [engine, make(each, figures.unskew?.turns)]);
  return Object.fromEntries(entries);
}

function summed(turns: readonly number[], own: readonly number[] | undefined): { ms: number; ratio: Ratio } {
  const ratios = turns.map((ms, round) => (own ? ms / own[round] : Number.NaN));
  return { ms: quantile(turns, 0.5), ratio: [quantile(ratios, 0.1), quantile(ratios, 0.5), quantile(ratios, 0.9)] };
}

/** Starts the engines, lets them take turns, and compares their outputs. */
async function measured<Turn>(options: RowOptions, turn: (child: EngineProcess, round: number) => Promise<Turn>) {
  const { path, model, kind, threads, sizes, isa, profile, rounds, meaning, python } = options;
  const folder = mkdtempSync(join(tmpdir(), 'unskew-zoo-'));
  const feeds = join(folder, 'feeds.json');
  writeFileSync(feeds, JSON.stringify(options.feeds));
  const running: EngineProcess[] = [];
  const cold: Figures<{ coldMs: number; version?: string }> = {};
  const refused: Figures<string> = {};
  let interpreted: number | undefined;
  try {
    for (const engine of options.engines.filter((name) => engines[name].takes.includes(kind))) {
      const isOurs = engine.startsWith('unskew');
      const start: Start = {
        ...{ engine, model: path, threads, feeds },
        ...(profile !== undefined && { profile }),
        ...(isOurs && isa !== undefined && { isa }),
      };
      const child = new EngineProcess(start, python);
      const started = await child.started();
      if ('refused' in started) {
        refused[engine] = started.refused;
        child.close();
        continue;
      }
      running.push(child);
      cold[engine] = started;
      if (engine === 'unskew') interpreted = started.interpreted ?? 0;
    }
    const turns = new Map(running.map((child) => [child, [] as Turn[]]));
    for (let round = 0; round < rounds; round++)
      for (const child of round % 2 === 0 ? running : running.toReversed()) {
        if (refused[child.engine as Engine] !== undefined) continue;
        await sleep(settleMs(threads));
        try {
          turns.get(child)?.push(await turn(child, round));
        } catch (error) {
          refused[child.engine as Engine] = (error as Error).message;
        }
      }
    const figures: Figures<Measured<Turn>> = {};
    const outputs: Figures<StoredTensors> = {};
    for (const child of running) {
      const engine = child.engine as Engine;
      if (refused[engine] !== undefined) continue;
      const { coldMs = Number.NaN, version = '' } = cold[engine] ?? {};
      if (rounds > 0)
        figures[engine] = {
          turns: turns.get(child) ?? [],
          version,
          coldMs,
          peakKiB: await child.ask<number>({ do: 'peak' }),
        };
      const file = join(folder, `${engine}.json`);
      await child.ask({ do: 'outputs', file });
      outputs[engine] = JSON.parse(readFileSync(file, 'utf8'));
    }
    const [ours, theirs] = [outputs.unskew, outputs[homes[kind]]];
    return {
      ...{ model, kind, threads, figures, refused },
      ...(sizes !== undefined && { sizes }),
      ...(isa !== undefined && { isa }),
      ...(interpreted !== undefined && { interpreted }),
      ...(ours && theirs && { difference: differenceOf(ours, theirs) }),
      ...(ours && meaning !== undefined && { exact: exactness(ours, meaning) }),
    };
  } finally {
    for (const child of running) child.close();
    rmSync(folder, { recursive: true });
  }
}

const exactness = (ours: StoredTensors, meaning: StoredTensors | string) =>
  typeof meaning === 'string' ? meaning : differenceOf(ours, meaning);
