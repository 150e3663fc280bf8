/** Times several contenders in one run, interleaved, so that a busy or slowly clocking machine treats all alike. */
import { setTimeout as sleep } from 'node:timers/promises';

export interface Contender {
  readonly name: string;
  /** One unit of work; awaited when it returns a promise. */
  run(): unknown;
}

export interface Schedule {
  /** Untimed runs of each contender before the first round. */
  readonly warmUp: number;
  /** In every round each contender has one turn, in an order that is reversed from round to round. */
  readonly rounds: number;
  /** Timed runs of a turn; one untimed run goes first, to bring caches and threads back. */
  readonly burst: number;
  /** Pause before a turn, in ms: threads of the previous contender that still spin fall asleep meanwhile. */
  readonly settle: number;
}

/** Fits networks of 1 to 50 ms; the pause outlasts the spinning of ONNX Runtime's threads. */
export const usualSchedule: Schedule = { warmUp: 5, rounds: 12, burst: 8, settle: 50 };

/** All times in ms. */
export interface Timing {
  readonly name: string;
  readonly runs: number;
  readonly minimum: number;
  readonly median: number;
  readonly p99: number;
  /** The median of each round, in order; ratios are computed from them. */
  readonly rounds: readonly number[];
}

/** The time of `other` divided by the time of `base`: median, 10th and 90th percentile over rounds. */
export interface Ratio {
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
}

/** The usual one, shortened for slow models to some ten seconds. */
export async function scheduleFor(contenders: readonly Contender[]): Promise<Schedule> {
  const start = performance.now();
  for (const { run } of contenders) await run();
  const budget = 10_000 / (performance.now() - start);
  const { warmUp, rounds, burst, settle } = usualSchedule;
  if (budget > warmUp + rounds * (burst + 1)) return usualSchedule;
  const fewer = Math.max(3, Math.min(rounds, Math.floor(budget / 2)));
  return { warmUp: 1, rounds: fewer, burst: Math.max(1, Math.min(burst, Math.floor(budget / fewer) - 1)), settle };
}

export async function measure(contenders: readonly Contender[], schedule: Schedule): Promise<Timing[]> {
  for (const contender of contenders) for (let i = 0; i < schedule.warmUp; i++) await contender.run();
  const rounds = contenders.map((): number[][] => []);
  for (let round = 0; round < schedule.rounds; round++) {
    const order = [...contenders.keys()];
    if (round % 2 === 1) order.reverse();
    for (const index of order) {
      await sleep(schedule.settle);
      rounds[index]!.push(await turn(contenders[index]!, schedule.burst));
    }
  }
  return contenders.map(({ name }, index) => {
    const samples = rounds[index]!.flat();
    return {
      name,
      runs: samples.length,
      minimum: Math.min(...samples),
      median: quantile(samples, 0.5),
      p99: quantile(samples, 0.99),
      rounds: rounds[index]!.map((times) => quantile(times, 0.5)),
    };
  });
}

async function turn(contender: Contender, burst: number): Promise<number[]> {
  await contender.run();
  const times: number[] = [];
  for (let i = 0; i < burst; i++) {
    const start = performance.now();
    await contender.run();
    times.push(performance.now() - start);
  }
  return times;
}

export function compare(base: Timing, other: Timing): Ratio {
  const ratios = base.rounds.map((time, round) => other.rounds[round]! / time);
  return { ratio: other.median / base.median, low: quantile(ratios, 0.1), high: quantile(ratios, 0.9) };
}

/** The value below which the share `q` of the values lies, interpolated between the two nearest. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const position = q * (sorted.length - 1);
  const low = Math.floor(position);
  const above = sorted[Math.min(low + 1, sorted.length - 1)]!;
  return sorted[low]! + (above - sorted[low]!) * (position - low);
}
