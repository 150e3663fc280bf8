import { dynamicParameters, quantizeInto } from '../../numerics/index.ts';
import { byteTypes, type ITensor } from '../../tensors/index.ts';
import { attr, defineOp, optional, type Refuse, tensorOf } from '../define_op.ts';
import type { Shape } from '../types.ts';
import { byte } from './operand_types.ts';
import { directionsOf, lstmStep, ways } from './recurrence.ts';

const f32 = tensorOf('f32');
const fl = Math.fround;

/** Weights of a direction. */
interface Weights {
  readonly w: ITensor;
  readonly scale: ITensor;
  readonly zero?: ITensor | undefined;
}

/** fl(fl(Σ (a − za)(w − zw))·fl(sa·sw)) of rows that are quantized by the range of all of them. */
function product(values: Float32Array, rows: number, { w, scale, zero }: Weights, direction: number): Float32Array {
  const [directions, depth, columns] = w.shape;
  const own = dynamicParameters(values);
  const a = new Uint8Array(values.length);
  quantizeInto(values, own.scale, own.zeroPoint, 'u8', a);
  const of = (t: ITensor, j: number) =>
    Number(t.data[t.data.length === directions ? direction : direction * columns + j]);
  const y = new Float32Array(rows * columns);
  for (let j = 0; j < columns; j++) {
    const [factor, zw] = [fl(own.scale * of(scale, j)), zero ? of(zero, j) : 0];
    for (let row = 0; row < rows; row++) {
      let sum = 0;
      for (let k = 0; k < depth; k++)
        sum += (a[row * depth + k] - own.zeroPoint) * (Number(w.data[(direction * depth + k) * columns + j]) - zw);
      y[row * columns + j] = fl(sum | 0) * factor;
    }
  }
  return y;
}

function expect(name: string, shape: Shape | undefined, wanted: Shape, refuse: Refuse): void {
  if (shape === undefined) return;
  const fits = shape.length === wanted.length && wanted.every((d, i) => d === shape[i] || typeof d !== typeof shape[i]);
  if (!fits) refuse(`${name} should be [${wanted.join(', ')}], but is [${shape.join(', ')}]`, name);
}

/** com.microsoft DynamicQuantizeLSTM with the usual functions: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md (which divides a batch among its threads and quantizes each part by itself; this is its result on one) */
export const qnnDynamicLstm = defineOp({
  name: 'qnn.dynamic_lstm',
  doc: `nn.lstm whose products are those of qnn.dynamic_quantize: with P(v, w) = fl(fl(Σ (a − za)(w − zw))·fl(sa·sw)), v quantized to a by the range of all its elements, s = fl(fl(P(x, w) + P(h, r)) + fl(bW + bR)), x of all steps at once, h of each step and all elements of the batch. Gates i, o, f, c: c' = σ(s_f)·c + σ(s_i)·tanh(s_c), h' = σ(s_o)·tanh(c'). x: [T,B,I], w: [D,I,4H], r: [D,H,4H], their scales and zero points (0 when absent) [D] or [D,4H], bias: [D,8H], h, c: [D,B,H]; y: [T,D,B,H], all h'; lastH, lastC: [D,B,H].`,
  traits: ['quantized'],
  operands: {
    x: f32,
    w: byte,
    r: byte,
    sw: f32,
    sr: f32,
    zw: optional(tensorOf(...byteTypes)),
    zr: optional(tensorOf(...byteTypes)),
    bias: optional(f32),
    h: optional(f32),
    c: optional(f32),
  },
  attrs: { direction: attr.oneOfOr('forward', ...ways) },
  results: { y: ['f32'], lastH: ['f32'], lastC: ['f32'] },
  infer({ x, w, r, sw, sr, zw, zr, bias, h, c }, { direction }, refuse) {
    if (x.shape.length !== 3) refuse('x should be [steps, batch, size]', 'x');
    const [steps, batch, size] = x.shape;
    const hidden = r.shape[1];
    if (r.shape.length !== 3 || typeof hidden !== 'number')
      return refuse('r should be [directions, hidden, gates]', 'r');
    const directions = directionsOf(direction);
    const gates = 4 * hidden;
    expect('w', w.shape, [directions, size, gates], refuse);
    expect('r', r.shape, [directions, hidden, gates], refuse);
    for (const [name, of] of Object.entries({ sw, sr, zw, zr }))
      expect(name, of?.shape, of?.shape.length === 1 ? [directions] : [directions, gates], refuse);
    if (zw && zw.dtype !== w.dtype) refuse(`zw should be ${w.dtype}`, 'zw');
    if (zr && zr.dtype !== r.dtype) refuse(`zr should be ${r.dtype}`, 'zr');
    if (w.dtype !== r.dtype) refuse('w and r should be of one type', 'r');
    expect('bias', bias?.shape, [directions, 2 * gates], refuse);
    for (const [name, of] of Object.entries({ h, c })) expect(name, of?.shape, [directions, batch, hidden], refuse);
    const state = { dtype: 'f32' as const, shape: [directions, batch, hidden] };
    return [{ dtype: 'f32', shape: [steps, directions, batch, hidden] }, state, state];
  },
  evaluate({ x, w, r, sw, sr, zw, zr, bias, h, c }, { direction }, [all, state]) {
    const [steps, batch] = x.shape;
    const [directions, hidden, gates] = r.shape;
    const y = new Float32Array(steps * directions * batch * hidden);
    const [lastH, lastC] = [h, c].map((t) => (t ? t.data.slice() : new Float32Array(directions * batch * hidden)));
    for (let d = 0; d < directions; d++) {
      const half = (from: number, i: number) => (bias ? bias.data[d * 2 * gates + from + i] : 0);
      const inputs = product(x.data, steps * batch, { w, scale: sw, zero: zw }, d);
      const own = (of: Float32Array) => of.subarray(d * batch * hidden, (d + 1) * batch * hidden);
      for (let i = 0; i < steps; i++) {
        const t = direction === 'reverse' || d === 1 ? steps - 1 - i : i;
        const products = product(own(lastH), batch, { w: r, scale: sr, zero: zr }, d);
        for (let b = 0; b < batch; b++) {
          const sums = products.slice(b * gates, (b + 1) * gates).map((p, j) => {
            const sum = fl(inputs[(t * batch + b) * gates + j] + p);
            return bias ? sum + fl(half(0, j) + half(gates, j)) : sum;
          });
          const at = (of: Float32Array) => own(of).subarray(b * hidden, (b + 1) * hidden);
          lstmStep(sums, { h: at(lastH), c: at(lastC), recurrent: (_, start) => start, ownBias: () => 0 });
        }
        y.set(own(lastH), (t * directions + d) * batch * hidden);
      }
    }
    return [
      { dtype: 'f32', shape: all.shape, data: y },
      { dtype: 'f32', shape: state.shape, data: lastH },
      { dtype: 'f32', shape: state.shape, data: lastC },
    ];
  },
});
