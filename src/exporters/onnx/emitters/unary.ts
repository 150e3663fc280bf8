/** Elementwise operators on one tensor. Younger operators are spelled out for older operator sets. */
import {
  dtypes,
  isFloat,
  type nnCast,
  type nnCelu,
  type nnClip,
  type nnGelu,
  type nnRecentre,
  type OpWith,
} from '../../../ir/index.ts';
import { isFloat8, isPackedType, isSmallFloat } from '../../../tensors/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import { castTo, flag, float, text, type Written } from '../node_writer.ts';
import { clipAttributes, clipBounds, clipped, finishVia, moved, via, widened } from './elements.ts';

type Unary = NodeEmitter<OpWith<'x'>>;

export function hardSwish(e: Unary): Written {
  const gate = e.add('HardSigmoid', e.inputs(), { alpha: float(1 / 6), beta: float(0.5) });
  return e.finish('Mul', [e.value(e.view.x), gate]);
}

export function mish(e: Unary): Written {
  return e.finish('Mul', [e.value(e.view.x), e.add('Tanh', [e.add('Softplus', e.inputs())])]);
}

/** α·elu(x/α) */
export function celu(e: NodeEmitter<typeof nnCelu>): Written {
  const { alpha } = e.view.attrs;
  const scaled = e.add('Div', [e.value(e.view.x), e.scalar('f32', alpha)]);
  return e.finish('Mul', [e.add('Elu', [scaled]), e.scalar('f32', alpha)]);
}

/** x/2·(1 + erf(x/√2)), or with tanh(√(2/π)·(x + 0.044715·x³)) for the error function. */
export function gelu(e: NodeEmitter<typeof nnGelu>): Written {
  const { approximate } = e.view.attrs;
  e.since(9, 'Erf');
  const x = e.value(e.view.x);
  const times = (value: string, factor: number) => e.add('Mul', [value, e.scalar('f32', factor)]);
  const cube = () => e.add('Mul', [x, e.add('Mul', [x, x])]);
  const gate =
    approximate === 'tanh'
      ? e.add('Tanh', [times(e.add('Add', [x, times(cube(), 0.044715)]), Math.sqrt(2 / Math.PI))])
      : e.add('Erf', [times(x, Math.SQRT1_2)]);
  const weight = e.add('Add', [gate, e.scalar('f32', 1)]);
  return e.finish('Mul', [times(x, 0.5), weight]);
}

/** max(x, 0); unsigned integers are that already. */
export function relu(e: Unary): Written | undefined {
  const { x } = e.view;
  const { dtype } = e.typeOf(x);
  if (isFloat(dtype)) return undefined;
  if (dtype.startsWith('u')) return e.finish('Identity', e.inputs());
  const wide = dtype === 's64' ? undefined : e.opset < 12 ? 'f64' : (widened(dtype) ?? 's32');
  if (dtype === 's64') e.since(12, 'Max of s64');
  e.since(8, 'broadcasting');
  return finishVia(e, wide, 'Max', [...via(e, wide, x), e.scalar(wide ?? dtype, 0)]);
}

export function clip(e: NodeEmitter<typeof nnClip>): Written {
  const { x, attrs } = e.view;
  const { dtype } = e.typeOf(x);
  const { min: low, max: high } = attrs;
  if (low === -Infinity && high === Infinity) return e.finish('Identity', e.inputs());
  if (dtype === 'f32' && e.opset < 11) return e.finish('Clip', e.inputs(), clipAttributes(low, high));
  if (dtype === 'f32') return e.finish('Clip', [e.value(x), ...clipBounds(e, dtype, low, high)]);
  if (isFloat(dtype)) return e.finish('Identity', [clipped(e, e.value(x), dtype, low, high)]);
  // bounds beyond the type never bind, and would not be constants of it
  const { min, max } = dtypes[dtype];
  return e.finish('Identity', [
    clipped(e, e.value(x), dtype, low <= min ? -Infinity : low, high >= max ? Infinity : high),
  ]);
}

export function cast(e: NodeEmitter<typeof nnCast>): Written {
  e.since(6, 'Cast');
  const to = e.resultType.dtype;
  if (to === 'bf16' || e.typeOf(e.view.x).dtype === 'bf16') e.since(13, 'Cast of bf16');
  for (const type of [to, e.typeOf(e.view.x).dtype]) {
    if (isSmallFloat(type)) e.since(isFloat8(type) ? 19 : type === 'f4e2m1' ? 23 : 24, `Cast of ${type}`);
    if (isPackedType(type)) e.since(type === 'u4' || type === 's4' ? 21 : 25, `Cast of ${type}`);
  }
  const { saturate, rounding } = e.view.attrs;
  return e.finish('Cast', e.inputs(), {
    ...castTo(to),
    ...(isSmallFloat(to) && !saturate && { saturate: flag(false) }),
    ...(to === 'f8e8m0' && rounding !== 'up' && { round_mode: text(rounding) }),
  });
}

export const recentre = (e: NodeEmitter<typeof nnRecentre>): Written =>
  e.finish('Identity', [moved(e, e.value(e.view.x), e.view.attrs.to)]);
