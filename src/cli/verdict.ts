/** Compares two sides on random inputs, and reports the result. */
import { formatLocation } from '../diagnostics/index.ts';
import type { Feeds, Graph } from '../ir/index.ts';
import type { CertificateEntry } from '../passes/index.ts';
import { agreement, formatTies, type Meaning, type Ties } from './agreement.ts';
import { compareOutputs, type Divergence, formatDifference, type OutputDifference, type Tensors } from './compare.ts';
import { groupsOf } from './group_slack.ts';
import { randomFeeds } from './random.ts';
import type { Side } from './sides.ts';
import { count } from './table.ts';
import type { Terminal } from './terminal.ts';

interface Failure {
  readonly seed: number;
  readonly outputs: readonly OutputDifference[];
  /** The first node at which a side strays from its claim, and the name of that side. */
  readonly divergence?: Divergence & { readonly side: string };
}

export interface Verdict {
  readonly found: string;
  readonly against: string;
  readonly runs: number;
  readonly agrees: boolean;
  /** Integers on the other side of a tie, within the declared bound: they are not a failure. */
  readonly ties: readonly (Ties & { readonly seed: number; readonly side: string })[];
  /** Sides that compute other outputs when their values are read: ONNX Runtime takes other kernels then. */
  readonly swayed?: readonly string[];
  readonly failure?: Failure;
}

/** A side that shows its values, and their meaning: it decides whether a difference is a failure. */
export interface Claim {
  readonly side: Side;
  readonly meaning: Meaning;
}

/** Claims that ONNX Runtime computes the graph as it was imported, within the declared bounds of grouping. */
export const onnxRuntimeClaim = (side: Side, graph: Graph, grouping: readonly CertificateEntry[]): Claim => ({
  side,
  meaning: { graph, engine: 'onnxruntime', groups: groupsOf(graph, grouping) },
});

/** The evidence that decides when outputs are not equal. */
export interface Grounds {
  /** The claims that excuse a difference when all of them hold. */
  readonly claims?: () => readonly Claim[];
  /** The allowed difference of an output when a side does not show its values; absent: none. */
  readonly allowance?: ReadonlyMap<string, number>;
}

/**
 * Runs seed after seed until something differs. Outputs that are not equal, element for element, are still right when
 * every claim holds.
 */
export async function compareSides(
  expected: Side,
  found: Side,
  graph: Graph,
  seeds: readonly number[],
  terminal: Terminal,
  grounds: Grounds = {},
): Promise<Verdict> {
  const verdict = { found: found.name, against: expected.name };
  const ties: Verdict['ties'][number][] = [];
  const swayed = new Set<string>();
  for (const [i, seed] of seeds.entries()) {
    terminal.progress(`${found.name} against ${expected.name}: input ${i + 1} of ${seeds.length}`);
    const feeds = randomFeeds(graph, seed);
    const [one, other] = [await expected.run(feeds), await found.run(feeds)];
    const outputs = compareOutputs(one, other);
    if (outputs.length === 0) continue;
    terminal.progress('looking for the first node that differs');
    const decided = await decide(grounds, feeds, outputs, (side) => (side === found ? other : one));
    if (decided.outputs.length > 0) {
      const { divergence } = decided;
      return {
        ...verdict,
        runs: i + 1,
        agrees: false,
        ties,
        failure: { seed, outputs, ...(divergence && { divergence }) },
      };
    }
    for (const tie of decided.ties) ties.push({ ...tie, seed });
    for (const side of decided.swayed) swayed.add(side);
  }
  return { ...verdict, runs: seeds.length, agrees: true, ties, ...(swayed.size > 0 && { swayed: [...swayed] }) };
}

interface Decision {
  /** Outputs that differ and may not. */
  readonly outputs: readonly OutputDifference[];
  readonly ties: readonly (Ties & { readonly side: string })[];
  readonly swayed: readonly string[];
  readonly divergence?: NonNullable<Failure['divergence']>;
}

async function decide(
  { claims, allowance }: Grounds,
  feeds: Feeds,
  outputs: readonly OutputDifference[],
  ran: (side: Side) => Tensors,
): Promise<Decision> {
  const beyond = outputs.filter(
    ({ output, difference }) => !(difference && difference.largest <= (allowance?.get(output) ?? 0)),
  );
  const ties: (Ties & { readonly side: string })[] = [];
  const unknown = new Set<string>();
  const swayed: string[] = [];
  for (const { side, meaning } of claims?.() ?? []) {
    const seen = await side.observe?.(feeds);
    // Values that are read along the way must equal those computed without a reader. ONNX Runtime may take an s8
    // activation for u8
    // when nobody reads it: its claims hold or do not hold either way.
    const isSwayed = seen !== undefined && compareOutputs(ran(side), Object.fromEntries(seen)).length > 0;
    if (seen === undefined || (isSwayed && meaning.engine === 'compiled')) return { outputs: beyond, ties: [], swayed };
    const found = agreement(meaning, feeds, seen);
    if (found.divergence) return { outputs, ties, swayed, divergence: { ...found.divergence, side: side.name } };
    if (isSwayed) swayed.push(side.name);
    for (const id of found.unknown) unknown.add(id);
    for (const tie of found.ties) ties.push({ ...tie, side: side.name });
  }
  const isDecided = ({ output, why }: OutputDifference) =>
    claims !== undefined && why === undefined && !unknown.has(output);
  return { outputs: beyond.filter((difference) => !isDecided(difference)), ties, swayed };
}

export function verdictText(
  { found, against, runs, agrees, ties, swayed = [], failure }: Verdict,
  terminal: Terminal,
): string {
  const inputs = count(runs, 'random input');
  if (agrees) {
    const equal = `${found} ${terminal.paint('green', 'equals')} ${against} on ${inputs}`;
    const reserve = ties.length > 0 ? ', but for ties within the bound of the rounded value' : '';
    const notes = swayed.map(
      (side) => `  ${side} computes other outputs when its integers are read; those outputs are compared`,
    );
    return [`${equal}${reserve}`, ...tieLines(ties), ...notes].join('\n');
  }
  const lines = [
    `${found} ${terminal.paint('red', 'differs')} from ${against} on the random input of seed ${failure?.seed}`,
  ];
  for (const { output, why, difference } of failure?.outputs ?? [])
    lines.push(`  output ${output}: ${difference ? formatDifference(difference) : why}`);
  const { divergence } = failure ?? {};
  const whose = divergence && divergence.side !== found ? ` of ${divergence.side}` : '';
  if (divergence !== undefined) {
    lines.push(`  the first value that differs is %${divergence.node}${whose}: ${formatDifference(divergence)}`);
    const where = formatLocation(divergence.location);
    if (where !== '') lines.push(`    at ${where}`);
    lines.push(`    ${divergence.ir}`);
  }
  return [...lines, ...tieLines(ties)].join('\n');
}

const MOST_TIES = 20;

/** One line for each layer and side: the first tie, and how many there are in all runs. */
function tieLines(ties: Verdict['ties']): string[] {
  const layers = new Map<string, Verdict['ties'][number]>();
  for (const tie of ties) {
    const key = `${tie.side} ${tie.node}`;
    const known = layers.get(key);
    layers.set(key, known ? { ...known, count: known.count + tie.count, size: known.size + tie.size } : tie);
  }
  const lines = [...layers.values()].map((tie) => `  ${tie.side}: ${formatTies(tie)}`);
  const more = lines.length - MOST_TIES;
  return more > 0 ? [...lines.slice(0, MOST_TIES), `  and in ${more} more layers`] : lines;
}
