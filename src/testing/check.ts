/** The checks: a rule or a rewrite against the meaning of the graphs, on drawn graphs and inputs. */
import { join } from 'node:path';
import * as fc from 'fast-check';
import { type Feeds, type Graph, verify } from '../ir/index.ts';
import type { AnyRule } from '../passes/rewrite/rule.ts';
import { applyOnce } from './apply_once.ts';
import { graphsFor } from './arbitraries/roots.ts';
import { compareGraphs, type Difference, type Tolerance } from './compare.ts';
import type { Contents } from './contents.ts';
import { CounterexampleError, type Refutation } from './counterexample.ts';
import { arbitraryFeeds, feedsOf } from './feeds.ts';

export interface CheckOptions extends Tolerance {
  /** The graphs to draw from; by default those of the rule's root operator. */
  readonly graphs?: fc.Arbitrary<Graph>;
  /** Graphs in which the rule fires, 200 by default and 10,000 when UNSKEW_DEEP is set. */
  readonly runs?: number;
  /** Of the draws: UNSKEW_SEED, or a fixed one; with UNSKEW_DEEP another one every time. */
  readonly seed?: number;
  /** Folder for counterexamples, `reproducers` by default. */
  readonly folder?: string;
}

export interface CheckReport {
  readonly name: string;
  /** Graphs drawn, and those among them in which the rule fired. */
  readonly drawn: number;
  readonly fired: number;
}

/** The least share of draws in which a rule has to fire: below it a test says little. */
export const LEAST_SHARE = 0.3;

const isDeep = process.env.UNSKEW_DEEP !== undefined;
export const defaultRuns = isDeep ? 10_000 : 200;
const defaultSeed = (): number => Number(process.env.UNSKEW_SEED ?? (isDeep ? Date.now() & 0x7fffffff : 665));

/**
 * What a rule that is not bit-exact may change, its own bound being text: one step of a quantized result, and of a float
 * the seven roundings to binary32 that separate sx·sw·Σ(x − zx)(w − zw) + b from the product of dequantized operands.
 */
const bounded: Tolerance = { steps: 1, relative: 2 ** -21 };

/**
 * Draws graphs in which the rule fires, applies it once at every match, and compares the meaning before and after on
 * random and on extreme inputs: bit for bit, or within the tolerance when the rule is not bit-exact.
 *
 * @throws CounterexampleError with the smallest graph that refutes the law; Error when the rule fires too rarely
 */
export function checkRule(rule: AnyRule, options: CheckOptions = {}): CheckReport {
  const { report, failure } = search(rule, options, 'shrink');
  if (failure) throw new CounterexampleError(failure, folderFor(rule.name, options));
  if (report.fired < report.drawn * LEAST_SHARE)
    throw new Error(
      `${rule.name} fired in ${report.fired} of ${report.drawn} graphs: its test says too little; give graphs in which it fires`,
    );
  return report;
}

/**
 * Asserts that the draws that check a rule refute its wrong variant: by a value that differs. Draws in which it makes a
 * graph of other types do not count, because the driver refuses those whatever they mean.
 *
 * @returns after how many graphs it was refuted
 * @throws Error when the rule has no wrong variant, or when it survives
 */
export function checkWrong(
  rule: AnyRule,
  options: CheckOptions = {},
): CheckReport & { readonly refutation: Refutation } {
  const { wrong } = rule;
  if (wrong === undefined) throw new Error(`${rule.name} has no wrong variant that its test has to refute`);
  const { report, failure } = search({ ...rule, rewrite: wrong.rewrite, law: wrong.what }, options, 'differences only');
  if (failure === undefined)
    throw new Error(`${rule.name}: the wrong variant '${wrong.what}' survived ${report.fired} graphs`);
  return { ...report, refutation: failure };
}

/**
 * Checks that two graphs with the same inputs and outputs mean the same.
 *
 * @throws CounterexampleError with the first inputs on which they differ
 */
export function checkRewrite(before: Graph, after: Graph, options: Omit<CheckOptions, 'graphs'> = {}): CheckReport {
  const { runs = defaultRuns, seed = defaultSeed() } = options;
  const name = `${before.name} rewritten`;
  const broken = verify(after);
  const inputs = fc.sample(arbitraryFeeds, { numRuns: runs, seed });
  inputs.forEach((spec, i) => {
    const feeds = feedsOf(before, spec);
    const difference =
      broken.length > 0 ? broken.map((d) => d.message).join('\n') : compareGraphs(before, after, feeds, options);
    if (difference === undefined) return;
    const refutation = {
      name,
      law: 'both graphs mean the same',
      before,
      after,
      feeds,
      difference,
      draws: `found with input ${i + 1} of ${runs}, seed ${seed}`,
    };
    throw new CounterexampleError(refutation, folderFor(name, options));
  });
  return { name, drawn: runs, fired: runs };
}

interface Draw {
  readonly graph: Graph;
  readonly inputs: Contents;
}

function search(
  rule: AnyRule,
  options: CheckOptions,
  mode: 'shrink' | 'differences only',
): { report: CheckReport; failure?: Refutation } {
  const { runs = defaultRuns, seed = defaultSeed() } = options;
  const tolerance =
    options.steps === undefined && options.relative === undefined && rule.exactness !== 'bit-exact' ? bounded : options;
  let [drawn, fired] = [0, 0];
  const property = fc.property(
    fc.record({ graph: options.graphs ?? graphsFor(rule), inputs: arbitraryFeeds }),
    (draw) => {
      drawn++;
      const outcome = tryDraw(rule, draw, tolerance);
      fc.pre(outcome !== 'missed' && (mode === 'shrink' || isDecided(outcome)));
      fired++;
      return outcome === 'same';
    },
  );
  const details = fc.check(property, { numRuns: runs, seed, endOnFailure: mode !== 'shrink', maxSkipsPerRun: 50 });
  const report = { name: rule.name, drawn, fired };
  if (!details.failed || details.counterexample === null) return { report };
  const [draw] = details.counterexample;
  const outcome = tryDraw(rule, draw, tolerance);
  if (outcome === 'missed' || outcome === 'same') throw new Error(`${rule.name} does not behave the same twice`);
  const draws = `found with graph ${details.numRuns} of ${runs}, shrunk ${details.numShrinks} times, seed ${seed}`;
  return { report, failure: { name: rule.name, law: rule.law, before: draw.graph, draws, ...outcome } };
}

type Outcome = 'missed' | 'same' | Pick<Refutation, 'after' | 'feeds' | 'difference'>;

/** Whether values were compared. */
const isDecided = (outcome: Outcome): boolean =>
  outcome === 'same' || (outcome !== 'missed' && typeof outcome.difference !== 'string');

/** One graph: random inputs first, then the drawn pattern. */
function tryDraw(rule: AnyRule, { graph, inputs }: Draw, tolerance: Tolerance): Outcome {
  const feeds = feedsOf(graph, inputs);
  let after: Graph | undefined;
  try {
    after = applyOnce(graph, rule);
  } catch (error) {
    return { feeds, difference: `the rewrite fails: ${messageOf(error)}` };
  }
  if (after === undefined) return 'missed';
  const broken = verify(after);
  if (broken.length > 0)
    return { after, feeds, difference: `the rewritten graph is broken: ${broken.map((d) => d.message).join('\n')}` };
  const tried: Feeds[] = [feeds, feedsOf(graph, { pattern: 'random', seed: inputs.seed })];
  for (const feeds of tried) {
    let difference: Difference | string | undefined;
    try {
      difference = compareGraphs(graph, after, feeds, tolerance);
    } catch (error) {
      difference = `one of the graphs cannot be evaluated: ${messageOf(error)}`;
    }
    if (difference !== undefined) return { after, feeds, difference };
  }
  return 'same';
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const folderFor = (name: string, { folder = 'reproducers' }: CheckOptions): string =>
  join(folder, name.replace(/[^\w.-]+/g, '-'));
