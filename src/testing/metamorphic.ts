/**
 * Metamorphic laws: results must stay the same when inputs change in a known way. They need no reference, so they can
 * test anything that runs graphs: the interpreter, the addon, or a backend of your own.
 */
import * as fc from 'fast-check';
import { assert } from '../diagnostics/index.ts';
import {
  byteTypes,
  constantOf,
  type DType,
  dtypes,
  type Feeds,
  type Graph,
  GraphBuilder,
  type ITensor,
  indicesOf,
  interpret,
  numbersOf,
  qnnConv,
  stridesOf,
  tensor,
  tensorOfType,
  type ValueId,
  view,
} from '../ir/index.ts';
import { type Eight, present } from './arbitraries/basic.ts';
import { buildConv, type ConvSpec, convSpec } from './arbitraries/conv.ts';
import type { CheckOptions, CheckReport } from './check.ts';
import { compareTensors, type Difference } from './compare.ts';
import type { Contents } from './contents.ts';
import { CounterexampleError } from './counterexample.ts';
import { defaultRuns, defaultSeed } from './draws.ts';
import { arbitraryFeeds, feedsOf } from './feeds.ts';

/** A graph and tensors for its inputs. */
export interface Experiment {
  readonly graph: Graph;
  readonly feeds: Feeds;
}

/** One instance of a law: `combine`, applied to the results of `parts`, must give the results of `whole`. */
export interface MetamorphicCase {
  readonly whole: Experiment;
  readonly parts: readonly Experiment[];
  combine(results: readonly Feeds[]): Feeds;
}

export interface MetamorphicLaw {
  readonly name: string;
  /** The equation, for the error. */
  readonly law: string;
  readonly cases: fc.Arbitrary<MetamorphicCase>;
}

export interface MetamorphicOptions extends Pick<CheckOptions, 'runs' | 'seed' | 'folder'> {
  /** The subject of the test: computes the results of a graph by name. The interpreter by default. */
  readonly run?: (graph: Graph, feeds: Feeds) => Feeds;
}

/**
 * Draws instances of a law and compares their results, bit for bit.
 *
 * @throws CounterexampleError with the smallest instance whose results break the law: its graph as `before`, the first
 * of the graphs it is compared with as `after`
 */
export function checkMetamorphic(law: MetamorphicLaw, options: MetamorphicOptions = {}): CheckReport {
  const { run = interpret, runs = defaultRuns, seed = defaultSeed(), folder = 'reproducers' } = options;
  const differenceOf = ({ whole, parts, combine }: MetamorphicCase): Difference | undefined => {
    const found = run(whole.graph, whole.feeds);
    const expected = combine(parts.map(({ graph, feeds }) => run(graph, feeds)));
    for (const [output, t] of Object.entries(expected)) {
      const difference = compareTensors(t, found[output]);
      if (difference) return { output, ...difference };
    }
    return undefined;
  };
  let drawn = 0;
  const property = fc.property(law.cases, (instance) => {
    drawn++;
    return differenceOf(instance) === undefined;
  });
  const details = fc.check(property, { numRuns: runs, seed });
  const failing = details.counterexample?.[0];
  const difference = failing && differenceOf(failing);
  if (!failing || !difference) return { name: law.name, drawn, fired: drawn };
  const { whole, parts } = failing;
  const draws = `found with instance ${details.numRuns} of ${runs}, shrunk ${details.numShrinks} times, seed ${seed}`;
  const refutation = { ...law, before: whole.graph, after: parts[0].graph, feeds: whole.feeds, difference, draws };
  throw new CounterexampleError(refutation, `${folder}/${law.name.replace(/[^\w.-]+/g, '-')}`);
}

// ---- the laws

const drawn = { batch: fc.integer({ min: 1, max: 3 }), symbolic: fc.constant(false), computed: fc.constant(false) };
const spec = convSpec({ ...drawn, tail: fc.constant('none' as const), zx: present });
const instances = fc.record({ conv: spec, inputs: arbitraryFeeds, by: fc.integer({ min: 1, max: 100 }) });
type Instance = typeof instances extends fc.Arbitrary<infer I> ? I : never;

const law = (name: string, equation: string, make: (instance: Instance) => MetamorphicCase): MetamorphicLaw => ({
  name,
  law: equation,
  cases: instances.map(make),
});
const first = ([results]: readonly Feeds[]): Feeds => results;

/** The laws of quantized convolutions that the kit ships, over all geometries that `convSpec` draws. */
export const laws = {
  /** A zero point is nothing but an origin: padding moves with it. */
  shift: law('shift', 'qconv(x + k, w; zx + k, zw) = qconv(x, w; zx, zw)', ({ conv, inputs, by }) => {
    const { min, max } = dtypes[conv.x];
    const zero = Math.max(min, Math.min(max - by, conv.zx.value));
    const build = (value: number) => buildConv({ ...conv, zx: { ...conv.zx, value } });
    const graph = build(zero);
    const { x, ...rest } = feedsOf(graph, inputs);
    const low = mapped(x, (v) => Math.min(v, max - by));
    const moved = { graph: build(zero + by), feeds: { ...rest, x: mapped(low, (v) => v + by) } };
    return { whole: { graph, feeds: { ...rest, x: low } }, parts: [moved], combine: first };
  }),
  /** A sum does not depend on the order of its terms: channels of x and of the weights permuted together. */
  permuteChannels: law('permute-channels', 'qconv(x∘π, w∘π; zx, zw) = qconv(x, w; zx, zw)', ({ conv, inputs, by }) => {
    const { x, w, build } = takenApart({ ...conv, group: 1 }, inputs);
    const channels = x.shape[1];
    const permuted = (t: ITensor<Eight>): ITensor<Eight> =>
      rearranged(t, t.shape, ([n, c, ...p]) => [n, (c + by) % channels, ...p]);
    const part = { graph: build(x.shape, permuted(w)), feeds: { x: permuted(x) } };
    return { whole: { graph: build(x.shape, w), feeds: { x } }, parts: [part], combine: first };
  }),
  /** Elements of a batch do not see one another. */
  concatenateBatch: law(
    'concatenate-batch',
    'qconv(x₀ ‖ x₁ ‖ …, w) = qconv(x₀, w) ‖ qconv(x₁, w) ‖ …',
    ({ conv, inputs }) => {
      const { x, w, build } = takenApart(conv, inputs);
      const one = [1, ...x.shape.slice(1)];
      const parts = Array.from({ length: x.shape[0] }, (_, n) => ({
        graph: build(one, w),
        feeds: { x: rearranged(x, one, ([, ...rest]) => [n, ...rest]) },
      }));
      const combine = (results: readonly Feeds[]): Feeds =>
        Object.fromEntries(Object.keys(results[0]).map((name) => [name, concatenated(results.map((r) => r[name]))]));
      return { whole: { graph: build(x.shape, w), feeds: { x } }, parts, combine };
    },
  ),
} as const satisfies Readonly<Record<string, MetamorphicLaw>>;

/** The convolution of a specification: x, its weights, and graphs of the same convolution over others. */
function takenApart(conv: ConvSpec, inputs: Contents) {
  const graph = buildConv(conv);
  const feeds = feedsOf(graph, inputs);
  const layer = view(qnnConv, graph.nodes[graph.outputs[0]]);
  assert(layer, 'the graph of a convolution ends in one');
  const operand = (id: ValueId): ITensor<Eight> => {
    const found = feeds[id] ?? constantOf(graph, id);
    assert(found, `%${id} is an input or a constant`);
    return tensorOfType(found, ...byteTypes);
  };
  const [zx, zw] = [layer.zx, layer.zw].map((id) => id && operand(id));
  const x = operand(layer.x);
  const build = (shape: readonly number[], weights: ITensor<Eight>): Graph => {
    const b = new GraphBuilder();
    const operands = {
      x: b.input('x', x.dtype, shape),
      w: b.constant(weights),
      ...(zx && { zx: b.constant(zx) }),
      ...(zw && { zw: b.constant(zw) }),
    };
    return b.finish([b.emit(qnnConv, operands, layer.attrs)]);
  };
  return { x, w: operand(layer.w), build };
}

const mapped = (t: ITensor, f: (v: number) => number): ITensor => tensor(t.dtype, numbersOf(t).map(f), t.shape);

function concatenated(parts: readonly ITensor[]): ITensor {
  const [{ dtype, shape }] = parts;
  const batch = parts.reduce((n, part) => n + part.shape[0], 0);
  return tensor(dtype, parts.flatMap(numbersOf), [batch, ...shape.slice(1)]);
}

/** Elements rearranged: element i of the result comes from `from(index of i)`. */
function rearranged<D extends DType>(
  t: ITensor<D>,
  shape: readonly number[],
  from: (index: readonly number[]) => readonly number[],
): ITensor<D> {
  const strides = stridesOf(t.shape);
  const numbers = numbersOf(t);
  const placeOf = (index: readonly number[]) =>
    from(index).reduce((sum, position, axis) => sum + position * strides[axis], 0);
  return tensor(
    t.dtype,
    Array.from(indicesOf(shape), (index) => numbers[placeOf(index)]),
    shape,
  );
}
