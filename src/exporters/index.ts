/** Graphs to files. */

export { withOutputs } from '../formats/onnx/index.ts';
export { type CarriedFile, carriedFileOf, originOfCarried } from './onnx/carried_file.ts';
export { exportOnnx } from './onnx/export.ts';
export { exportPart, hasOlderPart, partRefusal } from './onnx/part.ts';
