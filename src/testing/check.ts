/** The checks: a rule or a rewrite against the meaning of the graphs, on drawn graphs and inputs. */
import * as fc from 'fast-check';
import { type Feeds, formatType, type Graph, verify } from '../ir/index.ts';
import type { AnyRule } from '../passes/index.ts';
import { applyOnce } from './apply_once.ts';
import { graphsFor } from './arbitraries/roots.ts';
import { compareGraphs, type Difference, type Tolerance } from './compare.ts';
import { type Contents, nonFinitePattern, type Pattern } from './contents.ts';
import { CounterexampleError, type Refutation } from './counterexample.ts';
import { defaultRuns, defaultSeed } from './draws.ts';
import { arbitraryFeeds, feedsOf } from './feeds.ts';

export interface CheckOptions extends Tolerance {
  /** The graphs to draw from; by default graphs with the rule's root operator. */
  readonly graphs?: fc.Arbitrary<Graph>;
  /** Graphs in which the rule fires, 200 by default and 10,000 when UNSKEW_DEEP is set. */
  readonly runs?: number;
  /** The seed of the draws: UNSKEW_SEED, or a fixed one; with UNSKEW_DEEP another one every time. */
  readonly seed?: number;
  /** Also on float inputs among which NaN, infinities, zeros of both signs, huge and subnormal numbers are frequent. */
  readonly nonFinite?: boolean;
  /** Folder for counterexamples, `reproducers` by default. */
  readonly folder?: string;
}

export interface CheckReport {
  readonly name: string;
  /** The number of graphs drawn; `fired`: of graphs in which the rule fired. */
  readonly drawn: number;
  readonly fired: number;
}

/** The least share of draws in which a rule has to fire: below it a test says little. */
export const LEAST_SHARE = 0.3;

/**
 * The tolerance of a rule that is not bit-exact, since its own bound is text: one step of a quantized result; for a
 * float, the seven roundings to binary32 that separate sx·sw·Σ(x − zx)(w − zw) + b from the product of dequantized
 * operands.
 */
const bounded: Tolerance = { steps: 1, relative: 2 ** -21 };

/**
 * Draws graphs in which the rule fires, applies it once at every match, and compares the meaning before and after on
 * random and on extreme inputs: bit for bit, or within the tolerance when the rule is not bit-exact.
 *
 * @throws CounterexampleError with the smallest graph that refutes the law; Error when the rule fires too rarely
 */
export function checkRule(rule: AnyRule, options: CheckOptions = {}): CheckReport {
  return checkTransform({ ...subjectOf(rule, options), ...options });
}

/** The subject of `checkTransform`. */
export interface Transform {
  readonly name: string;
  /** The law that has to hold, for the error. */
  readonly law: string;
  readonly graphs: fc.Arbitrary<Graph>;
  /** The rewritten graph, or two graphs to be compared; undefined when nothing can be rewritten. */
  transform(graph: Graph): Graph | readonly [before: Graph, after: Graph] | undefined;
}

/**
 * The same for a pass, a pipeline, or any other function from graphs to graphs.
 *
 * @throws as `checkRule`
 */
export function checkTransform(subject: Transform & Omit<CheckOptions, 'graphs'>): CheckReport {
  const { report, failure } = search(subject, 'shrink');
  if (failure) throw new CounterexampleError(failure, folderFor(subject.name, subject));
  if (report.fired < report.drawn * LEAST_SHARE)
    throw new Error(
      `${subject.name} fired in ${report.fired} of ${report.drawn} graphs: its test says too little; give graphs in which it fires`,
    );
  return report;
}

/**
 * Asserts that the draws that check a rule also refute its wrong variant, by a value that differs. A draw in which it
 * makes a graph of other types does not count, because the driver refuses such a graph anyway.
 *
 * @returns the number of graphs after which it was refuted
 * @throws Error when the rule has no wrong variant, or when it survives
 */
export function checkWrong(
  rule: AnyRule,
  options: CheckOptions = {},
): CheckReport & { readonly refutation: Refutation } {
  const { wrong } = rule;
  if (wrong === undefined) throw new Error(`${rule.name} has no wrong variant that its test has to refute`);
  const mistaken = { ...rule, rewrite: wrong.rewrite, law: wrong.what };
  const { report, failure } = search({ ...subjectOf(mistaken, options), ...options }, 'differences only');
  if (failure === undefined)
    throw new Error(`${rule.name}: the wrong variant '${wrong.what}' survived ${report.fired} graphs`);
  return { ...report, refutation: failure };
}

function subjectOf(rule: AnyRule, { graphs = graphsFor(rule) }: CheckOptions): Transform & Tolerance {
  const { name, law, exactness } = rule;
  return { name, law, graphs, transform: (graph) => applyOnce(graph, rule), ...(exactness !== 'bit-exact' && bounded) };
}

/**
 * Checks that two graphs with the same inputs and outputs mean the same.
 *
 * @throws CounterexampleError with the first inputs on which they differ
 */
export function checkRewrite(before: Graph, after: Graph, options: Omit<CheckOptions, 'graphs'> = {}): CheckReport {
  const { runs = defaultRuns, seed = defaultSeed(), nonFinite = false } = options;
  const name = `${before.name} rewritten`;
  const fault = faultOf(before, after);
  const drawn = fc.sample(arbitraryFeeds, { numRuns: runs, seed });
  const inputs = drawn.map(
    (spec, i): Contents => (nonFinite && i % 2 === 1 ? { ...spec, pattern: nonFinitePattern } : spec),
  );
  inputs.forEach((spec, i) => {
    const feeds = feedsOf(before, spec);
    const difference = fault ?? differenceOn(before, after, feeds, options);
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

/** A fault that shows without inputs: `after` is invalid, or its inputs or outputs differ in name, type or order. */
function faultOf(before: Graph, after: Graph): string | undefined {
  const broken = verify(after).map((d) => d.message);
  if (broken.length > 0) return `the rewritten graph is broken: ${broken.join('\n')}`;
  for (const which of ['inputs', 'outputs'] as const) {
    const [was, is] = [before, after].map((graph) =>
      graph[which].map((id) => `%${id}: ${formatType(graph.values[id].type)}`).join(', '),
    );
    if (was !== is) return `the ${which} are ${was} before and ${is} after`;
  }
  return undefined;
}

/** The first element that differs. A graph that cannot be evaluated differs from any other. */
function differenceOn(
  before: Graph,
  after: Graph,
  feeds: Feeds,
  tolerance: Tolerance,
): Difference | string | undefined {
  try {
    return compareGraphs(before, after, feeds, tolerance);
  } catch (error) {
    return `one of the graphs cannot be evaluated: ${messageOf(error)}`;
  }
}

interface Draw {
  readonly graph: Graph;
  readonly inputs: Contents;
}

function search(
  subject: Transform & Omit<CheckOptions, 'graphs'>,
  mode: 'shrink' | 'differences only',
): { report: CheckReport; failure?: Refutation } {
  const { name, law, graphs, runs = defaultRuns, seed = defaultSeed() } = subject;
  let [drawn, fired] = [0, 0];
  const property = fc.property(fc.record({ graph: graphs, inputs: arbitraryFeeds }), (draw) => {
    drawn++;
    const outcome = tryDraw(subject, draw);
    fc.pre(outcome !== 'missed' && (mode === 'shrink' || isDecided(outcome)));
    fired++;
    return outcome === 'same';
  });
  const details = fc.check(property, { numRuns: runs, seed, endOnFailure: mode !== 'shrink', maxSkipsPerRun: 50 });
  const report = { name, drawn, fired };
  if (!details.failed || details.counterexample === null) return { report };
  const outcome = tryDraw(subject, details.counterexample[0]);
  if (outcome === 'missed' || outcome === 'same') throw new Error(`${name} does not behave the same twice`);
  const draws = `found with graph ${details.numRuns} of ${runs}, shrunk ${details.numShrinks} times, seed ${seed}`;
  return { report, failure: { name, law, draws, ...outcome } };
}

type Outcome = 'missed' | 'same' | Pick<Refutation, 'before' | 'after' | 'feeds' | 'difference'>;

/** True when values were compared. */
const isDecided = (outcome: Outcome): boolean =>
  outcome === 'same' || (outcome !== 'missed' && typeof outcome.difference !== 'string');

/** One graph, on the drawn pattern and on random inputs. */
function tryDraw(
  { transform, nonFinite = false, ...tolerance }: Transform & Omit<CheckOptions, 'graphs'>,
  { graph, inputs }: Draw,
): Outcome {
  const more: readonly Pattern[] = nonFinite ? ['random', nonFinitePattern] : ['random'];
  const tried: Feeds[] = [inputs, ...more.map((pattern) => ({ pattern, seed: inputs.seed }))].map((contents) =>
    feedsOf(graph, contents),
  );
  let result: ReturnType<typeof transform>;
  try {
    result = transform(graph);
  } catch (error) {
    return { before: graph, feeds: tried[0], difference: `the rewrite fails: ${messageOf(error)}` };
  }
  if (result === undefined) return 'missed';
  const [before, after] = 'nodes' in result ? [graph, result] : result;
  const fault = faultOf(before, after);
  for (const feeds of tried) {
    const difference = fault ?? differenceOn(before, after, feeds, tolerance);
    if (difference !== undefined) return { before, after, feeds, difference };
  }
  return 'same';
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const folderFor = (name: string, { folder = 'reproducers' }: CheckOptions): string =>
  `${folder}/${name.replace(/[^\w.-]+/g, '-')}`;
