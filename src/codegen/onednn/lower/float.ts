/** f32 operators, pools and casts. Where oneDNN's primitives lose NaN the kernels are ours. */
import {
  isByteType,
  type nnAveragePool,
  type nnCast,
  type nnMaxPool,
  type nnSoftmax,
  type OpWith,
  sameShape,
  sizeOf,
  type ValueId,
  type View,
} from '../../../ir/index.ts';
import { castTypes, type Kernel } from '../kernel.ts';
import type { Recorder } from '../recorder.ts';
import type { GraphView, Lowering } from './lowering.ts';
import { alias } from './movement.ts';
import { three } from './reference.ts';
import { type WordOperation, wordBinary } from './word_binary.ts';

const isFloat = (graph: GraphView, ...operands: readonly ValueId[]): string | undefined =>
  operands.every((id) => graph.dtype(id) === 'f32') ? undefined : 'its kernel computes f32 only';

type Pool = View<typeof nnMaxPool | typeof nnAveragePool>;

/** Bytes have no NaN, so that a primitive computes them as well; our kernel is faster. */
export const maxPool: Lowering<typeof nnMaxPool> = {
  refuses(pool, graph) {
    const dtype = graph.dtype(pool.x);
    return dtype === 'f32' || isByteType(dtype) ? tooManyAxes(pool) : `no kernel pools ${dtype}`;
  },
  lower(pool, r) {
    if (r.dtype(pool.x) === 'f32') floatPool(pool, r, 'max');
    else if (r.kernels === 'onednn') primitiveMaxPool(pool, r);
    else byteMaxPool(pool, r);
  },
};

export const averagePool: Lowering<typeof nnAveragePool> = {
  refuses: (pool, graph) => tooManyAxes(pool) ?? isFloat(graph, pool.x),
  lower: (pool, r) =>
    floatPool(pool, r, pool.attrs.countIncludePad ? 'average-include-padding' : 'average-exclude-padding'),
};

const tooManyAxes = ({ attrs }: Pool): string | undefined =>
  attrs.kernel.length > 3 ? 'a window of more than three axes' : undefined;

/** Pads at the end. ceilMode lets the last window reach beyond the padding. */
function padsAtEnd({ x, y, attrs }: Pool, r: Recorder): number[] {
  const { kernel, strides, pads, dilations } = attrs;
  const input = r.shape(x).slice(2);
  const output = r.shape(y).slice(2);
  return output.map((o, i) =>
    Math.max((o - 1) * strides[i] + dilations[i] * (kernel[i] - 1) + 1 - input[i] - pads[i], 0),
  );
}

function byteMaxPool({ x, y, attrs }: Pool, r: Recorder): void {
  const { kernel, strides, pads, dilations } = attrs;
  const [batch, channels, ...input] = r.shape(x);
  r.kernel(
    {
      name: 'byte-max-pool',
      type: r.byteType(x),
      batch,
      channels,
      input: three(input, 1),
      output: three(r.shape(y).slice(2), 1),
      kernel: three(kernel, 1),
      strides: three(strides, 1),
      dilations: three(dilations, 1),
      padsBegin: three(pads.slice(0, kernel.length), 0),
    },
    { source: r.use(x, 'channels-last'), destination: r.define(y, 'channels-last') },
  );
}

function primitiveMaxPool(pool: Pool, r: Recorder): void {
  const { x, y } = pool;
  const { kernel, strides, pads, dilations } = pool.attrs;
  const primitive = r.binding.pooling(
    {
      algorithm: 'max',
      source: r.desc(x, 'channels-last'),
      destination: r.desc(y, 'channels-last'),
      kernel,
      strides,
      dilations,
      padsBegin: pads.slice(0, kernel.length),
      padsEnd: padsAtEnd(pool, r),
    },
    r.threads,
  );
  r.primitive(primitive, { source: r.use(x, 'channels-last'), destination: r.define(y, 'channels-last') });
}

function floatPool(
  { x, y, attrs }: Pool,
  r: Recorder,
  operation: (Kernel & { readonly name: 'float-pool' })['operation'],
): void {
  const { kernel, strides, pads, dilations } = attrs;
  const [batch, channels, ...input] = r.shape(x);
  r.kernel(
    {
      name: 'float-pool',
      operation,
      batch,
      channels,
      input: three(input, 1),
      output: three(r.shape(y).slice(2), 1),
      kernel: three(kernel, 1),
      strides: three(strides, 1),
      dilations: three(dilations, 1),
      padsBegin: three(pads.slice(0, kernel.length), 0),
      padsEnd: three(pads.slice(kernel.length), 0), // the pads of the operator: an average counts them
    },
    { source: r.use(x, 'channels-last'), destination: r.define(y, 'channels-last') },
  );
}

/** One f32 operand, element by element; NaN stays. */
export const unary = <A>(
  name: (Kernel & { readonly name: 'float-unary' })['function'],
  parameters: (attrs: A) => readonly [number, number] = () => [0, 0],
) => ({
  refuses: ({ x }: View<OpWith<'x'>>, graph: GraphView) => isFloat(graph, x),
  lower({ x, y, attrs }: View<OpWith<'x'>> & { readonly attrs: A }, r: Recorder): void {
    const layout = r.preferredLayout(x);
    const [alpha, beta] = parameters(attrs);
    r.kernel(
      { name: 'float-unary', function: name, alpha, beta, count: sizeOf(r.shape(x)) },
      { source: r.use(x, layout), destination: r.define(y, layout) },
    );
  },
});

/** Two f32 operands. oneDNN takes those of one shape or with one number; among others are some for which it has slow code only. */
export const binary = (operation: WordOperation, commutative: boolean): Lowering<OpWith<'a' | 'b'>> => ({
  refuses: ({ a, b }, graph) => isFloat(graph, a, b),
  lower(pair, r) {
    const { a, b, y } = pair;
    const shape = r.shape(y);
    const isWhole = (id: ValueId) => sameShape(r.shape(id), shape);
    const [whole, other] = isWhole(a) || !commutative ? [a, b] : [b, a];
    const isPlain = isWhole(whole) && (isWhole(other) || sizeIsOne(r.shape(other)));
    if (!isPlain || shape.length === 0 || shape.length > 5) {
      wordBinary(pair, r, operation, 'f32');
      return;
    }
    const layout = r.preferredLayout(whole);
    const dims = [...Array(shape.length - r.shape(other).length).fill(1), ...r.shape(other)];
    const otherLayout = isWhole(other) ? layout : 'row-major';
    const primitive = r.binding.binary(
      operation,
      r.desc(whole, layout),
      r.binding.desc('f32', dims, otherLayout),
      r.desc(y, layout),
      r.threads,
    );
    r.primitive(primitive, {
      source: r.use(whole, layout),
      source1: r.use(other, otherLayout),
      destination: r.define(y, layout),
    });
  },
});

const sizeIsOne = (shape: readonly number[]): boolean => shape.every((d) => d === 1);

export const softmax: Lowering<typeof nnSoftmax> = {
  refuses: ({ x }, graph) => isFloat(graph, x),
  lower({ x, y, attrs }, r) {
    const shape = r.shape(x);
    const axis = (attrs.axis + shape.length) % shape.length;
    r.kernel(
      {
        name: 'softmax',
        outer: sizeOf(shape.slice(0, axis)),
        length: shape[axis],
        inner: sizeOf(shape.slice(axis + 1)),
      },
      { source: r.use(x, 'row-major'), destination: r.define(y, 'row-major') },
    );
  },
};

/** 64-bit integers to 32 bits: the low halves. */
const isLowHalf = (from: string, to: string): boolean =>
  (from === 's64' || from === 'u64') && (to === 's32' || to === 'u32');

/** Between the types of the addon, and from 64-bit integers to their low halves; the interpreter casts other types. */
export const cast: Lowering<typeof nnCast> = {
  refuses({ x, attrs: { to } }, graph) {
    const from = graph.dtype(x);
    if (from === to || isLowHalf(from, to)) return undefined;
    const isServed = [from, to].every((type) => castTypes.some((served) => served === type));
    return isServed ? undefined : `a cast from ${from} to ${to}`;
  },
  lower(view, r) {
    const { x, y } = view;
    if (r.dtype(x) === r.dtype(y)) {
      alias.lower(view, r);
      return;
    }
    const layout = r.preferredLayout(x);
    const count = sizeOf(r.shape(x));
    const kernel: Kernel = isLowHalf(r.dtype(x), r.dtype(y))
      ? {
          name: 'copy',
          elementBytes: 4,
          shape: [count],
          sourceStrides: [2],
          destinationStrides: [1],
          sourceOffset: 0,
          destinationOffset: 0,
        }
      : { name: 'cast', from: r.dtypeOf(x, ...castTypes), to: r.dtypeOf(y, ...castTypes), count };
    r.kernel(kernel, { source: r.use(x, layout), destination: r.define(y, layout) });
  },
};
