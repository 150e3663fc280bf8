/** Proofs over symbolic sizes: the sizes that they compare, and their agreement with proofs of each size. */
import { describe, expect, it } from 'vitest';
import { legalize } from '../../../src/codegen/legalize.ts';
import { targetOf } from '../../../src/codegen/onednn/target.ts';
import {
  constantOf,
  type Dim,
  dtypes,
  type Graph,
  GraphBuilder,
  type ITensor,
  nodesOf,
  parse,
  sizeOf,
  specialize,
  symbolsIn,
  tensor,
} from '../../../src/ir/index.ts';
import { qnnConv } from '../../../src/ir/ops/qnn_conv.op.ts';
import { qnnConvTranspose } from '../../../src/ir/ops/qnn_conv_transpose.op.ts';
import { legalizeFor } from '../../../src/passes/index.ts';
import { checkGraphs } from '../../../src/proofs/check.ts';
import { isProved, isRefuted } from '../../../src/proofs/obligation.ts';
import { Session } from '../../../src/proofs/session.ts';

interface Layer {
  readonly sizes: readonly Dim[];
  readonly batch?: Dim;
  readonly kernel: number;
  readonly pads?: readonly number[];
  readonly stride?: number;
  readonly dilation?: number;
  readonly transposed?: boolean;
  /** Filters of each channel. */
  readonly filters?: number;
}

/** A layer of a group for each channel, with zero points of source and weights. One filter for each would have a normal form. */
function graphOf({
  sizes,
  batch = 1,
  kernel,
  stride = 1,
  dilation = 1,
  transposed = false,
  filters = transposed ? 1 : 2,
  ...given
}: Layer): Graph {
  const b = new GraphBuilder();
  const channels = 3;
  const shape = [channels * filters, 1, ...sizes.map(() => kernel)];
  const weights = Array.from({ length: sizeOf(shape) }, (_, i) => ((i * 37 + (i % 7) * 11) % 255) - 127);
  const attrs = {
    strides: sizes.map(() => stride),
    pads: given.pads ?? [...sizes, ...sizes].map(() => Math.floor((dilation * (kernel - 1)) / 2)),
    dilations: sizes.map(() => dilation),
    group: channels,
  };
  const operands = {
    x: b.input('x', 'u8', [batch, channels, ...sizes]),
    w: b.constant(tensor('s8', weights, shape)),
    zx: b.scalar('u8', 114),
    zw: b.scalar('s8', 3),
  };
  const names = { names: ['y'] };
  const y = transposed
    ? b.emit(qnnConvTranspose, operands, { ...attrs, outputPadding: sizes.map(() => 0) }, names)
    : b.emit(qnnConv, operands, attrs, names);
  return b.finish([y]);
}

const verdictOf = (before: Graph, after: Graph): 'proved' | 'refuted' | 'open' => {
  const obligations = [...checkGraphs(before, after, new Session(665)).values()].flatMap((r) => r.obligations);
  return obligations.some(isRefuted) ? 'refuted' : obligations.every(isProved) ? 'proved' : 'open';
};

const layers: Record<string, Layer & { readonly most: number }> = {
  'one axis': { sizes: ['W'], kernel: 3, most: 2 },
  'two axes': { sizes: ['H', 'W'], kernel: 5, most: 4 },
  'three axes': { sizes: ['D', 'H', 'W'], kernel: 3, most: 3 },
  'an axis of two': { sizes: ['H', 7], kernel: 3, most: 2 },
  squares: { sizes: ['H', 'H'], kernel: 5, most: 2 },
  'any batch': { sizes: ['H', 'W'], batch: 'N', kernel: 3, most: 3 },
  strides: { sizes: ['H', 'W'], kernel: 3, stride: 2, most: 7 },
  dilations: { sizes: ['H', 'W'], kernel: 3, dilation: 3, most: 4 },
  'pads of one side': { sizes: ['H', 'W'], kernel: 4, pads: [0, 3, 2, 0], most: 4 },
  'sizes that are computed': { sizes: ['((H+1)/2)', '(2*W)-1'], kernel: 3, most: 4 },
  'axes of one symbol': { sizes: ['H+W', 'H'], kernel: 3, most: 12 },
  transposed: { sizes: ['H', 'W'], kernel: 4, stride: 2, pads: [1, 1, 1, 1], transposed: true, most: 4 },
  'several filters of each channel': { sizes: ['H', 'W'], batch: 'N', kernel: 3, filters: 3, most: 3 },
  'several filters, three axes': { sizes: ['D', 'H', 'W'], batch: 'N', kernel: 3, filters: 3, most: 4 },
};

/** A machine that takes zero points of sources, but none of weights: these are corrected. */
const { takesZeroPoints: _, ...target } = targetOf({ isa: 'vnni', threads: 1 });

/** Pairs of channel and class that were compared. */
function comparedIn(graph: Graph): number {
  const { certificate } = legalizeFor(graph, target, { strategy: 'native', verify: false });
  expect(certificate.verdict).toBe('bit-exact');
  const methods = certificate.entries.flatMap(({ obligations = [] }) => obligations.map(({ method }) => method));
  return Math.max(...methods.map((method) => Number(/for (\d+) \(channel/.exec(method)?.[1] ?? 0)));
}

describe('a layer of symbolic sizes compares each class once', () => {
  it.each(Object.entries(layers))('%s', (_name, { most, ...layer }) => {
    const known = layer.sizes.map((dim) => (typeof dim === 'string' ? 24 : dim));
    const [symbolic, sized] = [graphOf(layer), graphOf({ ...layer, sizes: known, batch: 2 })].map(comparedIn);
    expect(sized).toBeGreaterThan(0);
    expect(symbolic).toBeGreaterThanOrEqual(sized);
    expect(symbolic / sized).toBeLessThanOrEqual(most);
  });
});

/** All graphs with one number changed: elements of constants, and pads moved by one. */
function* mutants(graph: Graph): Generator<Graph> {
  for (const node of nodesOf(graph)) {
    for (const id of node.operands) {
      const t = constantOf(graph, id);
      if (!id || t === undefined || dtypes[t.dtype].kind === 'float') continue;
      const at = new Set([0, t.data.length - 1]);
      for (const i of at) {
        const data = t.data.slice() as Int32Array;
        data[i] += data[i] === dtypes[t.dtype].max ? -1 : 1;
        const constant = graph.pool.add({ ...t, data } as ITensor);
        yield { ...graph, values: { ...graph.values, [id]: { ...graph.values[id], constant } } };
      }
    }
    const pads = node.attrs.pads as readonly number[] | undefined;
    if (pads === undefined) continue;
    const half = pads.length / 2;
    for (let axis = 0; axis < half; axis++) {
      if (pads[axis] === 0) continue;
      const moved = pads.map((p, i) => (i === axis ? p - 1 : i === axis + half ? p + 1 : p));
      yield { ...graph, nodes: { ...graph.nodes, [node.id]: { ...node, attrs: { ...node.attrs, pads: moved } } } };
    }
  }
}

/** Sizes up to 6 for every symbol, all together. */
function everySize(graph: Graph): ReadonlyMap<string, number>[] {
  const symbols = [
    ...new Set(graph.inputs.flatMap((id) => graph.values[id].type.shape.flatMap((d) => [...symbolsIn(d)]))),
  ];
  return symbols.reduce<ReadonlyMap<string, number>[]>(
    (all, symbol) => all.flatMap((sizes) => [1, 2, 3, 4, 5, 6].map((size) => new Map([...sizes, [symbol, size]]))),
    [new Map()],
  );
}

/** Refuted where it is in one size. */
function verdictOfAll(before: Graph, after: Graph): ReturnType<typeof verdictOf> {
  let all: ReturnType<typeof verdictOf> = 'proved';
  for (const sizes of everySize(before)) {
    let sized: readonly [Graph, Graph];
    try {
      sized = [specialize(before, sizes), specialize(after, sizes)];
    } catch {
      continue; // no window fits
    }
    const verdict = verdictOf(...sized);
    if (verdict === 'refuted') return verdict;
    if (verdict === 'open') all = verdict;
  }
  return all;
}

describe('a proof over symbolic sizes agrees with proofs of all sizes', () => {
  const cases: Record<string, Layer> = {
    'one axis': { sizes: ['W'], kernel: 3 },
    'two axes': { sizes: ['H', 'W'], kernel: 2, pads: [1, 0, 0, 1] },
    'squares with a stride': { sizes: ['H', 'H'], kernel: 3, stride: 2 },
    'a transposed layer': { sizes: ['W'], kernel: 3, stride: 2, pads: [1, 1], transposed: true },
    'several filters of each channel': { sizes: ['W'], batch: 'N', kernel: 3, filters: 3 },
    'one filter for each channel': { sizes: ['W'], batch: 'N', kernel: 3, filters: 1 },
  };
  it.each(Object.entries(cases))('%s', (_name, layer) => {
    let [proved, refuted] = [0, 0];
    for (const strategy of ['pad', 'four-term', 'native'] as const) {
      if (layer.transposed && strategy === 'pad') continue;
      const target = strategy === 'native' ? 'onednn' : 'symmetric';
      const { quantized, graph } = legalize(graphOf(layer), { strategy, target, verify: false });
      for (const after of [graph, ...mutants(graph)]) {
        const verdict = verdictOf(quantized, after);
        expect(verdict).toBe(verdictOfAll(quantized, after));
        if (verdict === 'proved') proved++;
        else refuted++;
      }
    }
    expect(proved).toBeGreaterThan(0);
    expect(refuted).toBeGreaterThan(4);
  });
});

/** 1 where both are equal, else 0. */
const isEqual = (symbol: string, size: number): string => `max(1-((${symbol}-${size})*(${symbol}-${size})),0)`;

describe('pads that are wrong in one size alone are found', () => {
  const isFrom = (symbol: string, size: number): string => `max(min(${symbol}-${size - 1},1),0)`;

  /** The window moved by `wrong` rows, where pads are a value of their own on one side. */
  const verdict = (wrong: string, sizes = '"H","W"'): string => {
    const graph = (body: string) =>
      parse(`graph @main(%x: u8[1,1,${sizes}]) -> (%y) {
  ${body}
}
constants {
  @w : s8[1,1,3,3] = base64"AQIDBAUGBwgJ"
}
`);
    const attrs = 'strides=[1,1], dilations=[1,1], group=1';
    const before = graph(`%y = qnn.conv(%x, @w, 3:u8) {${attrs}, pads=[1,1,1,1]} : s32[1,1,${sizes}]`);
    const wide = sizes.replace(/"(\w+)"/g, '"$1+2"');
    const after =
      graph(`%p = nn.pad(%x, 3:u8) {mode="constant", pads=[0,0,"1+${wrong}",1,0,0,"1-${wrong}",1]} : u8[1,1,${wide}]
  %y = qnn.conv(%p, @w, 3:u8) {${attrs}, pads=[0,0,0,0]} : s32[1,1,${sizes}]`);
    return verdictOf(before, after);
  };

  it('right ones are proved', () => {
    expect(verdict('(0*H)')).toBe('proved');
    expect(verdict(`${isEqual('H', 0)}`)).toBe('proved');
    expect(verdict(`${isEqual('H', 0)}`, '"H","H"')).toBe('proved');
  });
  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 40, 333])('%i rows', (size) => {
    expect(verdict(isEqual('H', size))).toBe('refuted');
    expect(verdict(isEqual('H', size), '"H","H"')).toBe('refuted');
  });
  it.each([2, 5, 50])('%i rows and more', (size) => {
    expect(verdict(isFrom('H', size))).toBe('refuted');
  });
  it.each([1, 2, 5])('rows of which there are %i, where columns are as many', (size) => {
    expect(verdict(`(${isEqual('H', size)}*${isEqual('W', size)})`)).toBe('refuted');
  });
  it('every other number of rows', () => {
    expect(verdict('(H-(2*(H/2)))')).toBe('refuted');
  });
});

describe('constants that are others in one size alone are found', () => {
  /** Adds to two channels: 7 and 9, or in `size` rows 9 and 7. */
  const verdict = (size: number): string => {
    const graph = (sum: string) =>
      parse(`graph @main(%x: u8[1,2,"H","W"]) -> (%y) {
  %s = qnn.conv(%x, @w, 3:u8) {strides=[1,1], dilations=[1,1], group=2, pads=[1,1,1,1]} : s32[1,2,"H","W"]
  ${sum} : s32[1,2,"H","W"]
}
constants {
  @w : s8[2,1,3,3] = base64"AQIDBAUGBwgJAQIDBAUGBwgJ"
  @seven : s32[1,1,1] = base64"BwAAAA=="
  @both : s32[2,1,1] = base64"BwAAAAkAAAA="
}
`);
    const e = isEqual('H', size);
    const padded = `%t = nn.pad(@seven, 9:s32) {mode="constant", pads=["${e}",0,0,"1-${e}",0,0]} : s32[2,1,1]`;
    return verdictOf(graph('%y = nn.add(%s, @both)'), graph(`${padded}\n  %y = nn.add(%s, %t)`));
  };
  /** One number that is picked from two: 7, or in `size` rows 9. */
  const picked = (size: number): string => {
    const graph = (sum: string) =>
      parse(`graph @main(%x: u8[1,1,"H","W"]) -> (%y) {
  %s = qnn.conv(%x, @w, 3:u8) {strides=[1,1], dilations=[1,1], group=1, pads=[1,1,1,1]} : s32[1,1,"H","W"]
  ${sum} : s32[1,1,"H","W"]
}
constants {
  @w : s8[1,1,3,3] = base64"AQIDBAUGBwgJ"
  @both : s32[2,1,1] = base64"BwAAAAkAAAA="
}
`);
    const e = isEqual('H', size);
    const one = `%t = nn.pad(@both, 0:s32) {mode="constant", pads=["0-${e}",0,0,"${e}-1",0,0]} : s32[1,1,1]`;
    return verdictOf(graph('%y = nn.add(%s, 7:s32)'), graph(`${one}\n  %y = nn.add(%s, %t)`));
  };
  it('right ones are proved', () => {
    expect(verdict(0)).toBe('proved');
    expect(picked(0)).toBe('proved');
  });
  it.each([1, 2, 3, 5, 60])('one that is picked in %i rows', (size) => expect(picked(size)).toBe('refuted'));
  it.each([1, 2, 3, 5, 60])('%i rows', (size) => expect(verdict(size)).toBe('refuted'));
});
