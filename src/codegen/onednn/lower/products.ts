/** The fused end of every product, and requantization on its own. */
import { type ITensor, sizeOf, tensor, type ValueId } from '../../../ir/index.ts';
import type { PostOp, PrimitiveAttributes } from '../binding.ts';
import { type Buffer, type Recorder, transposed } from '../recorder.ts';
import { type Lowering, operandsOf } from './lowering.ts';

export interface Epilogue {
  readonly to: 'u8' | 's8' | 's32';
  readonly zeroPoint: number;
  readonly low: number;
  readonly high: number;
  readonly sourceZeroPoint: number;
}

/**
 * The attributes of a fused end; see NUMERICS.md D-3. In units of the accumulator: bias, map, then one multiplier per
 * channel, round, clamp, and the zero point last, so that it never meets a tie.
 */
export function epilogue(
  r: Recorder,
  { map, multiplier }: { readonly bias?: ValueId; readonly map?: ValueId; readonly multiplier?: ValueId },
  { to, zeroPoint, low, high, sourceZeroPoint }: Epilogue,
  perChannel: (length: number) => readonly number[],
  mapShape: readonly number[] | undefined,
): { attributes: PrimitiveAttributes; buffers: Record<string, Buffer> } {
  const shift = sourceZeroPoint === 0 ? {} : { sourceZeroPoint };
  if (multiplier === undefined) return { attributes: shift, buffers: {} };
  const postOps: PostOp[] = [];
  const buffers: Record<string, Buffer> = {};
  const factors = r.constant(multiplier) as ITensor<'f32'>;
  const scales = { scales: factors.data };
  if (map && mapShape) {
    const values = r.constant(map) as ITensor<'s32'>;
    buffers.post0 = r.data(transposed(tensor('f32', Float32Array.from(values.data), mapShape)));
    postOps.push({ kind: 'binary', algorithm: 'add', other: r.binding.desc('f32', mapShape, 'channels-last') });
    buffers.post1 = r.data(factors);
    postOps.push({
      kind: 'binary',
      algorithm: 'mul',
      other: r.binding.desc('f32', perChannel(factors.data.length), 'row-major'),
    });
  }
  const [min, max] = to === 'u8' ? [0, 255] : [-128, 127];
  const clipped = low > min || high < max;
  if (zeroPoint !== 0 || clipped) postOps.push({ kind: 'eltwise', algorithm: 'round', alpha: 0, beta: 0 });
  if (clipped)
    postOps.push({
      kind: 'eltwise',
      algorithm: 'clip',
      alpha: Math.max(low, min) - zeroPoint,
      beta: Math.min(high, max) - zeroPoint,
    });
  // The attribute costs AMX primitives of 2.6.3 some 30 µs a call, a linear post-op nothing; with VNNI it is the cheaper.
  const byPostOp = zeroPoint !== 0 && r.binding.isa === 'amx';
  if (byPostOp) postOps.push({ kind: 'eltwise', algorithm: 'linear', alpha: 1, beta: zeroPoint });
  const destination = zeroPoint === 0 || byPostOp ? {} : { destinationZeroPoint: zeroPoint };
  return { attributes: { ...(map ? {} : scales), ...shift, ...destination, postOps }, buffers };
}

export const clamps = ({ to, zeroPoint, low, high }: Epilogue) => {
  const [min, max] = to === 'u8' ? [0, 255] : to === 's8' ? [-128, 127] : [-(2 ** 31), 2 ** 31 - 1];
  return { zeroPoint, low: Math.max(low, min), high: Math.min(high, max) };
};

/** A multiplier for every channel, a common one repeated. */
export const perChannelF32 = (t: ITensor, channels: number): ITensor<'f32'> =>
  t.data.length === channels
    ? (t as ITensor<'f32'>)
    : tensor('f32', new Float32Array(channels).fill(Number(t.data[0])));

export const dnnlRequantize: Lowering = {
  refuses(node, view) {
    const [x, , map, row] = node.operands as (ValueId | undefined)[];
    if (map && view.constant(map) === undefined) return 'its map is computed at run time';
    const rank = view.shape(x as ValueId).length;
    const inner = node.attrs.axis !== 1 && node.attrs.axis !== rank - 1;
    return inner && (map || row) ? 'channels that are neither second nor last' : undefined;
  },
  lower(node, r) {
    const [x, bias, map, row, column, multiplier] = operandsOf(node) as [ValueId, ...(ValueId | undefined)[]];
    const attrs = node.attrs as unknown as Epilogue & { axis: number };
    const [y] = node.results;
    const shape = r.shape(y);
    const channels = shape[attrs.axis];
    const layout = attrs.axis === 1 && shape.length > 2 ? 'channels-last' : 'row-major';
    const inner = layout === 'channels-last' ? 1 : sizeOf(shape.slice(attrs.axis + 1));
    const mapRows = map ? sizeOf(shape.slice(attrs.axis + 1)) : 0;
    const mapShape = [1, channels, ...shape.slice(attrs.axis + 1)];
    const repeated = (id: ValueId | undefined): Buffer | undefined => {
      const t = id && r.constant(id);
      if (t && t.data.length === 1 && channels > 1)
        return r.data(tensor('s32', new Int32Array(channels).fill(Number(t.data[0]))));
      return id && r.use(id, 'row-major');
    };
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
      },
      {
        source: r.use(x, layout),
        bias: repeated(bias),
        map: map && r.data(transposed(tensor('s32', r.constant(map)!.data as Int32Array, mapShape))),
        row: row && r.use(row, layout),
        column: repeated(column),
        multiplier: multiplier && r.data(perChannelF32(r.constant(multiplier)!, channels)),
        destination: r.define(y, layout),
      },
    );
  },
};
