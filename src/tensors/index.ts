/** Element types and tensors. */
export * from './bytes.ts';
export * from './dtype.ts';
export * from './per_channel.ts';
export * from './same_data.ts';
export * from './tensor.ts';
