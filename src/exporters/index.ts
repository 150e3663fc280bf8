/** Graphs to files. */

export { withOutputs } from '../formats/onnx/index.ts';
export { exportOnnx } from './onnx/export.ts';
