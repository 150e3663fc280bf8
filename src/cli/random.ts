/** Random inputs that a model can do something with. */

import { assert, fail } from '../diagnostics/index.ts';
import {
  bindDim,
  constantOf,
  consumersOf,
  type DType,
  dtypes,
  type Feeds,
  type Graph,
  type ITensor,
  isFloat,
  isInteger,
  isOp,
  isSmallFloat,
  isStatic,
  newArray,
  nnCast,
  nnExpand,
  nnGather,
  nnIdentity,
  nnReshape,
  nnSlice,
  nnTile,
  nnTranspose,
  packed,
  qnnQuantize,
  refuseTooLarge,
  sharesBytes,
  sizeOf,
  specialize,
  topologicalOrder,
  type ValueId,
  view,
  viewOf,
} from '../ir/index.ts';
import { fittingSizes } from './open_sizes.ts';

/**
 * A tensor for every input, the same for the same seed. Bytes take all their values, wider integers 0 to 9, positions
 * in a table (token ids, token types) all rows of the table, floats the range that the first quantize behind the input
 * can represent, or −2 to 2. Dimensions that are still symbols get sizes that fit, 1 if possible.
 *
 * @throws UnskewError U4001 when no sizes fit, U1006 when a run needs more memory than is free
 */
export function randomFeeds(graph: Graph, seed: number): Feeds {
  const random = randomSource(seed);
  const sizes = fittingSizes(graph) ?? refuseSizes(graph);
  refuseTooLarge(specialize(graph, sizes), 'now');
  return Object.fromEntries(
    graph.inputs.map((id): [string, ITensor] => {
      const { dtype, shape } = graph.values[id].type;
      if (dtype === 'opaque') return refuseUntyped(graph, id);
      const dims = shape.map((dim) => bindDim(dim, sizes));
      assert(isStatic(dims), `a size of the input '${id}' is open`);
      const range = isFloat(dtype) ? floatRange(graph, id) : integerRange(graph, id, dtype);
      return [id, randomTensor(dtype, dims, range, random)];
    }),
  );
}

function refuseUntyped({ origin }: Graph, id: string): never {
  const why = origin?.unsupported.find(({ value }) => value === id)?.reason ?? 'its type is not known';
  return fail(
    'U2006',
    `no tensor can be drawn for the input '${id}': ${why}`,
    { input: id },
    `where its rank is not declared, --shape ${id}=SIZES gives it`,
  );
}

function refuseSizes({ inputs, values }: Graph): never {
  const open = inputs.filter((id) => values[id].type.shape.some((dim) => typeof dim === 'string'));
  const shown = open.map((id) => `--shape ${id}=${values[id].type.shape.join(',')}`);
  return fail(
    'U4001',
    'no sizes were found that fit the open dimensions of the inputs',
    { input: open[0] },
    `give tensors with --input, or sizes, numbers for symbols: ${shown.join(' ')}`,
  );
}

function randomTensor(dtype: DType, shape: readonly number[], range: Range, random: () => number): ITensor {
  if (sharesBytes(dtype)) {
    const next = elements(dtype, range, random);
    return packed(dtype, Array.from({ length: sizeOf(shape) }, next), shape);
  }
  const data = newArray(dtype, sizeOf(shape));
  const isWide = data instanceof BigInt64Array || data instanceof BigUint64Array;
  const next = elements(dtype, range, random);
  for (let i = 0; i < data.length; i++) data[i] = isWide ? BigInt(next()) : next();
  return { dtype, shape, data };
}

/** Draws elements. The bits of half floats are the bits of numbers in [1, 2). */
function elements(dtype: DType, [low, high]: Range, random: () => number): () => number {
  if (dtype === 'f16') return () => 0x3c00 + Math.floor(random() * 0x400);
  if (dtype === 'bf16') return () => 0x3f80 + Math.floor(random() * 0x80);
  // all patterns of these exponents are positive numbers
  if (dtype === 'f8e8m0') return () => 0x78 + Math.floor(random() * 0x10);
  if (dtype === 'f4e2m1') return () => Math.floor(random() * 8);
  if (isSmallFloat(dtype)) return () => 0x20 + Math.floor(random() * 0x20);
  if (isFloat(dtype)) return () => low + random() * (high - low);
  return () => low + Math.floor(random() * (high - low + 1));
}

type Range = readonly [low: number, high: number];

function floatRange(graph: Graph, input: ValueId): Range {
  const readers = consumersOf(graph).get(input) ?? [];
  const quantize = readers.map((node) => view(qnnQuantize, node)).find((reader) => reader?.x === input);
  const scale = constantOf(graph, quantize?.scale);
  if (quantize === undefined || scale?.data.length !== 1) return [-2, 2];
  const zeroPoint = Number(constantOf(graph, quantize.zp)?.data[0] ?? 0);
  const { min, max } = dtypes[quantize.attrs.dtype];
  return [(min - zeroPoint) * Number(scale.data[0]), (max - zeroPoint) * Number(scale.data[0])];
}

function integerRange(graph: Graph, input: ValueId, dtype: DType): Range {
  const rows = tablesOf(graph, input).reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const { bits, min, max } = dtypes[dtype];
  if (Number.isFinite(rows)) return [0, Math.min(rows - 1, isInteger(dtype) && bits === 8 ? 255 : 9)];
  return !isInteger(dtype) ? [0, 1] : bits === 8 ? [min, max] : [0, 9];
}

/** Sizes of the axes that an input, moved or cast, is a position on. */
function tablesOf(graph: Graph, input: ValueId): number[] {
  const same = new Set([input]);
  const sizes: number[] = [];
  for (const node of topologicalOrder(graph).order) {
    if (isOp(node, ...handingOn) && same.has(viewOf<(typeof handingOn)[number]>(node).x)) same.add(node.results[0]);
    const gather = view(nnGather, node);
    if (gather === undefined || !same.has(gather.indices)) continue;
    const size = graph.values[gather.x].type.shape.at(gather.attrs.axis);
    if (typeof size === 'number') sizes.push(size);
  }
  return sizes;
}

const handingOn = [nnCast, nnIdentity, nnReshape, nnTranspose, nnExpand, nnSlice, nnTile] as const;

/** Uniform numbers in [0, 1) (mulberry32). */
function randomSource(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
