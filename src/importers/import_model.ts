/** Models of any format into the IR, the format told by content, not by name. */
import { fail, type Location, type OptionNames } from '../diagnostics/index.ts';
import type { Graph } from '../ir/index.ts';
import type { ImportSource } from './kit/importer.ts';
import { stateOptions } from './kit/state_option.ts';
import { onnxImporter } from './onnx/importer.ts';
import { type OnnxProfile, onnxProfiles } from './onnx/profiles.ts';
import { tfliteImporter } from './tflite/importer.ts';
import { type TfliteProfile, tfliteProfiles } from './tflite/profiles.ts';
import { torchImporter } from './torch/importer.ts';
import { type TorchProfile, torchProfiles } from './torch/operators/engine.ts';

/** Every format that is read. The first one that recognizes the bytes reads them. */
const importers = [torchImporter, tfliteImporter, onnxImporter] as const;

/** The importer of a file, by its bytes. ONNX takes what no other format knows for its own. */
export const importerOf = (bytes: Uint8Array): (typeof importers)[number] =>
  importers.find((importer) => importer.recognizes(bytes)) ?? onnxImporter;

/** Whose arithmetic quantized operators follow. */
export type ImportProfile = OnnxProfile | TorchProfile | TfliteProfile;
export const importProfiles: readonly ImportProfile[] = [
  ...new Set([...onnxProfiles, ...torchProfiles, ...tfliteProfiles]),
];

export interface ImportOptions extends Pick<ImportSource, 'inputShapes' | 'state'> {
  /**
   * `ort` for ONNX by default. Archives of PyTorch accept PyTorch's profiles only; without one it is inferred from
   * their layers, and a note (U4003) in `graph.origin.notes` and in the certificate names it.
   */
  readonly profile?: ImportProfile;
}

/** Every option, once. */
export const importOptionNames: OptionNames<ImportOptions> = { profile: true, inputShapes: true, state: true };

export interface ModelSource extends ImportOptions, ImportSource {}

/**
 * Imports what has been read already.
 *
 * @throws UnskewError U1002 for a format that is not supported, U4002 for a profile of another format, else as `importOnnx`,
 * `importTorchScript` and `importExport`
 */
export async function importBytes(bytes: Uint8Array, source: ModelSource): Promise<Graph> {
  const { file, state } = source;
  const where: Location = file === undefined ? {} : { file };
  if (state !== undefined && !stateOptions.includes(state))
    fail('U4002', `'${state}' is not a value of the option state`, where, `one of: ${stateOptions.join(', ')}`);
  return importerOf(bytes).import(bytes, source);
}
