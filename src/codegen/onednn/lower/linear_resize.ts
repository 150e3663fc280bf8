/** Linear interpolation of bytes by a kernel of ours. */
import { type qnnLinearResize, sizeOf, tensor } from '../../../ir/index.ts';
import { byteResize, type ResizeAxis } from '../../../numerics/index.ts';
import type { Lowering } from './lowering.ts';

export const linearResize: Lowering<typeof qnnLinearResize> = {
  lower({ x, y, attrs }, r) {
    const shape = r.shape(x);
    const [height, width] = shape.slice(attrs.axis);
    const { rows, columns, rounding } = byteResize(
      attrs.recipe,
      r.byteType(x),
      attrs.coordinates,
      [height, width],
      attrs.sizes,
    );
    // Channels in front of the axes lie behind them in memory.
    const isLast = attrs.axis === 2 && shape.length === 4;
    const layout = isLast ? 'channels-last' : 'row-major';
    const [outer, inner] = isLast
      ? [shape[0], shape[1]]
      : [shape.slice(0, attrs.axis), shape.slice(attrs.axis + 2)].map(sizeOf);
    const places = ({ low, high }: ResizeAxis) => r.data(tensor('s32', [...low, ...high]));
    const weights = ({ weight }: ResizeAxis) => r.data(tensor(rounding === 'in-f32' ? 'f32' : 's32', weight));
    r.kernel(
      {
        name: 'linear-resize',
        type: r.byteType(x),
        outer,
        input: [height, width],
        output: [attrs.sizes[0], attrs.sizes[1]],
        inner,
        bits: Math.log2(rows.unit),
        rounding,
      },
      {
        source: r.use(x, layout),
        rows: places(rows),
        rowWeights: weights(rows),
        columns: places(columns),
        columnWeights: weights(columns),
        destination: r.define(y, layout),
      },
    );
  },
};
