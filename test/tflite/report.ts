/**
 * Prints what becomes of every single-operator model: `npx tsx test/tflite/report.ts`, with the name of an operator for one alone,
 * `--wrong` for reasons, and `--on interpreter,addon,onnxruntime,symmetric` for engines.
 */
import { tfliteProfiles } from '../../src/importers/tflite/profiles.ts';
import { type EngineName, engines, enginesAsked, wordsOf } from './engines.ts';
import {
  inAnotherOrder,
  type OperatorCase,
  type Outcome,
  operatorCases,
  outcomeOf,
  type Run,
} from './operator_cases.ts';

const words = process.argv.slice(2);
const [only] = wordsOf(words);
const shows = words.includes('--wrong');
const STATUSES = ['equal', 'last bits', 'refused', 'wrong'] as const;
type Counts = Record<Outcome['status'], number>;

const runOn =
  (on: EngineName): Run =>
  async (graph, feeds) => {
    const engine = await engines[on](graph);
    try {
      return await engine.run(feeds);
    } finally {
      await engine.close();
    }
  };

/** Sums in another order: the interpreter and LiteRT differ by less than two engines do. */
const slackOf = (c: OperatorCase, on: EngineName): number =>
  inAnotherOrder(c) ? (on === 'interpreter' ? 2 ** -22 : 2 ** -20) : 0;

const line = (head: string, counts: Counts): void =>
  console.log(head.padEnd(52), ...STATUSES.map((status) => `${counts[status]} ${status}`.padStart(13)));

for (const on of enginesAsked(words))
  for (const profile of tfliteProfiles) {
    const totals = new Map<string, Counts>();
    for (const c of operatorCases(only)) {
      const outcome = await outcomeOf(c, profile, runOn(on), slackOf(c, on)).catch(
        (error): Outcome => ({ status: 'wrong', why: `throws ${error.stack?.split('\n').slice(0, 3).join(' ')}` }),
      );
      for (const name of [c.op, 'all']) {
        const counts = totals.get(name) ?? { equal: 0, 'last bits': 0, refused: 0, wrong: 0 };
        counts[outcome.status]++;
        totals.set(name, counts);
      }
      if (shows && outcome.status !== 'equal')
        console.log(on, profile, c.id, JSON.stringify(c.options), outcome.status, outcome.why);
    }
    for (const [name, counts] of [...totals].filter(([name]) => name !== 'all'))
      line(`${on} ${profile} ${name}`, counts);
    line(`${on} ${profile} all`, totals.get('all') ?? { equal: 0, 'last bits': 0, refused: 0, wrong: 0 });
  }
