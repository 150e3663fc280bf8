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
import { type Kernel, nativeTypes } from '../kernel.ts';
import type { Recorder } from '../recorder.ts';
import type { GraphView, Lowering } from './lowering.ts';
import { alias } from './movement.ts';
import { three } from './reference.ts';

const isFloat = (graph: GraphView, ...operands: readonly ValueId[]): string | undefined =>
  operands.every((id) => graph.dtype(id) === 'f32') ? undefined : 'its kernel computes f32 only';

type Pool = View<typeof nnMaxPool | typeof nnAveragePool>;

/** Bytes take the primitive, which skips padding; they have no NaN. */
export const maxPool: Lowering<typeof nnMaxPool> = {
  refuses(pool, graph) {
    const dtype = graph.dtype(pool.x);
    if (dtype === 'f32') return tooManyAxes(pool);
    return isByteType(dtype) ? undefined : `oneDNN pools no ${dtype}`;
  },
  lower: (pool, r) => (r.dtype(pool.x) === 'f32' ? floatPool(pool, r, 'max') : bytesMaxPool(pool, r)),
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

function bytesMaxPool(pool: Pool, r: Recorder): void {
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

/** Two f32 operands with broadcasting of the second; the first has the result's shape. */
export const binary = (algorithm: string, commutative: boolean): Lowering<OpWith<'a' | 'b'>> => ({
  refuses({ a, b, y }, graph) {
    const shape = graph.shape(y);
    if (shape.length === 0 || shape.length > 5) return 'a scalar, or more than five axes';
    const whole = (id: ValueId) => sameShape(graph.shape(id), shape);
    if (!whole(a) && !(commutative && whole(b))) return 'both operands are broadcast';
    return isFloat(graph, a, b);
  },
  lower({ a, b, y }, r) {
    const shape = r.shape(y);
    const isWhole = (id: ValueId) => sameShape(r.shape(id), shape);
    const [whole, other] = isWhole(a) ? [a, b] : [b, a];
    const layout = isWhole(other) || sizeIsOne(r.shape(other)) ? r.preferredLayout(whole) : 'row-major';
    const dims = [...Array(shape.length - r.shape(other).length).fill(1), ...r.shape(other)];
    const otherLayout = isWhole(other) ? layout : 'row-major';
    const along = isWhole(other) || sizeIsOne(dims) ? undefined : alongOneAxis(shape, dims);
    const result = along ? r.binding.desc('f32', along.whole, layout) : r.desc(y, layout);
    const primitive = r.binding.binary(
      algorithm,
      along ? result : r.desc(whole, layout),
      r.binding.desc('f32', along?.other ?? dims, otherLayout),
      result,
      r.threads,
    );
    r.primitive(primitive, {
      source: r.use(whole, layout),
      source1: r.use(other, otherLayout),
      destination: r.define(y, layout),
    });
  },
});

/**
 * Row-major tensors as [outer, length, inner] and [1, length, 1], where the second one varies along neighbouring axes alone: oneDNN
 * takes its reference implementation for a tensor that is broadcast along its last axes, unless it is a number for each channel.
 */
function alongOneAxis(shape: readonly number[], other: readonly number[]) {
  const first = other.findIndex((size) => size !== 1);
  const end = other.findLastIndex((size) => size !== 1) + 1;
  if (!sameShape(other.slice(first, end), shape.slice(first, end))) return undefined;
  const [outer, length, inner] = [[0, first], [first, end], [end]].map(([from, to]) => sizeOf(shape.slice(from, to)));
  return { whole: [outer, length, inner], other: [1, length, 1] };
}

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

/** Between the types of the addon; the others, which are 16 or 64 bits wide or bool, are cast by the interpreter. */
export const cast: Lowering<typeof nnCast> = {
  refuses({ x, attrs: { to } }, graph) {
    const from = graph.dtype(x);
    if (from === to) return undefined;
    const isServed = [from, to].every((type) => nativeTypes.some((served) => served === type));
    return isServed ? undefined : `a cast from ${from} to ${to}`;
  },
  lower(view, r) {
    const { x, y } = view;
    if (r.dtype(x) === r.dtype(y)) {
      alias.lower(view, r);
      return;
    }
    const [from, to] = [r.nativeType(x), r.nativeType(y)];
    const layout = r.preferredLayout(x);
    r.kernel(
      { name: 'cast', from, to, count: sizeOf(r.shape(x)) },
      { source: r.use(x, layout), destination: r.define(y, layout) },
    );
  },
};
