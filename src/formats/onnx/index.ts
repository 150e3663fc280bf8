/**
 * Files of ONNX, lossless: everything that one says, typed and checked, with the bytes that say it; and files written as a
 * changed copy of one that was read, or anew.
 */
export { Context, Source } from './context.ts';
export { checkLocation, type ExternalReader } from './external_data.ts';
export { inlineFunctions } from './inline.ts';
export type * from './model.ts';
export { openOnnx } from './open.ts';
export { printable } from './printable.ts';
export * as schema from './schema.ts';
export {
  type AttributeInit,
  buildModel,
  type KeptNode,
  type NodeInit,
  partOfModel,
  spliceModel,
  type TensorInit,
  type ValueInfoInit,
  withOutputs,
} from './splice/index.ts';
export { onnxTypeName, readTensor } from './tensor.ts';
export { type Encoded, eachField, field, intField, textField } from './write.ts';
