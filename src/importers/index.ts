/** Files of models to graphs. */
export { type ImportOptions, importBytes, importerOf, importOptionNames, importProfiles } from './import_model.ts';
export { Unsupported } from './kit/unsupported.ts';
export { tensorOf } from './onnx/attributes.ts';
export { Context, Source } from './onnx/container/context.ts';
export {
  checkLocation,
  type ExternalReader,
  MAX_MODEL_BYTES,
  type OnnxDim,
  type OnnxFile,
  type OnnxGraph,
  type OnnxNode,
  type OnnxValueInfo,
  openOnnx,
  printable,
  type Range,
} from './onnx/container/index.ts';
export {
  canonicalDomain,
  type Encoded,
  eachField,
  field,
  intField,
  lengthOf,
  readMessage,
  replaced,
  schema,
} from './onnx/container/internal.ts';
export { readTensor } from './onnx/container/tensor.ts';
export { fileLayers } from './onnx/file_layers.ts';
export { importOnnx } from './onnx/import.ts';
export { bodiesOf, capturedIn, capturedNames, nodeOrder } from './onnx/node_checks.ts';
export { capturedBy, isAsImported, isBodyAsImported, type OnnxBody, type OnnxOrigin, originOf } from './onnx/origin.ts';
export { folderHint, looksLike, type OtherFormat, signatureOf, TEXT } from './other_formats.ts';
