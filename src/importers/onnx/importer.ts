/** ONNX models, as one of the formats that are read. */
import { defineImporter } from '../kit/importer.ts';
import { onnxProfiles } from './profiles.ts';

/** Protobuf has no signature: any bytes may be a model, and `importOnnx` tells what others look like. */
export const onnxImporter = defineImporter({
  kind: 'onnx',
  files: 'ONNX models',
  profiles: onnxProfiles,
  takesShapes: false,
  recognizes: () => true,
  import: async (bytes, source) => (await import('./import.ts')).importOnnx(bytes, source),
});
