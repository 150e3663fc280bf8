/** Files of models to graphs. */
export { type ImportOptions, importBytes, importerOf, importOptionNames, importProfiles } from './import_model.ts';
export { stateOptions } from './kit/state_option.ts';
export { Unsupported } from './kit/unsupported.ts';
export { tensorOf } from './onnx/attributes.ts';
export { fileLayers } from './onnx/file_layers.ts';
export { importOnnx } from './onnx/import.ts';
export { bodiesOf, capturedIn, capturedNames, nodeOrder } from './onnx/node_checks.ts';
export {
  type CarriedOrigin,
  capturedBy,
  isAsImported,
  isBodyAsImported,
  type OnnxBody,
  type OnnxOrigin,
  originOf,
  type PartOrigin,
  partOriginOf,
} from './onnx/origin.ts';
