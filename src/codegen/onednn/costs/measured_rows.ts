/** The written form of measured tables: a line for every layer class. */

import type { CostRow, LayerClass } from '../../../passes/index.ts';
import type { Isa } from '../machine.ts';

/** Costs on one kind of machine. */
export interface CostTable {
  readonly isa: Isa;
  readonly onednnMajor: number;
  readonly threads: number;
  readonly rows: readonly CostRow[];
}

/** The fields of a `LayerClass` in order, flags as 0 and 1; then for every number of threads the cost of each way, 0 for none. */
export type MeasuredRow = readonly [
  kind: LayerClass['kind'],
  depthwise: number,
  padded: number,
  groups: number,
  taps: number,
  stride: number,
  inputChannels: number,
  outputChannels: number,
  positions: number,
  ...costs: (readonly number[])[],
];

/** One table for every number of threads. */
export const tablesOf = (
  isa: Isa,
  onednnMajor: number,
  threadCounts: readonly number[],
  ways: readonly string[],
  rows: readonly MeasuredRow[],
): readonly CostTable[] =>
  threadCounts.map((threads, t) => ({
    isa,
    onednnMajor,
    threads,
    rows: rows.map(
      ([kind, depthwise, padded, groups, taps, stride, inputChannels, outputChannels, positions, ...costs]) => ({
        layer: {
          kind,
          depthwise: depthwise === 1,
          padded: padded === 1,
          groups,
          taps,
          stride,
          inputChannels,
          outputChannels,
          positions,
        },
        costs: Object.fromEntries(ways.map((way, i) => [way, costs[t][i]] as const).filter(([, cost]) => cost > 0)),
      }),
    ),
  }));
