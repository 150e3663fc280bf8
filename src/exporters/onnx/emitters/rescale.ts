/** qnn.rescale: round(x·multiplier) + zy in wider integers, spelled out; every step is exact in f64 or s64. */
import { dtypes, type qnnRescale } from '../../../ir/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import { castTo, type Written } from '../node_writer.ts';
import { clipped, rounded } from './elements.ts';
import { factorsInFixedPoint, fixedPoint, wideFixedPoint } from './fixed_point.ts';

export function rescale(e: NodeEmitter<typeof qnnRescale>): Written {
  const { zy, attrs } = e.view;
  const { dtype } = e.resultType;
  const { min, max } = dtypes[dtype];
  const zeroPoint = e.cast(e.reshaped(zy, []), 'f64');
  const value = e.add('Add', [wholeProduct(e), zeroPoint]);
  return e.finish(
    'Cast',
    [clipped(e, value, 'f64', Math.max(min, attrs.low), Math.min(max, attrs.high))],
    castTo(dtype),
  );
}

/** round(x·multiplier) as f64: results beyond 2^53 are far beyond every bound. */
function wholeProduct(e: NodeEmitter<typeof qnnRescale>): string {
  const { x, multiplier, attrs } = e.view;
  if (attrs.arithmetic === 'fixed') return rounded(e, fixedPoint(e, factorsInFixedPoint(e)), 'half-away');
  if (attrs.arithmetic === 'fixed-wide') return e.cast(wideFixedPoint(e, factorsInFixedPoint(e)), 'f64');
  const factor = e.alongAxis(multiplier, attrs.axis, e.typeOf(x).shape.length);
  return rounded(e, e.add('Mul', [e.cast(e.value(x), 'f64'), factor]), attrs.rounding);
}
