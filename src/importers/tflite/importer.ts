/** TensorFlow Lite models, as one of the formats that are read. */
import { isTflite } from '../../formats/tflite/index.ts';
import { defineImporter } from '../kit/importer.ts';
import { tfliteProfiles } from './profiles.ts';

export const tfliteImporter = defineImporter({
  kind: 'tflite',
  files: 'TensorFlow Lite models',
  profiles: tfliteProfiles,
  takesShapes: false,
  recognizes: isTflite,
  import: async (bytes, source) => (await import('./import.ts')).importTflite(bytes, source),
});
