/** The places where an archive keeps its program and its tensors, in the layouts that PyTorch has used. */
import { fail } from '../../../diagnostics/index.ts';
import type { Archive } from '../../../formats/torch/index.ts';
import { Json } from './json.ts';
import { decodeProgram, type ExportedProgram } from './schema.ts';
import { configuredWeights, pickledWeights, requireLittleEndian, type Weights } from './weights.ts';

export interface StoredProgram {
  readonly program: ExportedProgram;
  /** Parameters and persistent buffers. */
  readonly state: Weights;
  /** Constant tensors and buffers that are not persistent. */
  readonly constants: Weights;
}

/** Until PyTorch 2.7: entries at the top level, tensors in pickles of their own. */
const OLD_PROGRAM = 'serialized_exported_program.json';
/** Since then: `models/<name>.json`, tensors in `data/weights` and `data/constants`. */
const MODELS = /^models\/([^/]+)\.json$/;
const DEFAULT_MODEL = 'model';

export const isExport = ({ names }: Archive): boolean =>
  names.some((name) => name === OLD_PROGRAM || MODELS.test(name) || name === 'archive_format');

/** @throws UnskewError U1002 for an archive without a program that can be read, U1003, U1004 and U1006 for a bad one */
export async function readProgram(archive: Archive): Promise<StoredProgram> {
  requireLittleEndian(archive);
  if (archive.has(OLD_PROGRAM)) {
    return {
      program: programOf(archive, OLD_PROGRAM),
      state: await pickledIfAny(archive, 'serialized_state_dict.pt'),
      constants: await pickledIfAny(archive, 'serialized_constants.pt'),
    };
  }
  const name = modelOf(archive);
  return {
    program: programOf(archive, `models/${name}.json`),
    state: await tensorsOf(archive, 'data/weights', name),
    constants: await tensorsOf(archive, 'data/constants', name),
  };
}

const programOf = (archive: Archive, entry: string): ExportedProgram =>
  decodeProgram(Json.parse(archive.text(entry), archive.at(entry)));

function modelOf(archive: Archive): string {
  const models = archive.names.flatMap((name) => MODELS.exec(name)?.[1] ?? []);
  if (models.includes(DEFAULT_MODEL)) return DEFAULT_MODEL;
  const where = { ...(archive.file !== undefined && { file: archive.file }) };
  if (models.length === 0)
    return fail(
      'U1002',
      'the archive holds no exported program',
      where,
      'compiled packages (AOTInductor) hold none: save the program with torch.export.save',
    );
  if (models.length > 1)
    fail('U1002', `the archive holds ${models.length} programs: ${models.slice(0, 8).join(', ')}`, where);
  return models[0];
}

const pickledIfAny = async (archive: Archive, entry: string): Promise<Weights> =>
  archive.has(entry) && archive.bytes(entry).length > 0 ? pickledWeights(archive, entry) : new Map();

/** `<name>_weights_config.json` or, in PyTorch 2.8, one pickle `<name>.pt`. */
async function tensorsOf(archive: Archive, folder: string, name: string): Promise<Weights> {
  const config = archive.names.find(
    (entry) => entry.startsWith(`${folder}/${name}_`) && entry.endsWith('_config.json'),
  );
  return config === undefined ? pickledIfAny(archive, `${folder}/${name}.pt`) : configuredWeights(archive, config);
}
