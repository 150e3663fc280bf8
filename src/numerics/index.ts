export * from './half.ts';
export * from './qlinear_add.ts';
export * from './qlinear_mul.ts';
export * from './quantize_linear.ts';
export * from './requantize.ts';
export * from './rounding.ts';
export * from './thresholds.ts';
