/**
 * Metamorphic laws: what must stay the same when inputs change in a known way. They need no reference, so that they
 * test whatever runs graphs: the interpreter, the addon, or a backend of your own.
 */
import { join } from 'node:path';
import * as fc from 'fast-check';
import {
  constantOf,
  dtypes,
  type Feeds,
  type Graph,
  GraphBuilder,
  type ITensor,
  interpret,
  sizeOf,
  stridesOf,
} from '../ir/index.ts';
import { type ConvAttrs, indicesOf } from '../ir/ops/conv_geometry.ts';
import { qnnConv } from '../ir/ops/qnn_conv.op.ts';
import { present } from './arbitraries/basic.ts';
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

/** One instance of a law: `combine` of the results of `parts` has to equal the results of `whole`. */
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
  /** What is tested: the results of a graph by name. The interpreter unless given. */
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
  throw new CounterexampleError(refutation, join(folder, law.name.replace(/[^\w.-]+/g, '-')));
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
    const permuted = <T extends ITensor>(t: T): T =>
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
  const node = graph.nodes[graph.outputs[0]];
  const operand = (i: number): ITensor | undefined => {
    const id = node.operands[i];
    return id ? (feeds[id] ?? constantOf(graph, id)) : undefined;
  };
  const [x, w, zx, zw] = [0, 1, 2, 3].map(operand) as ITensor<'u8'>[];
  const build = (shape: readonly number[], weights: ITensor): Graph => {
    const b = new GraphBuilder();
    const constant = (t: ITensor) => b.constant(t as ITensor<'u8'>);
    const operands = {
      x: b.input('x', x.dtype, shape),
      w: constant(weights),
      ...(zx && { zx: constant(zx) }),
      ...(zw && { zw: constant(zw) }),
    };
    return b.finish([b.emit(qnnConv, operands, node.attrs as unknown as ConvAttrs)]);
  };
  return { x: x as ITensor, w: w as ITensor, build };
}

const mapped = <T extends ITensor>(t: T, f: (v: number) => number): T =>
  ({ ...t, data: (t.data as Uint8Array).map(f) }) as T;

function concatenated(parts: readonly ITensor[]): ITensor {
  const [{ dtype, shape, data }] = parts;
  const whole = new (data.constructor as new (n: number) => Int32Array)(parts.reduce((n, p) => n + p.data.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part.data as Int32Array, at);
    at += part.data.length;
  }
  return { dtype, shape: [parts.reduce((n, p) => n + p.shape[0], 0), ...shape.slice(1)], data: whole } as ITensor;
}

/** Elements rearranged: element i of the result comes from `from(index of i)`. */
function rearranged<T extends ITensor>(
  t: T,
  shape: readonly number[],
  from: (index: readonly number[]) => readonly number[],
): T {
  const strides = stridesOf(t.shape);
  const result = new (t.data.constructor as new (n: number) => Int32Array)(sizeOf(shape));
  let i = 0;
  for (const index of indicesOf(shape))
    result[i++] = Number(t.data[from(index).reduce((sum, position, axis) => sum + position * strides[axis], 0)]);
  return { ...t, shape, data: result } as unknown as T;
}
