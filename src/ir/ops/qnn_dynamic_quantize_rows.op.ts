import { quantizationOfRow } from '../../numerics/index.ts';
import { zeros } from '../../tensors/index.ts';
import { attr, defineOp, tensorOf } from '../define_op.ts';

/** Float sources of layers with int8 weights in TensorFlow Lite, quantized while the model runs. */
export const qnnDynamicQuantizeRows = defineOp({
  name: 'qnn.dynamic_quantize_rows',
  doc: 'Each row of x: [M,K] to s8 with the scale and zero point that its range asks for, by one of the recipes of numerics/dynamic_rows.ts: x ≈ scale·(y − zp). scale, zp: [M].',
  traits: ['quantized'],
  operands: { x: tensorOf('f32') },
  attrs: { recipe: attr.oneOf('symmetric', 'asymmetric', 'xnnpack') },
  results: { y: ['s8'], scale: ['f32'], zp: ['s8'] },
  infer({ x }, _attrs, refuse) {
    if (x.shape.length !== 2) refuse(`'x' should be rows of [M,K], but has rank ${x.shape.length}`, 'x');
    const rows = x.shape.slice(0, 1);
    return [
      { dtype: 's8', shape: x.shape },
      { dtype: 'f32', shape: rows },
      { dtype: 's8', shape: rows },
    ];
  },
  evaluate({ x }, { recipe }) {
    const [rows, length] = x.shape;
    const y = zeros('s8', x.shape);
    const [scale, zp] = [zeros('f32', [rows]), zeros('s8', [rows])];
    for (let row = 0; row < rows; row++) {
      const start = row * length;
      const q = quantizationOfRow(recipe, x.data.subarray(start, start + length));
      scale.data[row] = q.scale;
      zp.data[row] = q.zeroPoint;
      for (let i = start; i < start + length; i++) y.data[i] = q.quantize(x.data[i]);
    }
    return [y, scale, zp];
  },
});
