/**
 * A process of its own, whose DNNL_MAX_CPU_ISA limits oneDNN. It compares random products and the networks of the corpus on the
 * addon with the interpreter, and with oneDNN as it computes without our care. Prints a report as JSON.
 *
 *   DNNL_MAX_CPU_ISA=AVX2 node --import tsx test/differential/on_isa.ts RUNS SEED NETWORKS
 */
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { defaultTarget } from '../../src/codegen/targets.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import {
  type Feeds,
  type Graph,
  GraphBuilder,
  type ITensor,
  interpret,
  nodesOf,
  sizeOf,
  tensor,
} from '../../src/ir/index.ts';
import { nnAdd } from '../../src/ir/ops/nn_elementwise_binary.op.ts';
import { qnnConv } from '../../src/ir/ops/qnn_conv.op.ts';
import { qnnConvTranspose } from '../../src/ir/ops/qnn_conv_transpose.op.ts';
import { qnnMatmul } from '../../src/ir/ops/qnn_matmul.op.ts';
import { qnnRequantize } from '../../src/ir/ops/qnn_requantize.op.ts';
import { strategyNames } from '../../src/passes/strategy_names.ts';
import { loadAddon } from '../../src/runtime/addon.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import type { CompileOptions } from '../../src/runtime/compile_options.ts';
import { Model } from '../../src/runtime/model.ts';
import { toPublic } from '../../src/tensors/tensor.ts';
import { randomSource } from '../../src/testing/contents.ts';
import { allCases } from '../conformance/cases.ts';
import { wrongEnds } from './depthwise_ends.ts';

export interface IsaReport {
  readonly isa: string;
  readonly runs: number;
  /** The smallest random product that differs, as fast-check prints it. */
  readonly counterexample: string | undefined;
  /** The depthwise convolutions that differ, over every epilogue there is. */
  readonly wrongEnds: readonly string[];
  /** Nodes that ran on the interpreter. */
  readonly fallbacks: readonly string[];
  readonly networks: number;
  readonly wrongNetworks: readonly string[];
  /** The share of sums that oneDNN gets wrong with weights and sources of full range. */
  readonly stockWrong: number;
}

type Fill = 'uniform' | 'bell' | 'extreme';
const int = (min: number, max: number) => fc.integer({ min, max });
const fills = fc.constantFrom<Fill>('uniform', 'bell', 'bell', 'extreme');
const eight = fc.constantFrom('u8' as const, 's8' as const);

/** Bytes of full range; bell-shaped ones like trained filters, or the ends alone. */
function filled(dtype: 'u8' | 's8', shape: readonly number[], fill: Fill, seed: number): ITensor {
  const next = randomSource(seed);
  const low = dtype === 'u8' ? 0 : -128;
  const draw = {
    uniform: () => Math.floor(next() * 256),
    bell: () => Math.min(255, Math.floor(((next() + next() + next() + next()) / 4) * 340 - 42 + 256) % 256),
    extreme: () => (next() < 0.3 ? 0 : next() < 0.2 ? 1 : 255),
  }[fill];
  return tensor(
    dtype,
    Array.from({ length: sizeOf(shape) }, () => draw() + low),
    shape,
  );
}

const product = fc.record({
  kind: fc.constantFrom('conv', 'conv', 'conv', 'transposed', 'matmul', 'matmul' as const),
  x: eight,
  w: fc.constantFrom('s8' as const, 's8' as const, 's8' as const, 'u8' as const),
  fill: fills,
  sources: fills,
  group: fc.constantFrom(1, 1, 1, 2, 3),
  channels: fc.oneof(int(1, 9), int(1, 40), int(60, 70)),
  filters: fc.oneof(int(1, 8), int(1, 40)),
  size: fc.array(int(1, 7), { minLength: 1, maxLength: 3 }),
  kernel: fc.array(int(1, 3), { minLength: 3, maxLength: 3 }),
  stride: int(1, 2),
  dilation: fc.constantFrom(1, 1, 2),
  pads: fc.array(int(0, 2), { minLength: 6, maxLength: 6 }),
  zx: fc.option(int(0, 255)),
  computed: fc.constantFrom(false, false, true),
  end: fc.constantFrom('sum', 'requantize', 'biased'),
  multiplier: fc.constantFrom(2 ** -10, 0.0007, 0.013),
  strategy: fc.constantFrom('auto', 'native', 'native', ...strategyNames),
  here: fc.boolean(),
  seed: fc.nat(1e6),
});
type Product = typeof product extends fc.Arbitrary<infer P> ? P : never;

function graphOf(p: Product): Graph {
  const b = new GraphBuilder();
  const rank = p.kind === 'matmul' ? 1 : p.size.length;
  const group = p.kind === 'matmul' ? 1 : p.group;
  const kernel = p.kernel.slice(0, rank);
  const size = p.size.slice(0, rank).map((s, i) => Math.max(s, (kernel[i] - 1) * p.dilation + 1));
  const filters = group * p.filters;
  const xShape = p.kind === 'matmul' ? [2, size[0], p.channels] : [2, group * p.channels, ...size];
  const wShape = {
    conv: [filters, p.channels, ...kernel],
    transposed: [group * p.channels, p.filters, ...kernel],
    matmul: p.computed ? [2, p.channels, filters] : [p.channels, filters],
  }[p.kind];
  const x = b.input('x', p.x, xShape);
  const w =
    p.kind === 'matmul' && p.computed
      ? b.input('w', p.w, wShape)
      : (b.constant(filled(p.w, wShape, p.fill, p.seed)) as typeof x);
  const zx = p.zx === null ? undefined : b.scalar(p.x, p.x === 'u8' ? p.zx : p.zx - 128);
  const attrs = {
    strides: kernel.map(() => p.stride),
    dilations: kernel.map(() => p.dilation),
    pads: [...p.pads.slice(0, rank), ...p.pads.slice(3, 3 + rank)],
    group,
  };
  const none = { ...attrs, pads: attrs.pads.map(() => 0), outputPadding: kernel.map(() => 0) };
  let y =
    p.kind === 'matmul'
      ? b.emit(qnnMatmul, { a: x, b: w, ...(zx && { za: zx }) })
      : p.kind === 'conv'
        ? b.emit(qnnConv, { x, w, ...(zx && { zx }) }, attrs)
        : b.emit(qnnConvTranspose, { x, w, ...(zx && { zx }) }, none);
  const perChannel = p.kind === 'matmul' ? [filters] : [filters, ...kernel.map(() => 1)];
  const next = randomSource(p.seed + 1);
  if (p.end === 'biased') {
    const bias = tensor(
      's32',
      Array.from({ length: filters }, () => Math.floor((next() - 0.5) * 1e5)),
      perChannel,
    );
    y = b.emit(nnAdd, { a: y, b: b.constant(bias) });
  }
  if (p.end === 'sum') return b.finish([y]);
  const factors = tensor(
    'f32',
    Array.from({ length: filters }, () => p.multiplier * (0.5 + next())),
  );
  const axis = p.kind === 'matmul' ? 2 : 1;
  return b.finish([
    b.emit(qnnRequantize, { x: y, multiplier: b.constant(factors), zy: b.scalar('u8', 131) }, { axis }),
  ]);
}

const depthwise = {
  kind: 'conv',
  x: 'u8',
  w: 's8',
  group: 3,
  channels: 1,
  stride: 2,
  dilation: 1,
  computed: false,
} as const;
/**
 * Products of one implementation and layout, which adds other pairs where filters are few: a result for one product does not
 * hold for the next.
 */
const ofOneKind: readonly Product[] = [
  {
    ...{ ...depthwise, filters: 17, size: [7, 1, 1], kernel: [3, 3, 2], pads: [0, 2, 1, 1, 1, 1], zx: null },
    ...({ fill: 'bell', sources: 'bell', end: 'requantize', multiplier: 0.0007, seed: 538300 } as const),
    ...{ strategy: 'native', here: true },
  },
  {
    ...{ ...depthwise, filters: 2, size: [5, 1, 1], kernel: [2, 1, 2], pads: [1, 2, 1, 1, 2, 2], zx: 52 },
    ...({ fill: 'extreme', sources: 'extreme', end: 'requantize', multiplier: 2 ** -10, seed: 518838 } as const),
    ...{ strategy: 'native', here: true },
  },
];

const fallbacks = new Set<string>();

/** The first difference between addon and interpreter. */
function differenceOf(graph: Graph, feeds: Feeds, options: CompileOptions): string | undefined {
  const model = new Model(compileGraph(graph, { threads: 1, ...options }), { threads: 1 });
  try {
    const given = Object.fromEntries(Object.entries(feeds).map(([name, t]) => [name, toPublic(t)]));
    const actual = model.runSync(given);
    for (const { node, reason } of model.fallbacks) fallbacks.add(`${node}: ${reason}`);
    for (const [name, expected] of Object.entries(interpret(graph, feeds))) {
      const { data } = actual[name];
      const at = Array.from(expected.data as ArrayLike<number>).findIndex((v, i) => v !== Number(data[i]));
      if (at >= 0) return `%${name}[${at}] is ${data[at]} and should be ${expected.data[at]}`;
    }
    return undefined;
  } finally {
    model.dispose();
  }
}

function counterexample(runs: number, seed: number): string | undefined {
  const property = fc.property(product, (p) => {
    const graph = graphOf(p);
    const feeds = Object.fromEntries(
      graph.inputs.map((id, i) => {
        const { dtype, shape } = graph.values[id].type;
        return [id, filled(dtype as 'u8', shape as number[], p.sources, p.seed + 2 + i)];
      }),
    );
    // Compiled here, or on a machine with VNNI and loaded here.
    const target = p.here ? {} : { target: defaultTarget('onednn') };
    const difference = differenceOf(graph, feeds, { ...target, strategy: p.strategy as 'auto' });
    if (difference !== undefined) throw new Error(difference);
  });
  const result = fc.check(property, { numRuns: runs, seed, examples: ofOneKind.map((p) => [p]) });
  return result.failed ? fc.defaultReportMessage(result) : undefined;
}

/** Convolutions of oneDNN as they are, weights and sources of full range: how many sums are wrong. */
function stockWrong(): number {
  const binding = loadAddon();
  const [channels, filters] = [64, 64];
  const primitive = binding.convolution(
    {
      source: binding.desc('u8', [1, channels, 1, 16], 'channels-last'),
      weights: binding.desc('s8', [filters, channels, 1, 1], 'any'),
      destination: binding.desc('s32', [1, filters, 1, 16], 'channels-last'),
      groups: 1,
      strides: [1, 1],
      dilations: [1, 1],
      padsBegin: [0, 0],
      padsEnd: [0, 0],
    },
    1,
  );
  const x = filled('u8', [16, channels], 'uniform', 1).data as Uint8Array;
  const w = filled('s8', [filters, channels], 'uniform', 2).data as Int8Array;
  const plain = binding.desc('s8', primitive.descs.weights.dims, 'row-major');
  const memory = binding.pack(new Uint8Array(w.buffer), plain, primitive.descs.weights, 1);
  const session = binding.session({
    threads: 1,
    arenaBytes: primitive.scratchpadBytes,
    inputBytes: [x.length],
    outputBytes: [primitive.descs.destination.bytes],
    commands: [
      {
        kind: 'primitive',
        primitive,
        arguments: {
          source: { space: 'input', index: 0 },
          weights: { space: 'constant', memory },
          destination: { space: 'output', index: 0 },
          ...(primitive.scratchpadBytes > 0 && { scratchpad: { space: 'arena', offset: 0 } }),
        },
      },
    ],
  });
  const sums = new Int32Array(16 * filters);
  session.runSync([x], [new Uint8Array(sums.buffer)]);
  session.dispose();
  const right = sums.filter((sum, i) => {
    const [row, filter] = [Math.floor(i / filters), i % filters];
    let expected = 0;
    for (let c = 0; c < channels; c++) expected += x[row * channels + c] * w[filter * channels + c];
    return sum === expected;
  });
  return 1 - right.length / sums.length;
}

/** The first so many elements of a batch. */
const firstOf = (t: ITensor, count: number): ITensor => {
  const shape = t.shape.with(0, Math.min(count, t.shape[0]));
  return { ...t, shape, data: t.data.slice(0, sizeOf(shape)) } as ITensor;
};

/** Networks of the corpus whose file name fits, each once. */
function networks(which: RegExp): { count: number; wrong: string[] } {
  const files = new Map(
    allCases()
      .filter(({ kind, file }) => kind === 'onnx' && which.test(file))
      .map((c) => [c.file, c]),
  );
  const wrong: string[] = [];
  for (const [file, c] of files) {
    const compiled = compileGraph(importOnnx(c.model(), { file }), { threads: 1 });
    const model = new Model(compiled, { threads: 1 });
    const inputs = c.feeds() as ITensor[];
    const given = Object.fromEntries(
      compiled.graph.inputs.map((name, i) => {
        const isSymbolic = typeof compiled.graph.values[name].type.shape[0] === 'string';
        return [name, toPublic(isSymbolic ? firstOf(inputs[i], 4) : inputs[i])];
      }),
    );
    const [actual, expected] = [model, new Model(compiled, { backend: 'reference' })].map((m) => m.runSync(given));
    // 16-bit activations stay float: a float sum in another order may land one 16-bit step away.
    const bound = nodesOf(compiled.graph).some((n) => n.attrs.dtype === 'u16') ? 5e-4 : 1e-5;
    for (const name of compiled.graph.outputs) {
      const [p, q] = [actual[name].data, expected[name].data] as ArrayLike<number>[];
      const [isFloat, at] = [p instanceof Float32Array, Array.from(p)];
      const first = at.findIndex(
        (v, i) => v !== q[i] && !(isFloat && Math.abs(v - q[i]) <= bound * Math.max(1, Math.abs(q[i]))),
      );
      if (first >= 0) wrong.push(`${file} %${name}[${first}]: ${p[first]}, interpreted ${q[first]}`);
    }
    model.dispose();
  }
  return { count: files.size, wrong };
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [, , count = '300', seed = '1', which = '.'] = process.argv;
  const runs = Number(count);
  const found = counterexample(runs, Number(seed));
  const { count: networkCount, wrong } = networks(new RegExp(which));
  const report: IsaReport = {
    isa: loadAddon().isa,
    runs,
    counterexample: found,
    wrongEnds: wrongEnds(differenceOf),
    fallbacks: [...fallbacks],
    networks: networkCount,
    wrongNetworks: wrong,
    stockWrong: stockWrong(),
  };
  console.log(JSON.stringify(report));
}
