import { byteResize } from '../../numerics/index.ts';
import { sizeOf, zeros } from '../../tensors/index.ts';
import { attr, defineOp } from '../define_op.ts';
import { byte } from './operand_types.ts';

/** RESIZE_BILINEAR of TensorFlow Lite over bytes, which keep their scale and zero point. */
export const qnnLinearResize = defineOp({
  name: 'qnn.linear_resize',
  doc: 'x with two neighbouring axes, the first of them `axis`, at `sizes`: each element is weighted between its two neighbours along both axes, in the arithmetic of `recipe`: xnnpack takes weights of 11 bits and rounds halves up; tflite takes 10 bits for s8 and rounds halves away from zero, and binary32 for u8, cut after a half is added: see numerics/tflite_resize.ts. `coordinates`: i·s (asymmetric), (i + ½)·s − ½ (half_pixel), s = from/to, or i·(from − 1)/(to − 1) (align_corners).',
  traits: ['quantized'],
  operands: { x: byte },
  attrs: {
    sizes: attr.ints(),
    axis: attr.int(2),
    coordinates: attr.oneOfOr('asymmetric', 'asymmetric', 'half_pixel', 'align_corners'),
    recipe: attr.oneOf('xnnpack', 'tflite'),
  },
  results: { y: { like: 'x' } },
  infer({ x }, { sizes, axis }, refuse) {
    if (sizes.length !== 2 || sizes.some((size) => size < 1))
      refuse(`sizes should be two numbers from 1 on, but are [${sizes}]`);
    if (axis < 0 || axis + 1 >= x.shape.length)
      refuse(`axis ${axis} and its neighbour are outside of rank ${x.shape.length}`);
    const [rows, columns] = x.shape.slice(axis, axis + 2);
    if (typeof rows !== 'number' || typeof columns !== 'number') return refuse.limit('weights need known sizes', 'x');
    if (rows === 0 || columns === 0) refuse.limit('there is nothing to resize', 'x');
    return { dtype: x.dtype, shape: x.shape.map((size, i) => sizes[i - axis] ?? size) };
  },
  evaluate({ x }, { sizes, axis, coordinates, recipe }) {
    const [height, width] = x.shape.slice(axis);
    const { rows, columns, finish } = byteResize(recipe, x.dtype, coordinates, [height, width], sizes);
    const [outer, inner] = [sizeOf(x.shape.slice(0, axis)), sizeOf(x.shape.slice(axis + 2))];
    const y = zeros(
      x.dtype,
      x.shape.map((size, i) => sizes[i - axis] ?? size),
    );
    let to = 0;
    for (let n = 0; n < outer; n++) {
      for (let i = 0; i < sizes[0]; i++) {
        const [top, bottom] = [rows.low[i], rows.high[i]].map((row) => (n * height + row) * width);
        for (let j = 0; j < sizes[1]; j++) {
          const [left, right] = [columns.low[j], columns.high[j]];
          const corners = [top + left, bottom + left, top + right, bottom + right].map((at) => at * inner);
          const [a, b, c, d] = corners;
          for (let k = 0; k < inner; k++)
            y.data[to++] = finish(
              x.data[a + k],
              x.data[b + k],
              x.data[c + k],
              x.data[d + k],
              rows.weight[i],
              columns.weight[j],
            );
        }
      }
    }
    return y;
  },
});
