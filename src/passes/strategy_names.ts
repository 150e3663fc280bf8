/** The names of the ways to correct a source zero point, which the command line knows without loading their rules. */

/** In the order in which tables show them. */
export const wayNames = [
  'fold',
  'border-table',
  'pad',
  'native',
  'four-term',
  'two-conv',
  'f32-shift',
  's32-shift',
] as const;

export type StrategyName = (typeof wayNames)[number];
/** `auto`, one way for all layers, or ways per node (by node or layer name; the rest is `auto`). */
export type Strategy = StrategyName | 'auto' | Readonly<Record<string, StrategyName | 'auto'>>;

export const strategyNames: readonly (StrategyName | 'auto')[] = ['auto', ...wayNames];

export const isStrategyName = (name: string): name is StrategyName | 'auto' =>
  strategyNames.some((known) => known === name);
