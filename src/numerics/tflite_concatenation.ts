/**
 * CONCATENATION of unsigned operands whose scales differ from that of the result, as both kernels of TensorFlow Lite compute it
 * (ConcatenationWithScaling of its reference_ops):
 *
 *   k = fl(sx·fl(1/sy))   y = sat(rha(fl(fl(q·k) + fl(−zx·k))) + zy)
 *
 * An operand with the scale and the zero point of the result is copied.
 */
import { clampTo, roundHalfAway } from './rounding.ts';

interface Parameters {
  readonly scale: number;
  readonly zeroPoint: number;
}

/** y for each byte q. */
export function concatenationTable(x: Parameters, y: Parameters): Uint8Array {
  const factor = Math.fround(x.scale * Math.fround(1 / y.scale));
  const offset = Math.fround(-x.zeroPoint * factor);
  const at = (q: number) => roundHalfAway(Math.fround(Math.fround(q * factor) + offset)) + y.zeroPoint;
  return Uint8Array.from({ length: 256 }, (_, q) => clampTo(0, 255, at(q)));
}
