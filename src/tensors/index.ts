/** Element types and tensors. */
export * from './byte_type.ts';
export * from './bytes.ts';
export * from './dtype.ts';
export * from './keys_of.ts';
export * from './packed.ts';
export * from './per_channel.ts';
export * from './place.ts';
export * from './same_data.ts';
export * from './strided.ts';
export * from './tensor.ts';
