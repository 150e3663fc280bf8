/** Two sides compared on random inputs, and what to say about it. */
import { formatLocation } from '../diagnostics/index.ts';
import type { Graph } from '../ir/index.ts';
import {
  compareOutputs,
  type Divergence,
  firstDivergence,
  formatDifference,
  type OutputDifference,
} from './compare.ts';
import { randomFeeds } from './random.ts';
import type { Side } from './sides.ts';
import { count } from './table.ts';
import type { Terminal } from './terminal.ts';

interface Failure {
  readonly seed: number;
  readonly outputs: readonly OutputDifference[];
  /** The first node whose value differs, where both sides can tell. */
  readonly divergence?: Divergence;
}

export interface Verdict {
  readonly found: string;
  readonly against: string;
  readonly runs: number;
  readonly agrees: boolean;
  readonly failure?: Failure;
}

/**
 * Runs seed after seed until something differs, by more than `allowance` grants an output.
 */
export async function compareSides(
  expected: Side,
  found: Side,
  graph: Graph,
  seeds: readonly number[],
  terminal: Terminal,
  allowance?: ReadonlyMap<string, number>,
): Promise<Verdict> {
  for (const [i, seed] of seeds.entries()) {
    terminal.progress(`${found.name} against ${expected.name}: input ${i + 1} of ${seeds.length}`);
    const feeds = randomFeeds(graph, seed);
    const outputs = compareOutputs(await expected.run(feeds), await found.run(feeds)).filter(
      ({ output, difference }) => !(difference && difference.largest <= (allowance?.get(output) ?? 0)),
    );
    if (outputs.length === 0) continue;
    terminal.progress('looking for the first node that differs');
    const divergence =
      expected.observe && found.observe && firstDivergence(graph, expected.observe(feeds), found.observe(feeds));
    const failure = { seed, outputs, ...(divergence && { divergence }) };
    return { found: found.name, against: expected.name, runs: i + 1, agrees: false, failure };
  }
  return { found: found.name, against: expected.name, runs: seeds.length, agrees: true };
}

export function verdictText({ found, against, runs, agrees, failure }: Verdict, terminal: Terminal): string {
  const inputs = count(runs, 'random input');
  if (agrees) return `${found} ${terminal.paint('green', 'equals')} ${against} on ${inputs}`;
  const lines = [
    `${found} ${terminal.paint('red', 'differs')} from ${against} on the random input of seed ${failure?.seed}`,
  ];
  for (const { output, why, difference } of failure?.outputs ?? [])
    lines.push(`  output ${output}: ${difference ? formatDifference(difference) : why}`);
  const { divergence } = failure ?? {};
  if (divergence !== undefined) {
    lines.push(`  the first value that differs is %${divergence.node}: ${formatDifference(divergence)}`);
    const where = formatLocation(divergence.location);
    if (where !== '') lines.push(`    at ${where}`);
    lines.push(`    ${divergence.ir}`);
  }
  return lines.join('\n');
}
