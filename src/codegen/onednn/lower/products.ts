/** The fused end of every product, and requantization on its own. */
import {
  type AttrValues,
  type ByteType,
  dtypes,
  type ITensor,
  newArray,
  type ops,
  sizeOf,
  tensor,
  type ValueId,
} from '../../../ir/index.ts';
import { arithmeticOf, type Rounding } from '../../../numerics/index.ts';
import type { PostOp, PrimitiveAttributes } from '../binding.ts';
import { channelsLast } from '../kept_constants.ts';
import type { Buffer, Recorder } from '../recorder.ts';
import type { Lowering } from './lowering.ts';

/** The attributes that all products have; a matmul has only these. */
export type Epilogue = AttrValues<(typeof ops.dnnlMatmul)['attrs']>;

/** The constants of a fused end besides the bias, which is an argument of the primitive. */
export interface EpilogueOperands {
  readonly map?: ValueId | undefined;
  readonly scale?: ValueId | undefined;
  readonly offset?: ValueId | undefined;
  readonly multiplier?: ValueId | undefined;
}

/**
 * The attributes of a fused end. In units of the accumulator: bias and map; then scale, offset and
 * multiplier per channel, round, clamp, and the zero point last, so that it never meets a tie. With `zeroPointAt` before
 * nothing rounds until the result is converted.
 *
 * The first factor is the attribute `scales`, which costs nothing, unless a map is added before it. The others are `binary`
 * post-ops even where they are a single number: eltwise post-ops of one algorithm share their parameters in oneDNN
 * 2.6.3, so that a second `linear` would do what the first does (test/native/exactness.test.ts).
 */
export function epilogue(
  r: Recorder,
  { map, scale, offset, multiplier }: EpilogueOperands,
  { to, zeroPoint, zeroPointAt, low, high, sourceZeroPoint }: Epilogue,
  perChannel: (length: number) => readonly number[],
  mapShape: readonly number[] | undefined,
): { attributes: PrimitiveAttributes; buffers: Record<string, Buffer> } {
  const shift = sourceZeroPoint === 0 ? {} : { sourceZeroPoint };
  if (multiplier === undefined) return { attributes: shift, buffers: {} };
  const postOps: PostOp[] = [];
  const buffers: Record<string, Buffer> = {};
  let scales: Float32Array | undefined;
  const eltwise = (algorithm: string, alpha = 0, beta = 0) => postOps.push({ kind: 'eltwise', algorithm, alpha, beta });
  const binary = (algorithm: 'add' | 'mul', id: ValueId) => {
    const { data } = r.constantOf(id, 'f32');
    if (algorithm === 'mul' && scales === undefined && postOps.length === 0) scales = data;
    else {
      buffers[`post${postOps.length}`] = r.data(tensor('f32', data));
      const other = r.binding.desc('f32', perChannel(data.length), 'row-major');
      postOps.push({ kind: 'binary', algorithm, other });
    }
  };
  if (map && mapShape) {
    const { data } = r.constantOf(map, 's32');
    buffers.post0 = r.data(channelsLast(tensor('f32', Float32Array.from(data), mapShape)));
    postOps.push({ kind: 'binary', algorithm: 'add', other: r.binding.desc('f32', mapShape, 'channels-last') });
  }
  if (scale) binary('mul', scale);
  if (offset) binary('add', offset);
  binary('mul', multiplier);
  const { min, max } = dtypes[to];
  const clipped = low > min || high < max;
  // Before or after rounding, clamping comes first: bounds are integers, and adding the zero point is monotone.
  if (zeroPointAt === 'after' && (zeroPoint !== 0 || clipped)) eltwise('round');
  if (clipped) eltwise('clip', Math.max(low, min) - zeroPoint, Math.min(high, max) - zeroPoint);
  // The attribute costs AMX primitives of 2.6.3 some 30 µs a call, a linear post-op nothing; with VNNI it is the cheaper.
  const byPostOp = zeroPoint !== 0 && r.binding.isa === 'amx';
  if (byPostOp) eltwise('linear', 1, zeroPoint);
  const destination = zeroPoint === 0 || byPostOp ? {} : { destinationZeroPoint: zeroPoint };
  return { attributes: { ...(scales && { scales }), ...shift, ...destination, postOps }, buffers };
}

export const clamps = ({ to, zeroPoint, low, high }: Omit<Epilogue, 'sourceZeroPoint' | 'zeroPointAt'>) => {
  const { min, max } = dtypes[to];
  return { zeroPoint, low: Math.max(low, min), high: Math.min(high, max) };
};

/** The element types of factors and summands of an epilogue. */
type Factor = 'f32' | 'f64' | 's32';

/** A number for every channel, a common one repeated. */
function perChannel(t: ITensor<Factor | ByteType>, channels: number): ITensor<Factor | ByteType> {
  if (t.data.length === channels) return { ...t, shape: [channels] };
  return { ...t, shape: [channels], data: newArray(t.dtype, channels).fill(t.data[0]) };
}

/** Constants as buffers of a number for each channel; undefined for an absent one. */
export const constantsPerChannel =
  (r: Recorder, channels: number) =>
  <D extends Factor | ByteType>(id: ValueId | undefined, ...types: readonly D[]): Buffer | undefined =>
    id && r.data(perChannel(r.constantOf(id, ...types), channels));

type Factors<T> = Readonly<Partial<Record<'multiplier' | 'scale' | 'offset' | 'shift', T | undefined>>>;

/** The factors of an operator, all of them constants. */
export function factorsOf(
  r: Recorder,
  { multiplier, scale, offset, shift }: Factors<ValueId>,
): Factors<ITensor<Factor>> {
  return {
    multiplier: multiplier && r.constantOf(multiplier, 'f32', 'f64', 's32'),
    scale: scale && r.constantOf(scale, 'f32'),
    offset: offset && r.constantOf(offset, 'f32'),
    shift: shift && r.constantOf(shift, 's32'),
  };
}

/** The rounding of our requantize kernel: its fields, and its arguments for `channels` channels. */
export function kernelRecipe(
  r: Recorder,
  { multiplier, scale, offset, shift }: Factors<ITensor<Factor>>,
  { rounding, zeroPointAt }: { readonly rounding: Rounding; readonly zeroPointAt: Epilogue['zeroPointAt'] },
  channels: number,
) {
  const buffer = (t: ITensor<Factor> | undefined) => t && r.data(perChannel(t, channels));
  return {
    fields: {
      arithmetic: multiplier ? arithmeticOf({ multiplier }) : 'f32',
      rounding,
      zeroPointAt,
    } as const,
    buffers: {
      multiplier: buffer(multiplier),
      scale: buffer(scale),
      offset: buffer(offset),
      shift: buffer(shift),
    },
  };
}

export const dnnlRequantize: Lowering<typeof ops.dnnlRequantize> = {
  refuses({ x, map, row, attrs: { axis } }, graph) {
    if (map && graph.constant(map) === undefined) return 'its map is computed at run time';
    const inner = axis !== 1 && axis !== graph.shape(x).length - 1;
    return inner && (map || row) ? 'channels that are neither second nor last' : undefined;
  },
  lower(view, r) {
    const { x, bias, map, row, column, y, attrs } = view;
    const shape = r.shape(y);
    const channels = shape[attrs.axis];
    const layout = attrs.axis === 1 && shape.length > 2 ? 'channels-last' : 'row-major';
    const inner = layout === 'channels-last' ? 1 : sizeOf(shape.slice(attrs.axis + 1));
    const mapRows = map ? sizeOf(shape.slice(attrs.axis + 1)) : 0;
    const mapShape = [1, channels, ...shape.slice(attrs.axis + 1)];
    const repeated = (id: ValueId | undefined): Buffer | undefined => {
      const t = r.constant(id);
      if (t && t.data.length === 1 && channels > 1)
        return r.data(tensor('s32', new Int32Array(channels).fill(Number(t.data[0]))));
      return id && r.use(id, 'row-major');
    };
    const recipe = kernelRecipe(r, factorsOf(r, view), attrs, channels);
    r.kernel(
      {
        name: 'requantize',
        type: attrs.to,
        outer: sizeOf(shape) / channels / inner,
        channels,
        inner,
        groups: row ? r.shape(row)[attrs.axis] : 1,
        mapRows,
        ...clamps(attrs),
        ...recipe.fields,
      },
      {
        source: r.use(x, layout),
        bias: repeated(bias),
        map: map && r.data(channelsLast({ ...r.constantOf(map, 's32'), shape: mapShape })),
        row: row && r.use(row, layout),
        column: repeated(column),
        ...recipe.buffers,
        destination: r.define(y, layout),
      },
    );
  },
};
