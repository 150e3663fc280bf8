/** Writes ONNX files: a changed copy of one that was read, or a new one. */
export { buildModel, type ModelInit } from './build.ts';
export type { AttributeInit, NodeInit, TensorInit, ValueInfoInit } from './encode.ts';
export { withOutputs } from './outputs.ts';
export { partOfModel } from './part.ts';
export { type Edits, type KeptNode, spliceModel } from './splice.ts';
