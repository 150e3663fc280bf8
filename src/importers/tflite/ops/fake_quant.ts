/** FAKE_QUANT: floats rounded to the steps of integers, in networks that were trained for them and never converted. */
import { tfliteOptions } from '../../../formats/tflite/index.ts';
import { nnAdd, nnClip, nnFloor, nnMul, nnSub, type Value } from '../../../ir/index.ts';
import { clampTo, roundHalfAway } from '../../../numerics/index.ts';
import { held } from '../aligned.ts';
import { defineTfliteOp, type TfliteOp } from '../define_tflite_op.ts';

const fl = Math.fround;

/** Ends and steps of the range that has 0 among its integers: every step in binary32 (NudgeQuantizationRange of the kernel). */
function nudgedRange(min: number, max: number, bits: number) {
  const most = 2 ** bits - 1;
  const scale = fl(fl(max - min) / most);
  const zero = clampTo(0, most, roundHalfAway(fl(0 - fl(min / scale))));
  return { low: fl(-zero * scale), high: fl((most - zero) * scale), scale };
}

/** y = fl(fl(rha(fl(fl(clip(x, low, high) − low)·fl(1/scale)))·scale) + low); both profiles have the same kernel. */
const fakeQuant = defineTfliteOp({
  name: 'FAKE_QUANT',
  inputs: ['x'],
  options: tfliteOptions.fakeQuantOptions,
  import(ctx, { min, max, bits, isNarrow }) {
    const operand = ctx.get('x');
    if (operand.dtype !== 'f32') ctx.unsupported(`FAKE_QUANT of ${operand.dtype}`);
    if (isNarrow) ctx.unsupported('a narrow range, which TensorFlow Lite refuses too');
    if (bits < 2 || bits > 16) ctx.unsupported(`FAKE_QUANT to ${bits} bits`);
    const { low, high, scale } = nudgedRange(min, max, bits);
    if (!(scale > 0 && scale < Infinity)) ctx.unsupported(`FAKE_QUANT from ${min} to ${max}`);
    const { x, result } = held(ctx, operand);
    const number = (value: number) => ctx.scalar('f32', value);
    const inside = ctx.emit(nnClip, { x }, { min: low, max: high });
    const above: Value = ctx.emit(nnSub, { a: inside, b: number(low) });
    const steps = ctx.emit(nnMul, { a: above, b: number(fl(1 / scale)) });
    // not below 0, and exact in binary64: the half may not round
    const half = ctx.emit(nnAdd, { a: ctx.cast(steps, 'f64'), b: ctx.scalar('f64', 0.5) });
    const whole = ctx.cast(ctx.emit(nnFloor, { x: half }), 'f32');
    const moved = ctx.emit(nnMul, { a: whole, b: number(scale) });
    return result(ctx.emit(nnAdd, { a: moved, b: number(low) }));
  },
});

export const fakeQuantOps: readonly TfliteOp[] = [fakeQuant];
