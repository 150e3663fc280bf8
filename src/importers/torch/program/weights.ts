/**
 * The tensors of an archive by their names in the module. Two ways of storing them: all in one pickle of `torch.save`,
 * or each in an entry of its own, raw, described by a config.
 */
import { fail, type Location } from '../../../diagnostics/index.ts';
import {
  type Archive,
  isZip,
  openArchive,
  type PickleValue,
  type Storage,
  TorchTensor,
  unpickleTorch,
} from '../../../formats/torch/index.ts';
import { byteLengthOf } from '../../../tensors/index.ts';
import { Json } from './json.ts';
import { nameOfScalarType, scalarTypeOf } from './scalar_type.ts';
import { decodePayloads, type PayloadMeta, type Size, type TensorMeta } from './schema.ts';

/** The layout of dense tensors in the export schema. */
const STRIDED = 7;

/** A tensor, or why it cannot be computed with. */
export type Stored = TorchTensor | { readonly unsupported: string };

export type Weights = ReadonlyMap<string, Stored>;

/** The pickle of `torch.save` in one entry: a dict of tensors. @throws UnskewError U1003, U1004, U1006 */
export async function pickledWeights(archive: Archive, entry: string): Promise<Weights> {
  const value = await loadSaved(archive, entry);
  const weights = new Map<string, Stored>();
  if (!(value instanceof Map)) fail('U1004', 'the entry should hold a dict of tensors', archive.at(entry));
  for (const [key, item] of value) if (item instanceof TorchTensor) weights.set(String(key), item);
  return weights;
}

/** Entries described by a config in the same folder. @throws UnskewError U1003, U1004, U1006 */
export async function configuredWeights(archive: Archive, config: string): Promise<Weights> {
  const folder = config.slice(0, config.lastIndexOf('/') + 1);
  const payloads = decodePayloads(Json.parse(archive.text(config), archive.at(config)));
  const weights = new Map<string, Stored>();
  for (const [name, payload] of payloads) {
    const entry = `${folder}${payload.path}`;
    if (!archive.has(entry))
      fail('U1004', `the entry '${entry}' of '${name}' is missing`, { ...archive.at(config), input: name });
    weights.set(name, payload.usesPickle ? await pickled(archive, entry) : raw(archive, entry, name, payload));
  }
  return weights;
}

async function pickled(archive: Archive, entry: string): Promise<Stored> {
  if (!isZip(archive.bytes(entry))) return { unsupported: 'an object that is not a tensor' };
  const value = await loadSaved(archive, entry);
  return value instanceof TorchTensor ? value : { unsupported: 'an object that is not a tensor' };
}

function raw(archive: Archive, entry: string, name: string, { meta }: PayloadMeta): Stored {
  const where: Location = { ...archive.at(entry), input: name };
  if (meta === undefined) return { unsupported: 'an object that is not a tensor' };
  const type = scalarTypeOf(meta.dtype);
  if (type === undefined) return { unsupported: `the element type ${nameOfScalarType(meta.dtype)}` };
  if (meta.layout !== STRIDED) return { unsupported: `the layout ${meta.layout}` };
  const bytes = archive.bytes(entry);
  const length = Math.floor(bytes.length / byteLengthOf(type.dtype, 1));
  const storage: Storage = { type, key: entry, length, bytes: () => bytes };
  return new TorchTensor(storage, viewOf(meta, where), where);
}

function viewOf({ sizes, strides, offset }: TensorMeta, where: Location) {
  const known = (size: Size): number =>
    typeof size === 'number' ? size : fail('U1004', 'a stored tensor has a symbolic size', where);
  return { offset: known(offset), sizes: sizes.map(known), strides: strides.map(known) };
}

/** An archive of `torch.save` inside the archive: its one object. */
async function loadSaved(archive: Archive, entry: string): Promise<PickleValue> {
  const where = archive.at(entry);
  const inner = await openArchive(archive.bytes(entry), [where.file, where.node].filter(Boolean).join(' › '));
  requireLittleEndian(inner);
  return unpickleTorch(inner.bytes('data.pkl'), {
    where: inner.at('data.pkl'),
    storage: (key) => inner.bytes(`data/${key}`),
  });
}

/** @throws UnskewError U1002 */
export function requireLittleEndian(archive: Archive): void {
  if (!archive.has('byteorder')) return;
  const order = archive.text('byteorder').trim();
  if (order !== 'little')
    fail('U1002', `the tensors of the archive are stored in ${order} byte order`, archive.at('byteorder'));
}
