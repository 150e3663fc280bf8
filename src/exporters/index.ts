/** Graphs to files. */
export { exportOnnx } from './onnx/export.ts';
export { withOutputs } from './onnx/splice/index.ts';
