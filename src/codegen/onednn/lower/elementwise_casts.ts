/** Casts between any two types as one to three operations. */
import { type DType, isHalf } from '../../../ir/index.ts';
import type { Kernel } from '../kernel.ts';

/**
 * The operations, in order. Floats of 16 bits go by way of f32, which holds them exactly; numbers become f16 from f64 and bf16 from f32, so that
 * they are rounded as the operator says. 64-bit integers become f64, and then f16, without loss where f16 is finite.
 */
export function castSteps(from: DType, to: DType): string[] {
  if (from === to) return [];
  if (isHalf(from)) return [`to_f32.${from}`, ...castSteps('f32', to)];
  if (to === 'f16') return from === 'f64' ? ['to_f16.f64'] : [`to_f64.${from}`, 'to_f16.f64'];
  if (to === 'bf16') return from === 'f32' ? ['to_bf16.f32'] : [`to_f32.${from}`, 'to_bf16.f32'];
  return [`to_${to}.${from}`];
}

/** The program of a cast between two types; arguments source0 and destination0. */
export function castKernel(from: DType, to: DType, count: number): Kernel {
  const instructions = castSteps(from, to).map((operation, i) => ({ operation, operands: [i], parameters: [] }));
  const sources = [{ type: from, strides: [1] }];
  return { name: 'elementwise', shape: [count], sources, instructions, destinations: [instructions.length] };
}
