/** Models of any format into the IR, the format told by content, not by name. */
import { fail, type Location, type OptionNames } from '../diagnostics/index.ts';
import type { Graph, Shape } from '../ir/index.ts';
import { type ImportOnnxOptions, importOnnx } from './onnx/import.ts';
import { type OnnxProfile, onnxProfiles } from './onnx/profiles.ts';
import { zipLooksLike } from './other_formats.ts';
import { type Archive, isZip, openArchive } from './torch/archive/index.ts';
import { type StateOption, stateOptions } from './torch/memory/state_option.ts';
import { type TorchProfile, torchProfiles } from './torch/operators/engine.ts';
import { importExport, isExport } from './torch/program/index.ts';
import { type ImportTorchOptions, importTorchScript } from './torch/script/import.ts';

/** Whose arithmetic quantized operators follow. */
export type ImportProfile = OnnxProfile | TorchProfile;
export const importProfiles: readonly ImportProfile[] = [...new Set([...onnxProfiles, ...torchProfiles])];

export interface ImportOptions {
  /**
   * `ort` for ONNX unless said otherwise. Archives of PyTorch take those of PyTorch alone; without one it is told from their
   * layers, and a note (U4003) in `graph.origin.notes` and in the certificate says which was taken.
   */
  readonly profile?: ImportProfile;
  /**
   * Shapes of inputs by name, sizes may be symbols. TorchScript archives may need them: they have none of their own. In ONNX
   * models they bind symbolic dimensions.
   */
  readonly inputShapes?: Readonly<Record<string, Shape>>;
  /**
   * What is done about state in archives of PyTorch, stored tensors that a call changes and the next one reads: `refuse` unless
   * said otherwise; `inputs-and-outputs` makes of each an input `h`, and an output `h.next` of what it becomes.
   */
  readonly state?: StateOption;
}

/** Every option, once. */
export const importOptionNames: OptionNames<ImportOptions> = { profile: true, inputShapes: true, state: true };

export interface ModelSource extends ImportOptions, Pick<ImportOnnxOptions, 'file' | 'readExternal'> {}

/**
 * Imports what has been read already.
 *
 * @throws UnskewError U1002 for a format that is not supported, U4002 for a profile of another format, else as `importOnnx`,
 * `importTorchScript` and `importExport`
 */
export async function importBytes(bytes: Uint8Array, source: ModelSource): Promise<Graph> {
  const { profile, state, ...onnx } = source;
  const { file, inputShapes } = onnx;
  const where: Location = file === undefined ? {} : { file };
  const isTorch = isTorchProfile(profile);
  if (state !== undefined && !stateOptions.includes(state))
    fail('U4002', `'${state}' is not a value of the option state`, where, `one of: ${stateOptions.join(', ')}`);
  if (isZip(bytes)) {
    if (profile !== undefined && !isTorch) refuseProfile(profile, 'PyTorch archives', torchProfiles, where);
    const archive = await openArchive(bytes, file);
    const options = { ...(profile && { profile }), ...(inputShapes && { inputShapes }), ...(state && { state }) };
    return importArchive(archive, options, where);
  }
  if (isLegacy(bytes))
    fail(
      'U1002',
      'this is a pickle of PyTorch before 1.6, which is not supported',
      where,
      'load it in PyTorch and save it with torch.jit.save',
    );
  if (profile === undefined) return importOnnx(bytes, onnx);
  if (!isOnnxProfile(profile)) return refuseProfile(profile, 'ONNX models', onnxProfiles, where);
  return importOnnx(bytes, { ...onnx, profile });
}

function importArchive(archive: Archive, options: ImportTorchOptions, where: Location): Promise<Graph> | Graph {
  const { names } = archive;
  if (isExport(archive)) return importProgram(archive, options, where);
  if (archive.has('data.pkl') && names.some((name) => name.startsWith('code/')))
    return importTorchScript(archive, options);
  if (archive.has('model.json'))
    fail(
      'U1002',
      'the archive was written by PyTorch before 1.4, which is not supported',
      where,
      'load it in PyTorch and save it again',
    );
  const { what, hint } = zipLooksLike(names);
  return fail('U1002', `this is not a program of PyTorch: it is ${what}`, where, hint);
}

/** A program says itself how it computes and what shapes it takes. */
function importProgram(archive: Archive, { profile, state }: ImportOptions, where: Location): Promise<Graph> {
  if (profile !== undefined)
    fail('U4002', `a program of torch.export has no profile, but '${profile}' is given`, where);
  return importExport(archive, state);
}

const isTorchProfile = (profile: ImportProfile | undefined): profile is TorchProfile =>
  torchProfiles.some((known) => known === profile);

const isOnnxProfile = (profile: ImportProfile): profile is OnnxProfile =>
  onnxProfiles.some((known) => known === profile);

function refuseProfile(profile: string, what: string, known: readonly string[], where: Location): never {
  return fail('U4002', `the profile '${profile}' is not one for ${what}`, where, `one of: ${known.join(', ')}`);
}

/** The magic number 0x1950a86a20f9469cfc6c, pickled: `\x80\x02\x8a\x0a` and its ten bytes. */
const isLegacy = (bytes: Uint8Array): boolean =>
  [0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19].every(
    (byte, i) => bytes[i] === byte,
  );
