/** Element types and tensors. */
export * from './dtype.ts';
export * from './tensor.ts';
