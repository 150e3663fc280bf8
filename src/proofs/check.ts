/**
 * The checker. Given the graph before and after a rewrite, it finds the values whose computation changed, and
 * discharges an obligation for each. It knows operators, not rules: any `after`, from whatever source, is judged by
 * itself.
 */

import {
  type Graph,
  isFloat,
  isFused,
  isOp,
  isProduct,
  type Node,
  nodesOf,
  qnnRequantize,
  type ValueId,
} from '../ir/index.ts';
import { describeMode, type RequantizeMode, requantizeModes } from '../numerics/index.ts';
import { sameData } from '../tensors/index.ts';
import { checkFinite } from './finite.ts';
import { checkIdentity, type IdentityReport, identityMethod } from './identity.ts';
import { filledWith, type Obligation, type Witness, witnessInput } from './obligation.ts';
import { highest, type Interval, lowest, type Ranges } from './range.ts';
import { checkReciprocal } from './reciprocal.ts';
import { GraphPair, type Region } from './region.ts';
import { compareRecipes, type Differing, recipeOf, roundedSum, sameChannels, unreached } from './rounding.ts';
import { Session } from './session.ts';
import { SizedRegions } from './sizes.ts';
import { sameOperators } from './spelled_out.ts';
import { sizesOf, Unsupported } from './terms.ts';
import { findWitness } from './witness.ts';

/** Told of every value before it is checked, of which there are `of`. */
export type OnProof = (done: number, of: number) => void;

/** The obligations of every value that both graphs have and compute differently, operands first. */
export function checkGraphs(
  before: Graph,
  after: Graph,
  session = new Session(),
  onProof?: OnProof,
): Map<ValueId, CheckedRegion> {
  const pair = new GraphPair(before, after);
  const checker = new Checker(pair, session);
  const changed = pair.changed();
  const found = new Map(
    changed.map((root, done) => {
      onProof?.(done, changed.length);
      return [root, checker.check(root)];
    }),
  );
  if (pair.sameInterface) return found;
  const other = open('the graphs have other inputs or outputs');
  for (const id of before.outputs) {
    const known = found.get(id) ?? { obligations: [], nodes: [id] };
    found.set(id, { ...known, obligations: [...known.obligations, other] });
  }
  return found;
}

/** The obligations of one value that both graphs have. */
export function checkRegion(
  before: Graph,
  after: Graph,
  root: ValueId,
  session = new Session(),
): readonly Obligation[] {
  return new Checker(new GraphPair(before, after), session).check(root).obligations;
}

export interface CheckedRegion {
  readonly obligations: readonly Obligation[];
  /** The nodes of the rewritten side, the root's among them. */
  readonly nodes: readonly ValueId[];
}

class Checker {
  readonly #pair: GraphPair;
  readonly #session: Session;
  /** The ranges of the whole graphs: facts about shared values hold on both sides. */
  readonly #ranges: { readonly before: Ranges; readonly after: Ranges };

  constructor(pair: GraphPair, session: Session) {
    this.#pair = pair;
    this.#session = session;
    this.#ranges = { before: session.ranges(pair.before), after: session.ranges(pair.after) };
  }

  check(root: ValueId): CheckedRegion {
    const region = this.#pair.region(root);
    if (region === undefined)
      return { obligations: [open('both sides are computed from different values')], nodes: [root] };
    return { obligations: this.#obligations(region), nodes: nodesOf(region.after).map((n) => n.id) };
  }

  #obligations(region: Region): Obligation[] {
    const sizes = new SizedRegions(region);
    const sized = sizes.first;
    if (sized === undefined) return [open('no sizes of the symbolic axes fit')];
    if (sameOperators(region)) return [SPELLED_OUT];
    const finite = finiteObligation(sizes) ?? checkReciprocal(sized);
    if (finite) return [finite];
    const report = checkIdentity(region, sizes, this.#session);
    const identity = identityObligation(report);
    if (identity.verdict !== 'proved') return [identity];
    try {
      return [identity, ...this.#sums(sized), ...this.#rounding(sized)];
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error;
      return [identity, { ...open(error.message), kind: 'range', what: 'bounds of values' }];
    }
  }

  /**
   * The range of the root's sum: the sum that it rounds, or its result. Both sides are equal, so the tighter range
   * holds.
   */
  #reach(root: ValueId): Interval {
    const { before, after } = this.#pair;
    const known = sumOf(this.#ranges.before, before, before.nodes[root]);
    return fitsInt32(known) ? known : tighter(known, sumOf(this.#ranges.after, after, after.nodes[root]));
  }

  #sums(region: Region): Obligation[] {
    const sums = this.#reach(region.root);
    const [low, high] = [lowest(sums), highest(sums)];
    const fits = fitsInt32(sums);
    // An s32 that is not rounded is the sum itself, on both sides.
    if (fits && region.after.values[region.root].type.dtype === 's32') this.#ranges.after.assume(region.root, sums);
    const carried = nodesOf(region.after).filter(
      (node) => isProduct(node) && isFloat(region.after.values[node.id].type.dtype),
    );
    return [
      {
        kind: 'range',
        what: fits
          ? `the sum stays within int32: ${low} … ${high}`
          : 'both sides wrap alike where the sum leaves int32',
        method: fits
          ? 'intervals, channel by channel, from the weights and zero points'
          : 'the identity holds modulo 2^32',
        verdict: 'proved',
      },
      ...carried.map((node) => this.#carriedByFloats(region, node)),
    ];
  }

  /**
   * A sum of integers in floats is exact in any order when no partial sum is beyond the integers that they hold
   * exactly.
   */
  #carriedByFloats(region: Region, node: Node): Obligation {
    const bits = region.after.values[node.id].type.dtype === 'f32' ? 24 : 53;
    const most = this.#ranges.after.partialSums(node);
    const what = `f${bits === 24 ? 32 : 64} carries the sums of ${node.op} exactly`;
    const method = `Σ|x − zx|·|w| ≤ ${most ?? '?'}, of 2^${bits}`;
    if (most !== undefined && most <= 2 ** bits) return { kind: 'range', what, method, verdict: 'proved' };
    const witness = findWitness(region);
    return {
      kind: 'range',
      what,
      method,
      verdict: witness ? { refuted: witness } : { open: 'a partial sum may be beyond' },
    };
  }

  #rounding(region: Region): Obligation[] {
    const [left, right] = [region.before, region.after].map((graph) => graph.nodes[region.root]);
    if (
      left === undefined ||
      right === undefined ||
      !(roundsTo8(region.before, left) || roundsTo8(region.after, right))
    )
      return [];
    const what = 'both sides round alike';
    const [before, after] = [recipeOf(region.before, left), recipeOf(region.after, right)];
    const undecided = (why: string): Obligation[] => [
      { kind: 'rounding', what, method: 'parameters', verdict: { open: why } },
    ];
    if (before === undefined || after === undefined) return undecided('the parameters are computed');
    if (!sameChannels(before, after)) return undecided('the parameters lie along different axes');
    const { compared, falls, differs } = compareRecipes(before, after, this.#reach(region.root));
    if (falls) return undecided('a factor is negative or not a number, for which thresholds are not defined');
    const method =
      compared === 0
        ? `the same recipe and parameters${isOrt(after.mode) ? '' : `: ${describeMode(after.mode)}`}`
        : `all thresholds over the reachable sums, in ${compared} channels: ${describeMode(before.mode)}, and ${describeMode(after.mode)}`;
    if (differs === undefined) return [{ kind: 'rounding', what, method, verdict: 'proved' }];
    const witness = roundingWitness(region, left, differs);
    return [{ kind: 'rounding', what, method, verdict: witness ? { refuted: witness } : { open: unreached(differs) } }];
  }
}

const SPELLED_OUT: Obligation = {
  kind: 'identity',
  what: 'both sides are the same operators',
  method: 'a scaled product spelled out: the product, and each float operator behind it',
  verdict: 'proved',
};

/** The obligation of a finite region over all its sizes: the first one that is not proved, or any of them. */
function finiteObligation(regions: Iterable<Region>): Obligation | undefined {
  let last: Obligation | undefined;
  for (const region of regions) {
    last = checkFinite(region);
    if (last?.verdict !== 'proved') return last;
  }
  return last;
}

const isOrt = (mode: RequantizeMode): boolean => sameData(mode, requantizeModes.ort);

/** The first sum at which both sides differ, as an input where sums are the input, else an input that leads to one. */
function roundingWitness(region: Region, root: Node, differs: Differing): Witness | undefined {
  const [[first]] = differs.at;
  const accumulators = differs.at.slice(0, 64);
  const [leaf] = region.leaves;
  const shape = sizesOf(region.before.values[region.root].type.shape);
  const axis = ((Number(root.attrs.axis ?? 1) % shape.length) + shape.length) % shape.length;
  const index = shape.map((_, i) => (i === axis ? differs.channel : 0));
  const values = {
    output: region.root,
    index,
    before: differs.before(first) + 0, // no -0: elements of the result are integers
    after: differs.after(first) + 0,
    accumulators,
  };
  if (region.leaves.length === 1 && root.operands[0] === leaf) {
    const fill = { value: first };
    return { ...values, inputs: { [leaf]: witnessInput(filledWith('s32', shape, fill), fill) } };
  }
  const found = findWitness(region);
  return found && { ...found, accumulators };
}

const roundsTo8 = (graph: Graph, node: Node): boolean =>
  isOp(node, qnnRequantize) || (isFused(node) && graph.values[node.id].type.dtype !== 's32');

/** The sum that a node rounds; for any other node, its result. */
function sumOf(ranges: Ranges, graph: Graph, node: Node | undefined): Interval {
  if (node === undefined) return { low: Float64Array.of(-Infinity), high: Float64Array.of(Infinity), axis: 0 };
  return isFused(node) ? ranges.fusedSum(node) : ranges.of(roundedSum(graph, node) ?? node.id);
}

const fitsInt32 = (i: Interval): boolean => lowest(i) >= -(2 ** 31) && highest(i) <= 2 ** 31 - 1;

/** Both intervals hold; returns the narrower one. */
function tighter(a: Interval, b: Interval): Interval {
  const width = (i: Interval) => highest(i) - lowest(i);
  return width(b) < width(a) ? b : a;
}

function identityObligation(report: IdentityReport): Obligation {
  const what = 'both sides are the same polynomial in the values that they share';
  const method = identityMethod(report);
  if (report.verdict === 'same') return { kind: 'identity', what, method, verdict: 'proved' };
  if (report.verdict !== 'different')
    return { kind: 'identity', what, method: 'evaluation at random points', verdict: report.verdict };
  const witness = findWitness(report.at.region);
  const at = `[${report.at.index.join(', ')}]`;
  if (witness === undefined)
    return {
      kind: 'identity',
      what,
      method,
      verdict: { open: `the polynomials differ at ${at}; no input was found that shows it` },
    };
  return { kind: 'identity', what, method, verdict: { refuted: witness } };
}

const open = (why: string): Obligation => ({
  kind: 'identity',
  what: 'both sides are the same function of what they are computed from',
  method: 'none',
  verdict: { open: why },
});
