import { attr, defineOp, optional, tensorOf } from '../define_op.ts';
import { gruStep, lstmStep, runRecurrence, sizesOf, ways } from './recurrence.ts';

const f32 = tensorOf('f32');
const layer = { x: f32, w: f32, r: f32, bias: optional(f32), h: optional(f32) };
const sums =
  'a[row] = b + Σ x[k]·W[row, k] with b = fl(bW + bR), and s[row] = a + Σ h[k]·R[row, k]: each product is added in the order of k and rounded together with the sum before it; all other steps are rounded to binary32.';
const shapes =
  'The second direction, or the only one of `reverse`, goes from the last step to the first; states begin with h';

/** ONNX LSTM with the usual functions: https://onnx.ai/onnx/operators/onnx__LSTM.html */
export const nnLstm = defineOp({
  name: 'nn.lstm',
  doc: `A recurrent layer of gates i, o, f, c: c' = σ(s_f)·c + σ(s_i)·tanh(s_c), h' = σ(s_o)·tanh(c'). ${sums} x: [T,B,I], w: [D,4H,I], r: [D,4H,H], bias: [D,8H], h, c: [D,B,H]; y: [T,D,B,H], all h'; lastH, lastC: [D,B,H]. ${shapes} and c, 0 when absent.`,
  operands: { ...layer, c: optional(f32) },
  attrs: { direction: attr.oneOfOr('forward', ...ways) },
  results: { y: ['f32'], lastH: ['f32'], lastC: ['f32'] },
  infer(operands, { direction }, refuse) {
    const { steps, batch, directions, hidden } = sizesOf(operands, 4, direction, refuse);
    const state = { dtype: 'f32' as const, shape: [directions, batch, hidden] };
    return [{ dtype: 'f32', shape: [steps, directions, batch, hidden] }, state, state];
  },
  evaluate(operands, { direction }, [all, state]) {
    const { y, lastH, lastC } = runRecurrence(operands, 4, direction, Number.POSITIVE_INFINITY, lstmStep);
    return [
      { dtype: 'f32', shape: all.shape, data: y },
      { dtype: 'f32', shape: state.shape, data: lastH },
      { dtype: 'f32', shape: state.shape, data: lastC },
    ];
  },
});

/** ONNX GRU with the usual functions: https://onnx.ai/onnx/operators/onnx__GRU.html */
export const nnGru = defineOp({
  name: 'nn.gru',
  doc: `A recurrent layer of gates z, r, h: z = σ(s_z), r = σ(s_r), h' = (1 − z)·n + z·h. ${sums} n = tanh(a_h + Σ (r·h)[k]·R[k]), or with linearBeforeReset n = tanh(a_h + r·(bR + Σ h[k]·R[k])), a_h then beginning with bW alone. x: [T,B,I], w: [D,3H,I], r: [D,3H,H], bias: [D,6H], h: [D,B,H]; y: [T,D,B,H], all h'; lastH: [D,B,H]. ${shapes}, 0 when absent.`,
  operands: layer,
  attrs: { direction: attr.oneOfOr('forward', ...ways), linearBeforeReset: attr.bool(false) },
  results: { y: ['f32'], lastH: ['f32'] },
  infer(operands, { direction }, refuse) {
    const { steps, batch, directions, hidden } = sizesOf(operands, 3, direction, refuse);
    return [
      { dtype: 'f32', shape: [steps, directions, batch, hidden] },
      { dtype: 'f32', shape: [directions, batch, hidden] },
    ];
  },
  evaluate(operands, { direction, linearBeforeReset }, [all, state]) {
    const aloneFrom = linearBeforeReset ? 2 * operands.r.shape[2] : Number.POSITIVE_INFINITY;
    const { y, lastH } = runRecurrence(operands, 3, direction, aloneFrom, gruStep(linearBeforeReset));
    return [
      { dtype: 'f32', shape: all.shape, data: y },
      { dtype: 'f32', shape: state.shape, data: lastH },
    ];
  },
});
