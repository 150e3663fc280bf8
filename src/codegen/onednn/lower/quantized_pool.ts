/** Means of bytes over whole images. */
import { assert } from '../../../diagnostics/index.ts';
import {
  type ByteType,
  constantOf,
  dtypes,
  type Graph,
  globalAverageOf,
  isByteType,
  isStatic,
  type qnnAveragePool,
  type qnnGlobalAveragePool,
  type Shape,
  sizeOf,
  tensor,
  typeOf,
  type ValueId,
  type View,
} from '../../../ir/index.ts';
import {
  averageFactor,
  factorLike,
  globalAverageMultiplier,
  isGlobalWindow,
  type Multiplier,
  referenceReduction,
  torchAverageMultiplier,
  xnnpackReduction,
} from '../../../numerics/index.ts';
import { follows } from '../kernels/following.ts';
import type { Buffer, Recorder } from '../recorder.ts';
import type { Lowering } from './lowering.ts';
import { poolWindows } from './pool_windows.ts';

type Pool = View<typeof qnnAveragePool | typeof qnnGlobalAveragePool>;
type GlobalPool = View<typeof qnnGlobalAveragePool>;

/** y = sat(rne(fl(Σ(x − sourceZeroPoint)·factor)) + zeroPoint): the kernel's. */
interface Mean {
  readonly factor: number;
  /** The factor for another number of positions; absent where it is looked for. */
  readonly factorOf?: (size: number) => number;
  readonly sourceZeroPoint: number;
  readonly zeroPoint: number;
}

const globalPool = (pool: Pool, r: Recorder, mean: Mean): void =>
  sumInto(pool, r, mean, r.byteType(pool.y), r.define(pool.y, 'channels-last'));

/** Means, or sums for the type s32. */
function sumInto(
  { x }: Pool,
  r: Recorder,
  { factor, factorOf, sourceZeroPoint, zeroPoint }: Mean,
  type: ByteType | 's32',
  destination: Buffer,
): void {
  const [batch, channels, ...spatial] = r.shape(x);
  r.kernel(
    {
      name: 'global-average-pool',
      sourceType: r.byteType(x),
      type,
      batch,
      spatial: sizeOf(spatial),
      channels,
      sourceZeroPoint,
      multiplier: factor,
      zeroPoint,
      ...(factorOf && { [follows]: { number: 'multiplier', from: 'spatial', value: factorOf } }),
    },
    { source: r.use(x, 'channels-last'), destination },
  );
}

/** A parameter, where it is a constant. */
const numberOf = (graph: Graph, id: ValueId): number => Number(constantOf(graph, id)?.data[0]);

/** The parameters of a pool over so many positions; undefined where they are computed, or sizes are open. */
function endsOf(graph: Graph, { x, sx, zx, sy, zy }: Pool) {
  const spatial = typeOf(graph, x).shape.slice(2);
  const [scaleX, zeroX, scaleY, zeroY] = [sx, zx, sy, zy].map((id) => numberOf(graph, id));
  const isKnown = isStatic(spatial) && [scaleX, zeroX, scaleY, zeroY].every((number) => !Number.isNaN(number));
  return isKnown ? { scaleX, zeroX, scaleY, zeroY, size: sizeOf(spatial) } : undefined;
}

/** A factor that has been worked out before, and rounds as the kernel does. */
function meanBy(graph: Graph, pool: Pool, multiplierOf: (sx: number, sy: number, size: number) => Multiplier) {
  const ends = endsOf(graph, pool);
  if (ends === undefined) return undefined;
  const factorOf = (size: number): number => {
    const multiplier = multiplierOf(ends.scaleX, ends.scaleY, size);
    return multiplier.arithmetic === 'f32' ? multiplier.factor : Number.NaN;
  };
  const factor = factorOf(ends.size);
  return Number.isNaN(factor) ? undefined : { factor, factorOf, sourceZeroPoint: ends.zeroX, zeroPoint: ends.zeroY };
}

const rangeOf = (graph: Graph, x: ValueId) => {
  const { dtype } = typeOf(graph, x);
  return dtypes[isByteType(dtype) ? dtype : 'u8'];
};

/** For a recipe that rounds in another way: a factor that makes no difference, where there is one. */
function meanLike(graph: Graph, pool: GlobalPool): Mean | undefined {
  const ends = endsOf(graph, pool);
  if (ends === undefined) return undefined;
  const { scaleX, zeroX, scaleY, zeroY, size } = ends;
  const { min: low, max: high } = rangeOf(graph, pool.x);
  const q = { sx: scaleX, sy: scaleY, zy: zeroY, low, high };
  const sums = { least: size * (low - zeroX), most: size * (high - zeroX), zeroPoint: zeroY, low, high };
  const factor = factorLike(globalAverageOf(pool.attrs.recipe, q, zeroX, size), scaleX / scaleY / size, sums);
  return factor === undefined ? undefined : { factor, sourceZeroPoint: zeroX, zeroPoint: zeroY };
}

/** The mean of a recipe as the kernel computes it; undefined where it does not. */
function meanOf(graph: Graph, pool: GlobalPool): Mean | undefined {
  switch (pool.attrs.recipe) {
    case 'ort':
    case 'qnnpack':
      return meanBy(graph, pool, globalAverageMultiplier);
    case 'torch':
      return meanBy(graph, pool, torchAverageMultiplier);
    default:
      return meanLike(graph, pool);
  }
}

/** The recipes of TensorFlow Lite round sums as the requantize kernel does: see numerics/tflite_mean.ts. */
const roundsSums = ({ attrs: { recipe } }: GlobalPool): boolean => recipe === 'tflite' || recipe === 'xnnpack';

function sumThenRound(pool: GlobalPool, r: Recorder): void {
  const ends = endsOf(r.graph, pool);
  assert(ends, `%${pool.y} was refused`);
  const { scaleX: sx, zeroX: zx, scaleY: sy, zeroY: zy, size: count } = ends;
  const all = { sx, zx, sy, zy, count };
  const { mantissa, shift } = referenceReduction('mean', all);
  const { factor, offset } = xnnpackReduction('mean', all);
  const [batch, channels] = r.shape(pool.y);
  const type = r.byteType(pool.y);
  const isFixed = pool.attrs.recipe === 'tflite';
  const sums = r.scratch(4 * batch * channels);
  const one = (dtype: 'f32' | 's32', value: number) => r.data(tensor(dtype, [value]));
  sumInto(pool, r, { factor: 1, sourceZeroPoint: isFixed ? zx : 0, zeroPoint: 0 }, 's32', sums);
  r.kernel(
    {
      name: 'requantize',
      type,
      ...{ outer: 1, channels: 1, inner: batch * channels, groups: 1, mapRows: 0 },
      zeroPoint: isFixed ? zy : 0,
      low: dtypes[type].min,
      high: dtypes[type].max,
      arithmetic: isFixed ? 'fixed' : 'f32',
    },
    {
      source: sums,
      ...(isFixed
        ? { multiplier: one('s32', mantissa), shift: one('s32', shift) }
        : { multiplier: one('f32', 1), scale: one('f32', factor), offset: one('f32', offset) }),
      destination: r.define(pool.y, 'channels-last'),
    },
  );
}

/** Lowers what the kernel can compute. */
const byKernel = <P extends Pool>(mean: (graph: Graph, pool: P) => Mean | undefined) => ({
  lower(pool: P, r: Recorder): void {
    const found = mean(r.graph, pool);
    assert(found, `%${pool.y} was refused`);
    globalPool(pool, r, found);
  },
});

export const globalAveragePool: Lowering<typeof qnnGlobalAveragePool> = {
  refuses(pool, graph) {
    const computed = graph.needsConstants(pool.sx, pool.zx, pool.sy, pool.zy);
    if (computed !== undefined) return computed;
    const isServed = roundsSums(pool) ? endsOf(graph.graph, pool) : meanOf(graph.graph, pool);
    return isServed ? undefined : `no factor rounds like the recipe ${pool.attrs.recipe}`;
  },
  lower: (pool, r) => (roundsSums(pool) ? sumThenRound(pool, r) : byKernel(meanOf).lower(pool, r)),
};

/** Over the whole image; the recipe tflite is of the integers as they are. */
function meanOfWindow(graph: Graph, pool: View<typeof qnnAveragePool>): Mean | undefined {
  if (pool.attrs.recipe === 'ort') return meanBy(graph, pool, globalAverageMultiplier);
  const { min, max } = rangeOf(graph, pool.x);
  const factor = averageFactor(sizeOf(pool.attrs.kernel), min, max);
  return factor === undefined ? undefined : { factor, sourceZeroPoint: 0, zeroPoint: 0 };
}

const isWhole = (spatial: Shape, { attrs: { kernel, pads } }: View<typeof qnnAveragePool>): boolean =>
  isStatic(spatial) && isGlobalWindow(spatial, kernel, pads);

export const averagePool: Lowering<typeof qnnAveragePool> = {
  refuses(pool, graph) {
    const { kernel, recipe } = pool.attrs;
    if (kernel.length > 3) return 'a window of more than three axes';
    if (sizeOf(kernel) >= MOST_TAPS) return `a window of ${MOST_TAPS} or more taps`;
    return recipe === 'ort' ? graph.needsConstants(pool.sx, pool.zx, pool.sy, pool.zy) : undefined;
  },
  lower(pool, r) {
    const whole = isWhole(r.shape(pool.x).slice(2), pool);
    const mean = whole ? meanOfWindow(r.graph, pool) : undefined;
    assert(mean || !whole || pool.attrs.recipe === 'tflite', `%${pool.y} has another formula than windows`);
    if (mean) globalPool(pool, r, mean);
    else windows(pool, r);
  },
};

/** The kernel adds the integers of a window in binary32. */
const MOST_TAPS = 2 ** 16;

function windows(pool: View<typeof qnnAveragePool>, r: Recorder): void {
  const { x, sx, zx, sy, zy, y, attrs } = pool;
  r.kernel(
    {
      name: 'byte-average-pool',
      type: r.byteType(x),
      ...poolWindows(pool, r),
      countsPadding: attrs.countIncludePad,
      ...(attrs.recipe === 'ort' && {
        sourceScale: r.scalar(sx),
        sourceZeroPoint: r.scalar(zx),
        scale: r.scalar(sy),
        zeroPoint: r.scalar(zy),
      }),
    },
    { source: r.use(x, 'channels-last'), destination: r.define(y, 'channels-last') },
  );
}
