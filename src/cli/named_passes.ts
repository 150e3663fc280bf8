/** The passes of `pass_list.ts`, made. */
import { select } from '../codegen/index.ts';
import {
  canonicalize,
  correctZeroPoints,
  familiesFor,
  foldConstants,
  foldWeights,
  groupQdq,
  type Pass,
  type Strategy,
  type StrategyReport,
  type Target,
} from '../passes/index.ts';
import { portableBackend } from '../runtime/index.ts';
import type { PassEntry, PassName, passOptions } from './pass_list.ts';

/** The settings that all passes of one command share. */
export interface PassSetting {
  readonly target: Target;
  readonly strategy: Strategy;
  readonly report: (entry: StrategyReport) => void;
}

type Given<N extends PassName> = {
  readonly [K in keyof (typeof passOptions)[N]]?: ValueIn<(typeof passOptions)[N][K]>;
};
type ValueIn<V> = V extends readonly (infer T)[] ? T : never;

const makers: { readonly [N in PassName]: (options: Given<N>, setting: PassSetting) => Pass } = {
  'fold-constants': () => foldConstants,
  canonicalize: () => canonicalize,
  'group-qdq': ({ families }, { target }) => groupQdq(families ?? familiesFor(target.capabilities)),
  'correct-zero-points': (options, { strategy, report }) => correctZeroPoints(options.strategy ?? strategy, report),
  select: () => select(portableBackend),
  'fold-weights': () => foldWeights(portableBackend.level),
};

export const makePasses = (entries: readonly PassEntry[], setting: PassSetting): Pass[] =>
  entries.map(({ name, options }) => makers[name](options, setting));
