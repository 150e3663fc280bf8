/** Archives of PyTorch, as one of the formats that are read. */
import { isZip } from '../../formats/torch/index.ts';
import { defineImporter } from '../kit/importer.ts';
import { torchProfiles } from './operators/engine.ts';

export const torchImporter = defineImporter({
  kind: 'torch',
  files: 'PyTorch archives',
  profiles: torchProfiles,
  takesShapes: true,
  recognizes: isZip,
  import: async (bytes, source) => (await import('./import.ts')).importTorch(bytes, source),
});
