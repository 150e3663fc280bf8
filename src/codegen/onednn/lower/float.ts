/** f32 operators, pools and casts. Where oneDNN's primitives lose NaN the kernels are ours. */
import { assert } from '../../../diagnostics/index.ts';
import {
  isByteType,
  type nnAveragePool,
  type nnCast,
  type nnMaxPool,
  type OpWith,
  sameShape,
  type ValueId,
  type View,
} from '../../../ir/index.ts';
import type { Kernel } from '../kernel.ts';
import type { Recorder } from '../recorder.ts';
import type { GraphView, Lowering } from './lowering.ts';
import { alias } from './movement.ts';
import { poolWindows } from './pool_windows.ts';
import { three } from './reference.ts';

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

function byteMaxPool(pool: Pool, r: Recorder): void {
  r.kernel(
    { name: 'byte-max-pool', type: r.byteType(pool.x), ...poolWindows(pool, r) },
    { source: r.use(pool.x, 'channels-last'), destination: r.define(pool.y, 'channels-last') },
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

function floatPool(pool: Pool, r: Recorder, operation: (Kernel & { readonly name: 'float-pool' })['operation']): void {
  const { kernel, pads } = pool.attrs;
  r.kernel(
    {
      name: 'float-pool',
      operation,
      ...poolWindows(pool, r),
      padsEnd: three(pads.slice(kernel.length), 0), // the pads of the operator: an average counts them
    },
    { source: r.use(pool.x, 'channels-last'), destination: r.define(pool.y, 'channels-last') },
  );
}

/** The operand of the whole shape, and the other one, of two f32 operands of which oneDNN has fast code. */
function plainPair(
  { a, b, y }: View<OpWith<'a' | 'b'>>,
  graph: Pick<GraphView, 'dtype' | 'shape'>,
  commutative: boolean,
) {
  const shape = graph.shape(y);
  const isWhole = (id: ValueId) => sameShape(graph.shape(id), shape);
  const [whole, other] = isWhole(a) || !commutative ? [a, b] : [b, a];
  const isPlain = isWhole(whole) && (isWhole(other) || graph.shape(other).every((d) => d === 1));
  const isServed = graph.dtype(a) === 'f32' && shape.length > 0 && shape.length <= 5;
  return isPlain && isServed ? { whole, other, isOneNumber: !isWhole(other) } : undefined;
}

/** Two f32 operands. oneDNN takes those of one shape or with one number; among others are some for which it has slow code only. */
export const binary = (
  operation: 'add' | 'sub' | 'mul' | 'div',
  commutative: boolean,
): Lowering<OpWith<'a' | 'b'>> => ({
  refuses: (pair, graph) => (plainPair(pair, graph, commutative) ? undefined : 'oneDNN has slow code or none'),
  lower(pair, r) {
    const found = plainPair(pair, r, commutative);
    assert(found, 'the operands are not of one shape');
    const { whole, other, isOneNumber } = found;
    const shape = r.shape(pair.y);
    const layout = r.preferredLayout(whole);
    const dims = [...Array(shape.length - r.shape(other).length).fill(1), ...r.shape(other)];
    const otherLayout = isOneNumber ? 'row-major' : layout;
    const primitive = r.binding.binary(
      operation,
      r.desc(whole, layout),
      r.binding.desc('f32', dims, otherLayout),
      r.desc(pair.y, layout),
      r.threads,
    );
    r.primitive(primitive, {
      source: r.use(whole, layout),
      source1: r.use(other, otherLayout),
      destination: r.define(pair.y, layout),
    });
  },
});

/** A cast that changes nothing. */
export const sameType: Lowering<typeof nnCast> = {
  refuses: ({ x, attrs: { to } }, graph) => (graph.dtype(x) === to ? undefined : 'it changes the type'),
  lower: alias.lower,
};
