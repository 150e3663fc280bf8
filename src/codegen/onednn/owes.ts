/**
 * The obligations of oneDNN: its primitives add bias and map in f32, and without VNNI their products saturate to int16.
 * Our own kernels (convolution, depthwise, requantize) add in int32 and owe nothing.
 *
 *   accumulator (int32, the source zero point taken care of) → f32, + bias, + map, · scale, + offset, · multiplier, round, clip, + zero point
 */

import {
  atChannel,
  constantOf,
  dnnlConvTranspose,
  type Graph,
  type ITensor,
  isOp,
  layoutOf,
  nodesOf,
  sizeOf,
  type ValueId,
} from '../../ir/index.ts';
import { stepOf } from '../../numerics/index.ts';
import {
  bounds,
  channelAxis,
  differences,
  type Fused,
  fusedOf,
  highest,
  integers,
  magnitude,
  type Obligation,
  type Ranges,
  type Recipe,
  recipeOf,
  Session,
  type Step,
} from '../../proofs/index.ts';
import { primitiveFinishes } from './epilogue_exactness.ts';
import { hasVnni, type Isa, type Machine } from './machine.ts';
import { isOurs } from './our_kernel.ts';
import { inLanes, type Lanes, pairedLanes } from './saturation_lanes.ts';
import { anyPairs, type FilterView, filterView, neighbouringPairs, type Pairs, pairsFit } from './saturation_pairs.ts';

/** f32 holds every integer up to here. */
const EXACT = 2 ** 24;
/** Sums (channel, constant of the map) whose thresholds are compared per node at most. */
const MOST_STEPS = 20_000;

/**
 * The obligations of the primitives of a graph at level dnnl, by node.
 *
 * @param finishes the predicate by which lowering leaves the end of a product to a primitive
 */
export function owes(
  graph: Graph,
  machine: Pick<Machine, 'isa' | 'kernels'>,
  session = new Session(),
  finishes = primitiveFinishes,
): Map<ValueId, Obligation[]> {
  const { isa } = machine;
  const ranges = session.ranges(graph);
  const found = new Map<ValueId, Obligation[]>();
  for (const node of nodesOf(graph)) {
    const fused = fusedOf(node);
    if (!fused?.w || isOurs(graph, node, machine, finishes)) continue;
    found.set(node.id, [
      fused.attrs.to !== 's32' && finishes(graph, node)
        ? epilogue(graph, fused, ranges)
        : bareSum(graph, fused, ranges),
      ...(hasVnni(isa) ? [] : [saturation(graph, fused, fused.w, isa, ranges)]),
    ]);
  }
  return found;
}

/** Known integers, added to the sum of a fused product. */
interface Added {
  readonly bias: ITensor | undefined;
  readonly map: ITensor | undefined;
}

const addedTo = (graph: Graph, { bias, map }: Fused<ValueId>): Added => ({
  bias: constantOf(graph, bias),
  map: constantOf(graph, map),
});

/** Most implementations return s32 sums by way of f32, for any source; see codegen/onednn/lower/bare_sum.ts. */
function bareSum(graph: Graph, fused: Fused<ValueId>, ranges: Ranges): Obligation {
  const { node } = fused;
  const { bias, map } = addedTo(graph, fused);
  const what = 'the sum that oneDNN returns is the int32 sum';
  const most = magnitude(ranges.sum(node)) + largest(bias) + largest(map);
  const otherwise = isOp(node, dnnlConvTranspose)
    ? 'left to the kernel that adds in int32'
    : 'left to implementations that do not convert them, or added in int32 from parts that f32 holds';
  const method =
    most <= EXACT ? `f32 holds the sums: |sum| ≤ ${most} ≤ 2^24` : `sums may reach ±${most}, beyond 2^24: ${otherwise}`;
  return { kind: 'rounding', what, method, verdict: 'proved' };
}

const largest = (t: ITensor | undefined): number =>
  t === undefined ? 0 : integers(t).reduce((most, v) => Math.max(most, Math.abs(v)), 0);

function epilogue(graph: Graph, fused: Fused<ValueId>, ranges: Ranges): Obligation {
  const { node } = fused;
  const { bias, map } = addedTo(graph, fused);
  const what = 'oneDNN’s f32 epilogue rounds like the int32 recipe';
  const proved = (method: string): Obligation => ({ kind: 'rounding', what, method, verdict: 'proved' });
  if (bias === undefined && map === undefined)
    return proved('no integer is added: both round the same function of fl(sum)');
  const sum = ranges.sum(node);
  const most = magnitude(sum) + largest(bias) + largest(map);
  if (most <= EXACT) return proved(`every f32 sum is exact: |sum| + |bias| + |map| ≤ ${most} ≤ 2^24`);
  const recipe = recipeOf(graph, node);
  if (!recipe?.rises)
    return { kind: 'rounding', what, method: 'parameters', verdict: { open: 'they do not make steps that rise' } };
  const added = additions(graph, fused, { bias, map });
  const channels = added.length;
  let [saturated, compared] = [0, 0];
  for (let c = 0; c < channels; c++) {
    for (const [b, m] of added[c]) {
      const [low, high] = bounds(sum, c, recipe.axis);
      if (low < -(2 ** 31) + Math.abs(b) + Math.abs(m) || high > 2 ** 31 - 1 - Math.abs(b) - Math.abs(m))
        return { kind: 'rounding', what, method: 'intervals', verdict: { open: `channel ${c} may leave int32` } };
      const [exact, primitive] = [intRecipe(recipe, c, b + m), primitiveRecipe(recipe, c, b, m)];
      // Up to here all sums are exact; beyond it both sides are monotone, so they agree where they have saturated.
      const room = EXACT - Math.abs(b) - Math.abs(m);
      const isClamped = (at: number, end: number) => exact(at) === end && primitive(at) === end;
      if (
        room > 0 &&
        (high <= room || isClamped(room, recipe.high)) &&
        (low >= -room || isClamped(-room, recipe.low))
      ) {
        saturated++;
        continue;
      }
      if (++compared > MOST_STEPS)
        return {
          kind: 'rounding',
          what,
          method: 'thresholds',
          verdict: { open: 'too many different sums to compare' },
        };
      const at = differences(exact, primitive, low, high);
      if (at.length === 0) continue;
      const [[first]] = at;
      const witness = {
        inputs: {},
        output: node.id,
        index: [c],
        before: exact(first),
        after: primitive(first),
        accumulators: at.slice(0, 64),
      };
      return {
        kind: 'rounding',
        what,
        method: 'thresholds over the reachable sums of each channel',
        verdict: { refuted: witness },
      };
    }
  }
  const parts = [
    ...(saturated > 0
      ? [`${saturated} (channel, added constant): sums are exact up to 2^24 and both sides saturated beyond`]
      : []),
    ...(compared > 0 ? [`${compared}: all thresholds over the reachable sums are equal`] : []),
  ];
  return proved(parts.join('; '));
}

/** The different pairs of bias and map element, by channel. */
function additions(graph: Graph, fused: Fused<ValueId>, { bias, map }: Added): (readonly [number, number])[][] {
  const { shape } = graph.values[fused.node.id].type;
  const channels = Number(shape[channelAxis(fused, shape.length)]);
  const biases = bias && integers(bias);
  const maps = map && integers(map);
  const inner = map ? sizeOf(map.shape) / channels : 0;
  return Array.from({ length: channels }, (_, c) => {
    const b = biases ? atChannel(biases, c) : 0;
    return maps ? distinct(maps, c * inner, inner).map((m) => [b, m] as const) : [[b, 0] as const];
  });
}

/** The different numbers of a run: maps repeat theirs, row by row. */
function distinct(values: Float64Array, from: number, count: number): number[] {
  const found = new Set<number>();
  for (let i = from, last = Number.NaN; i < from + count; i++) {
    if (values[i] !== last) found.add((last = values[i]));
  }
  return [...found];
}

const intRecipe = (r: Recipe, c: number, added: number): Step => {
  const step = stepOf(r, c);
  return (a) => step(a + added);
};

/** In f32 from the accumulator on: step(fl(fl(fl(A) + bias) + map)). */
const primitiveRecipe = (r: Recipe, c: number, bias: number, map: number): Step => {
  const [f, step] = [Math.fround, stepOf(r, c)];
  const [b, m] = [f(bias), f(map)];
  return (a) => step(f(f(f(a) + b) + m));
};

/** vpmaddubsw adds two neighbouring products and saturates the sum to int16; see saturation_pairs.ts. */
function saturation(
  graph: Graph,
  { x: source, attrs, node }: Fused<ValueId>,
  weights: ValueId,
  isa: Isa,
  ranges: Ranges,
): Obligation {
  const what = `sums are exact on ${isa}, where pairs of products are added in int16`;
  const obligation = (method: string, verdict: Obligation['verdict'] = 'proved'): Obligation => ({
    kind: 'saturation',
    what,
    method,
    verdict,
  });
  const halves = 'every weight is added in two halves of at most 64';
  const w = constantOf(graph, weights);
  const isSigned = graph.values[source].type.dtype === 's8';
  const shift = isSigned ? 128 : 0;
  const prefix = isSigned ? 'the source is given as u8; ' : '';
  if (w === undefined) return obligation(`${prefix}computed weights: ${halves}`);
  const reach = Math.max(highest(ranges.of(source)), attrs.sourceZeroPoint ?? 0) + shift;
  const view = filterView(w, layoutOf(node));
  const any = anyPairs(view);
  const told = ({ low, high }: Pairs) => `${low} … ${high}, times ${reach} within int16`;
  if (pairsFit(reach, any)) return obligation(`${prefix}any two weights of a filter add up to ${told(any)}`);
  const neighbours = neighbouringPairs(view);
  const elsewhere = `where an implementation adds other pairs than channels 2k and 2k + 1, ${halves}`;
  if (pairsFit(reach, neighbours))
    return obligation(`${prefix}neighbouring weights add up to ${told(neighbours)}; ${elsewhere}`);
  const lanes = pairedLanes(view, reach);
  const laned = neighbouringPairs(inLanes(view, lanes));
  const method = `${prefix}${lanes.perGroup} lanes in the place of ${view.channels} channels, in which neighbouring weights add up to ${told(laned)}; ${elsewhere}`;
  return pairsFit(reach, laned) && hasAllChannels(view, lanes)
    ? obligation(method)
    : obligation(method, { open: 'the lanes are not the channels' });
}

/** True when every channel has its weights in one lane, and the other lanes hold zeros. */
function hasAllChannels({ channels, groups }: FilterView, lanes: Lanes): boolean {
  const whole = lanes.channels.filter((_, i) => lanes.parts[i] === 'whole').sort((a, b) => a - b);
  return (
    whole.length === channels * groups &&
    whole.every((channel, i) => channel === i) &&
    lanes.channels.every((channel, i) => Math.floor(channel / channels) === Math.floor(i / lanes.perGroup)) &&
    lanes.parts.every((part) => part === 'whole' || part === 'none')
  );
}
