/**
 * The pass that the project is named after: every quantized convolution and matmul is rewritten into a symmetric int8
 * one plus corrections (or into one whose source zero point the target's library takes as an attribute).
 *
 *  1. weights: zero points vanish into the weights when these fit s8, else into a window sum;
 *  2. sources: each layer takes the cheapest legal way, or the one it was told to take;
 *  3. products without zero points become plain ones;
 *  4. what several corrections compute alike is computed once.
 */
import { assert, closest, fail } from '../diagnostics/index.ts';
import {
  byOp,
  factorsOf,
  type Graph,
  type GraphReader,
  isProduct,
  type Node,
  type NodeId,
  nodesOf,
  type OpKey,
  productKind,
} from '../ir/index.ts';
import { shareOfCopies } from './corrections/repetition.ts';
import { layerClass } from './cost/layer_class.ts';
import type { CostModel } from './cost/model.ts';
import { lazily } from './lazily.ts';
import { staysOneProduct } from './one_product.ts';
import type { Pass, PassContext, PassResult } from './pass.ts';
import { applyRules } from './rewrite/driver.ts';
import { GraphEditor, type RewriteEvent } from './rewrite/editor.ts';
import { type AnyRule, matchOf } from './rewrite/rule.ts';
import { convTransposeRules } from './rules/conv_transpose.rules.ts';
import { dropZeroPoint } from './rules/drop_zero_point.rule.ts';
import { matmulRules, matmulWays, moveRight, repeatLeft, rowSum } from './rules/matmul.rules.ts';
import { recentreSource } from './rules/recentre_source.rule.ts';
import { recentreWeights } from './rules/recentre_weights.rule.ts';
import { repeatSource } from './rules/repeat_source.rule.ts';
import { windowSum } from './rules/window_sum.rule.ts';
import { zeroPointFree } from './rules/zero_point_free.rule.ts';
import { shareEqual } from './share_equal.ts';
import { costOf, type StrategyReport, servesTarget, transposedWays, type Way, ways } from './strategies.ts';
import { isStrategyName, type Strategy, type StrategyName, strategyNames } from './strategy_names.ts';
import type { Capabilities, Target } from './target.ts';

/** Rules for the zero points of weights, and for u8 weights. Costs play no part: one of the rules is right. */
export const weightRules: readonly AnyRule[] = [
  dropZeroPoint,
  recentreWeights,
  repeatSource,
  windowSum,
  ...convTransposeRules.weights,
  ...matmulRules.weights,
];
const freeRules: readonly AnyRule[] = [zeroPointFree, ...convTransposeRules.free, ...matmulRules.free];

/** The ways to correct the source zero point of an operator. */
const waysByProduct: Readonly<Partial<Record<OpKey, readonly Way[]>>> = {
  qnnConv: ways,
  qnnConvTranspose: transposedWays,
  qnnMatmul: matmulWays,
};
const waysOf = byOp(waysByProduct);

/** The largest share of channels that a target which executes copies. */
const FEW = 1 / 8;

const mayCopy: Readonly<Record<Capabilities['copies'], (graph: GraphEditor, node: Node) => boolean>> = {
  'in files': staysOneProduct,
  few: (graph, node) => productKind(node) === 'conv' && (shareOfCopies(graph, node) ?? 1) <= FEW,
  never: () => false,
};

/** The rules that make one product of what others make two, where a target gains by it; others serve everywhere. */
const repeatingRules: ReadonlySet<AnyRule> = new Set<AnyRule>([repeatSource, repeatLeft]);

/** Rules that could have corrected a product: their misses say why a zero point is left. */
export const productRules: readonly AnyRule[] = [
  ...weightRules.filter((rule) => !rule.name.startsWith('drop-') && !repeatingRules.has(rule)),
  ...Object.values(waysByProduct).flatMap((list) => list.flatMap(({ rule }) => rule ?? [])),
];

/** The rules that a target saves which takes weights as they are; the others cost nothing when a graph runs. */
const secondProducts: ReadonlySet<AnyRule> = new Set<AnyRule>([windowSum, moveRight, rowSum]);

/**
 * Corrects zero points of weights, and sources that a target cannot take, before any way is chosen. Weights that the target
 * takes as they are stay where the layer takes the native way.
 */
export function correctWeights(graph: Graph, context: PassContext, strategy: Strategy = 'auto'): PassResult {
  const { target } = context;
  const stays = (node: Node, edited: GraphReader): boolean =>
    ['auto', 'native'].includes(wantedFor(strategy, node)) && (target.takesZeroPoints?.(node, edited) ?? false);
  return applyRules(graph, [...weightRules, ...sourceRules(target.capabilities)], {
    ...context,
    filter: (rule, node, edited) =>
      repeatingRules.has(rule)
        ? mayCopy[target.capabilities.copies](edited, node) && !stays(node, edited)
        : !secondProducts.has(rule) || !stays(node, edited),
  });
}

/** The way that was asked for a layer. */
const wantedFor = (strategy: Strategy, node: Node): StrategyName | 'auto' =>
  typeof strategy === 'string' ? strategy : (strategy[node.id] ?? strategy[node.loc.node ?? ''] ?? 'auto');

const sourceRules = ({ unsignedSources, unsignedTransposedSources }: Capabilities): readonly AnyRule[] => [
  ...(unsignedSources ? [recentreSource] : []),
  ...(unsignedTransposedSources ? convTransposeRules.source : []),
];

/** `report` receives one entry per layer that had a source zero point to correct. `costs`: the costs for `auto`. */
export function correctZeroPoints(
  strategy: Strategy,
  report: (entry: StrategyReport) => void,
  costs?: CostModel,
): Pass {
  return {
    name: 'correct-zero-points',
    doc: 'Rewrites quantized convolutions and matmuls into symmetric ones plus corrections.',
    from: 'qnn',
    to: 'nn',
    run(graph, context) {
      checkNames(strategy);
      const steps: PassResult[] = [correctWeights(graph, context, strategy)];
      checkLayers(strategy, [graph, steps[0].graph]);
      const choice = { strategy, target: context.target, costs: costs ?? context.target.costs };
      const chosen = chooseWays(steps[0].graph, choice, report);
      const selected = [...new Set([...chosen.values()].flatMap((way) => way.rule ?? []))];
      steps.push(
        applyRules(steps[0].graph, selected, {
          ...context,
          filter: (rule, node) => chosen.get(node.id)?.rule === rule,
        }),
      );
      steps.push(applyRules(steps[1].graph, freeRules, context));
      steps.push(shareEqual(steps[2].graph, graph));
      return {
        graph: steps[3].graph,
        events: steps.flatMap((s): readonly RewriteEvent[] => s.events ?? []),
        patches: steps.flatMap((s) => s.patches ?? []),
        inversePatches: steps.flatMap((s) => s.inversePatches ?? []).reverse(),
      };
    },
  };
}

interface Choice {
  readonly strategy: Strategy;
  readonly target: Target;
  readonly costs: CostModel;
}

/** The way each layer takes. Layers that no way serves stay as they are and run on the reference kernel. */
function chooseWays(graph: Graph, choice: Choice, report: (entry: StrategyReport) => void): Map<NodeId, Way> {
  const { strategy } = choice;
  const editor = new GraphEditor(graph);
  const chosen = new Map<NodeId, Way>();
  for (const node of nodesOf(graph)) {
    const candidates = waysOf(node) ?? [];
    const zeroPoint = factorsOf(node)?.zx;
    if (candidates.length === 0 || zeroPoint === undefined) continue;
    const wanted = wantedFor(strategy, node);
    const zero = editor.constant(zeroPoint);
    const way = choose(editor, node, candidates, wanted, choice);
    if (way) chosen.set(node.id, way);
    // Judging some ways means scanning all weights, so it waits until somebody asks.
    const isOther = wanted !== 'auto' && way?.name !== wanted;
    const judged = lazily(() => candidates.map((w) => ({ name: w.name, ...judge(editor, node, w, choice) })));
    report({
      node: node.id,
      layer: node.loc.node ?? node.id,
      op: node.op,
      ...(zero?.data.length === 1 && { zeroPoint: Number(zero.data[0]) }),
      get ways() {
        return judged();
      },
      chosen: way?.name ?? 'none',
      ...(isOther && { insteadOf: { way: wanted, reason: whyNot(editor, node, candidates, wanted, choice) } }),
    });
  }
  return chosen;
}

/** The requested way when it is legal, else the cheapest legal one. A way requested for this very layer is binding. */
function choose(
  editor: GraphEditor,
  node: Node,
  candidates: readonly Way[],
  wanted: string,
  choice: Choice,
): Way | undefined {
  const layer = classOf(editor, node);
  const byCost = candidates
    .map((way) => ({ way, cost: costFor(editor, node, way, choice, layer) }))
    .sort((a, b) => a.cost - b.cost)
    .map(({ way }) => way);
  const isLegal = (way: Way) => reasonAgainst(editor, node, way, choice) === undefined;
  const asked = byCost.find((way) => way.name === wanted);
  if (asked && isLegal(asked)) return asked;
  if (typeof choice.strategy !== 'string' && wanted !== 'auto') {
    const reason = whyNot(editor, node, candidates, wanted, choice);
    const legal = byCost.filter(isLegal).map((way) => way.name);
    fail('U6003', `${wanted} is not legal for this layer: ${reason}`, node.loc, `legal here: ${legal.join(', ')}`);
  }
  return byCost.find(isLegal);
}

/** The reason why a requested way is not taken. */
function whyNot(editor: GraphEditor, node: Node, candidates: readonly Way[], wanted: string, choice: Choice): string {
  const asked = candidates.find(({ name }) => name === wanted);
  return (asked && judge(editor, node, asked, choice).reason) ?? 'the way does not apply to this layer';
}

/** Pads that the run computes have no kernel. */
const PAD_OF_RUN = 100;

/** The least that a pass over the sums of a product adds. */
const LEAST_PASS = 1.05;

/** The cost of a way here. */
function costFor(
  editor: GraphEditor,
  node: Node,
  way: Way,
  { target, costs }: Pick<Choice, 'target' | 'costs'>,
  layer = classOf(editor, node),
): number {
  const cost = costOf(way, layer, costs);
  const { w: weights, zx } = factorsOf(node) ?? {};
  if (zx !== undefined && editor.constant(zx) === undefined) {
    // Every other way subtracts a zero point of the run from sums in memory.
    if (target.takesZeroPoints?.(node, editor)) return way.name === 'native' ? 1 : Math.max(cost, LEAST_PASS);
    if (way.name === 'pad' && target.capabilities.executes) return PAD_OF_RUN;
  }
  if (target.costFor === undefined || weights === undefined) return cost;
  return target.costFor(node, editor.type(weights).shape, way.name, cost);
}

const classOf = (editor: GraphEditor, node: Node) => {
  const factors = factorsOf(node);
  assert(factors, `${node.op} is not a quantized product`);
  const [x, w] = [factors.x, factors.w].map((id) => editor.type(id).shape);
  return layerClass(node, x, w, editor.type(node.id).shape);
};

function judge(
  editor: GraphEditor,
  node: Node,
  way: Way,
  choice: Pick<Choice, 'target' | 'costs'>,
): { legal: boolean; reason?: string; cost: number } {
  const cost = costFor(editor, node, way, choice);
  const reason = reasonAgainst(editor, node, way, choice);
  return reason === undefined ? { legal: true, cost } : { legal: false, reason, cost };
}

/** Why a way is not legal here, undefined where it is. */
function reasonAgainst(
  editor: GraphEditor,
  node: Node,
  way: Way,
  { target }: Pick<Choice, 'target'>,
): string | undefined {
  if (!servesTarget(way, target)) return `a ${target.name} target has no zero points`;
  return way.rule ? missOf(editor, node, way.rule) : nativeMiss(editor, node, target);
}

function missOf(editor: GraphEditor, node: Node, rule: AnyRule): string | undefined {
  return rule.where?.(matchOf(editor, node), (reason) => ({ reason }))?.reason;
}

/** The primitive takes a scalar source zero point that is known when it is created. */
function nativeMiss(editor: GraphEditor, node: Node, target: Target): string | undefined {
  const factors = factorsOf(node);
  if (target.takesZeroPoints?.(node, editor)) return undefined;
  if (factors?.zw) return 'the weights have a zero point, which no convolution primitive knows';
  if (factors === undefined || editor.type(factors.w).dtype !== 's8') return 'the weights have to be s8 first';
  const zero = editor.constant(factors.zx);
  if (zero === undefined) return 'the zero point is computed at run time';
  return zero.data.length === 1 ? undefined : 'the zero point is not a scalar';
}

function checkNames(strategy: Strategy): void {
  const names = typeof strategy === 'string' ? [strategy] : Object.values(strategy);
  for (const name of names) {
    if (!isStrategyName(name)) fail('U4002', `'${name}' is not a strategy`, {}, `one of: ${strategyNames.join(', ')}`);
  }
}

/**
 * Checks the names of layers. They are the model's and, for users who take them from a report, the products that
 * corrected weights left.
 */
function checkLayers(strategy: Strategy, graphs: readonly Graph[]): void {
  if (typeof strategy === 'string') return;
  const names = (nodes: readonly Node[]) => new Set<string>(nodes.flatMap((n) => [n.id, n.loc.node ?? n.id]));
  const nodes = graphs.flatMap(nodesOf);
  const layers = names(nodes.filter(isProduct));
  const unknown = Object.keys(strategy).find((key) => !layers.has(key));
  if (unknown === undefined) return;
  const near = closest(unknown, [...layers]);
  const hint = near === undefined ? undefined : `did you mean '${near}'?`;
  if (names(nodes).has(unknown))
    fail('U4002', `the strategy names '${unknown}', which is not a convolution or a matmul`, {}, hint);
  fail('U4002', `the strategy names a layer that the model does not have: '${unknown}'`, {}, hint);
}
