/** Interpolation. */

import type { Value } from '../../../../ir/define_op.ts';
import { nnResize } from '../../../../ir/index.ts';
import type { ExportContext } from '../context.ts';
import { defineExportOp, type ExportOp } from '../define_export_op.ts';

interface Sizes {
  readonly counts: readonly number[];
  /** Output size over input size, as the positions are computed with. */
  readonly scales: readonly number[];
}

/**
 * The sizes of the spatial axes. Positions are computed with a scale only where one is given and no size is.
 */
function sizesOf(ctx: ExportContext, spatial: readonly number[], names: readonly string[]): Sizes {
  const sizes = ctx.has('output_size') ? ctx.ints('output_size', spatial.length) : undefined;
  const factors = names.includes('scale_factors')
    ? ctx.has('scale_factors')
      ? ctx.floats('scale_factors')
      : undefined
    : given(
        ctx,
        names.filter((name) => name.startsWith('scales')),
      );
  const counts = sizes ?? spatial.map((size, i) => Math.floor(size * (factors?.[i] ?? Number.NaN)));
  if (counts.some((count) => !(count >= 1)))
    ctx.refuse(`[${spatial}] cannot be resized to [${counts}]`, undefined, 'U2005');
  return { counts, scales: counts.map((count, i) => factors?.[i] ?? count / spatial[i]) };
}

const given = (ctx: ExportContext, names: readonly string[]): readonly number[] | undefined =>
  names.every((name) => ctx.has(name)) ? names.map((name) => ctx.number(name)) : undefined;

function resize(ctx: ExportContext, mode: 'nearest' | 'linear'): Value {
  const names = ctx.parameters();
  const x = ctx.tensor(names[0]);
  const spatial = x.type.shape
    .slice(2)
    .map((size) => (typeof size === 'number' ? size : ctx.unsupported(`a resize of the size ${size}`)));
  const { counts, scales } = sizesOf(ctx, spatial, names);
  const aligned = mode === 'linear' && ctx.flag('align_corners');
  return ctx.emit(
    nnResize,
    { x },
    {
      shape: [...x.type.shape.slice(0, 2), ...counts],
      scales: [1, 1, ...scales],
      mode,
      coordinates: mode === 'nearest' ? 'asymmetric' : aligned ? 'align_corners' : 'half_pixel',
      nearest: 'floor',
    },
  );
}

/** `upsample_nearest2d` and `upsample_bilinear2d`. */
export const resizeOps: readonly ExportOp[] = [
  { name: 'upsample_nearest2d', mode: 'nearest', corners: '' } as const,
  { name: 'upsample_bilinear2d', mode: 'linear', corners: 'bool align_corners, ' } as const,
].flatMap(({ name, mode, corners }) =>
  defineExportOp(
    [
      `aten.${name}.vec(Tensor input, int[]? output_size, ${corners}float[]? scale_factors)`,
      `aten.${name}.default(Tensor self, int[] output_size, ${corners}float? scales_h=None, float? scales_w=None)`,
    ],
    (ctx) => resize(ctx, mode),
  ),
);
