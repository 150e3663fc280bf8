/**
 * The ways to correct a source zero point, their costs, and the choice among them.
 *
 * Costs are relative to the symmetric convolution of the same layer. They come from measurements (`cost/`) or, for a
 * target without measurements, from the rules of thumb below: padded windows cost a border map little when the output
 * is small, and an explicit pad little when it is large. See docs/strategies.md.
 */
import type { LayerClass } from './cost/layer_class.ts';
import type { CostModel } from './cost/model.ts';
import type { AnyRule } from './rewrite/rule.ts';
import { borderTable } from './rules/border_table.rule.ts';
import { convTransposeWays } from './rules/conv_transpose.rules.ts';
import { f32Shift } from './rules/f32_shift.rule.ts';
import { fold } from './rules/fold.rule.ts';
import { fourTerm } from './rules/four_term.rule.ts';
import { pad } from './rules/pad.rule.ts';
import { s32Shift } from './rules/s32_shift.rule.ts';
import { twoConv } from './rules/two_conv.rule.ts';
import { type StrategyName, wayNames } from './strategy_names.ts';
import type { Target } from './target.ts';

export type { LayerClass };

export interface Way {
  readonly name: StrategyName;
  readonly doc: string;
  /**
   * The rule that performs it; undefined: the layer stays, and its zero point becomes an attribute of the primitive or
   * kernel.
   */
  readonly rule?: AnyRule;
  /** A rule of thumb, for targets that nobody measured; relative to the symmetric layer. */
  cost(layer: LayerClass): number;
}

const small = ({ positions }: LayerClass): boolean => positions !== undefined && positions <= 16 * 16;

const byName: Readonly<Record<StrategyName, Omit<Way, 'name'>>> = {
  fold: { doc: 'zx·Σw in the int32 bias', rule: fold, cost: () => 1 },
  'border-table': {
    doc: 'the constant map zx·conv(1, w) as a post-op',
    rule: borderTable,
    cost: (l) => (small(l) ? 1.03 : 1.15),
  },
  pad: {
    doc: 'an explicit pad with zx, then fold',
    rule: pad,
    cost: (l) => (small(l) ? 1.12 : l.inputChannels === 3 ? 1.03 : 1.05),
  },
  native: {
    doc: 'the zero point as an attribute of the primitive or of our own kernel',
    cost: (l) => (l.depthwise ? 1 : small(l) ? 1.2 : 1.06),
  },
  'four-term': { doc: 'the decomposition of gemmlowp, term by term', rule: fourTerm, cost: () => 1.2 },
  'two-conv': {
    doc: 'a second convolution over the broadcast zero point (oneDNN #665)',
    rule: twoConv,
    cost: () => 2.04,
  },
  'f32-shift': { doc: 'subtract in f32, f32 convolution (oneDNN #665)', rule: f32Shift, cost: () => 4 },
  's32-shift': { doc: 'subtract in s32, the reference convolution', rule: s32Shift, cost: () => 500 },
};

export const ways: readonly Way[] = wayNames.map((name) => ({ name, ...byName[name] }));

const transposedRules: Readonly<Record<string, AnyRule>> = convTransposeWays;
/** The number of products in one output of a transposed convolution. */
const products = ({ inputChannels = 64, groups, taps, stride }: LayerClass): number =>
  (inputChannels * taps) / (stride * groups);
const transposedCosts: Readonly<Record<string, Way['cost']>> = {
  fold: () => 1,
  'border-table': (layer) => 1 + 25 / products(layer),
  native: (layer) => (products(layer) < 200 ? 1.1 : 1.5),
  'four-term': (layer) => 1.02 + 25 / products(layer),
  'two-conv': () => 2,
  'f32-shift': () => 3.3,
  's32-shift': () => 500,
};
/** The same for transposed convolutions, all but `pad`: their padding reads nothing. */
export const transposedWays: readonly Way[] = ways
  .filter(({ name }) => name !== 'pad')
  .map(({ name, doc }) => ({ name, doc, rule: transposedRules[name], cost: transposedCosts[name] }));

export interface WayReport {
  readonly name: string;
  readonly legal: boolean;
  readonly reason?: string;
  /** Relative to the symmetric convolution. */
  readonly cost: number;
}

/** The decision for one layer. */
export interface StrategyReport {
  readonly node: string;
  readonly layer: string;
  /** As in `CertificateEntry`. */
  readonly bodyOf?: readonly string[];
  readonly op: string;
  /** The source zero point; undefined when it is computed at run time. */
  readonly zeroPoint?: number;
  readonly ways: readonly WayReport[];
  readonly chosen: string;
  /** The way that was requested for all layers, and the reason why it is not legal for this one. */
  readonly insteadOf?: { readonly way: string; readonly reason: string };
}

/** The cost that `auto` uses: measured where anything comparable was, else the way's own rule of thumb. */
export const costOf = (way: Way, layer: LayerClass, costs: CostModel): number =>
  costs.costOf(way.name, layer) ?? way.cost(layer);

/** Ways that leave no zero point behind serve every target; `native` needs one that takes zero points. */
export const servesTarget = (way: Way, { capabilities }: Target): boolean =>
  way.rule !== undefined || capabilities.sourceZeroPoint;
