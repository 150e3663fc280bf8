/** The lossless ONNX container: everything a file says, typed and checked, with the bytes that say it. */
export { checkLocation, type ExternalReader } from './external_data.ts';
export { inlineFunctions } from './inline.ts';
export type * from './model.ts';
export { MAX_MODEL_BYTES, type OpenOptions, openOnnx } from './open.ts';
export { printable } from './printable.ts';
export { onnxTypeName } from './tensor.ts';
export type { Range } from './wire.ts';
