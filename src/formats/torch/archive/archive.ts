/**
 * The ZIP container of PyTorch (.pt, .ptl, .pt2). Entries are found through the central directory; stored ones
 * (tensors) are views of the file, deflated ones (code) are inflated when they are read. Nothing is extracted to disk.
 */
import { fail, type Location, messageOf, systemCode, UnskewError } from '../../../diagnostics/index.ts';
import { platform, type ZipEntry } from '../../../platform/index.ts';

/** No archive of PyTorch comes near: a network has one entry for each tensor and each source file. */
const MOST_ENTRIES = 200_000;
/** Deflated entries are source text. Together they may grow to this size, or to a multiple of the file's. */
const LEAST_INFLATED = 64 * 2 ** 20;
const INFLATED_PER_BYTE = 32;

/** PyTorch writes no checksums when it is told to be fast (torch.serialization.set_crc32_options). */
const NO_CRC = 0;

const STORED = 0;
const DEFLATED = 8;

/** The entries of one archive, named without the folder that all of them lie in. */
export interface Archive {
  /** The path of the archive, for messages. */
  readonly file: string | undefined;
  /** The folder that every entry lies in: `''` or `name/`. */
  readonly root: string;
  /** In the order of the directory. */
  readonly names: readonly string[];
  has(name: string): boolean;
  /** @throws UnskewError U1004 for an unknown entry, U1003 when it cannot be inflated or its checksum is wrong */
  bytes(name: string): Uint8Array;
  /** As UTF-8. */
  text(name: string): string;
  /** archive › entry */
  at(name: string): Location;
}

interface Part {
  readonly method: number;
  readonly start: number;
  readonly packed: number;
  readonly size: number;
  readonly crc: number;
}

/**
 * Reads the directory of an archive.
 *
 * @throws UnskewError U1003 for a malformed or truncated archive, U1004 for names that are not plain relative paths or
 * occur twice, U1006 for more entries or inflated bytes than any model needs
 */
export async function openArchive(bytes: Uint8Array, file?: string): Promise<Archive> {
  const where: Location = file === undefined ? {} : { file };
  const entries = await readDirectory(bytes, where);
  const root = commonRoot(entries.map(([name]) => name));
  const parts = new Map<string, Part>();
  for (const [name, part] of entries) {
    const inner = name.slice(root.length);
    if (inner === '' || inner.endsWith('/')) continue; // a folder
    if (parts.has(inner)) fail('U1004', `the archive has two entries named '${name}'`, where);
    parts.set(inner, part);
  }
  const at = (name: string): Location => ({ ...where, node: `${root}${name}` });
  const checked = new Set<Part>();
  const stored = (packed: Uint8Array, part: Part, where: Location): Uint8Array => {
    if (!checked.has(part) && part.crc !== NO_CRC) checkSum(packed, part, where);
    checked.add(part);
    return packed;
  };
  const read = (name: string): Uint8Array => {
    const part = parts.get(name) ?? fail('U1004', `the archive has no entry '${root}${name}'`, where);
    const packed = bytes.subarray(part.start, part.start + part.packed);
    return part.method === STORED ? stored(packed, part, at(name)) : inflate(packed, part, at(name));
  };
  return {
    file,
    root,
    names: [...parts.keys()],
    has: (name) => parts.has(name),
    bytes: read,
    text: (name) => new TextDecoder().decode(read(name)),
    at,
  };
}

/** The folder of the first entry, when all others lie in it too. */
function commonRoot(names: readonly string[]): string {
  const first = names[0]?.indexOf('/') ?? -1;
  const root = first < 0 ? '' : names[0].slice(0, first + 1);
  return names.every((name) => name.startsWith(root)) ? root : '';
}

const zipReader = (where: Location) =>
  platform.zip ??
  fail('U1002', 'archives of PyTorch cannot be read here: this platform has no reader of ZIP archives', where);

async function readDirectory(bytes: Uint8Array, where: Location): Promise<[string, Part][]> {
  const entries: [string, Part][] = [];
  const most = Math.max(LEAST_INFLATED, INFLATED_PER_BYTE * bytes.length);
  let inflated = 0;
  try {
    const { entryCount, entries: found } = await zipReader(where).open(bytes);
    if (entryCount > MOST_ENTRIES)
      fail('U1006', `the archive declares ${entryCount} entries, more than ${MOST_ENTRIES}`, where);
    for await (const entry of found) {
      const part = await partOf(entry, where);
      if (part.method === DEFLATED) inflated += part.size;
      if (inflated > most)
        fail('U1006', `the deflated entries of the archive declare more than ${most} bytes when inflated`, where);
      entries.push([entry.name, part]);
    }
  } catch (error) {
    if (error instanceof UnskewError) throw error;
    const message = messageOf(error);
    const isName = /^(invalid relative path|absolute path|invalid characters)/.test(message);
    fail(
      isName ? 'U1004' : 'U1003',
      isName
        ? `an entry of the archive has no plain relative name: ${message}`
        : `the archive is malformed: ${message}`,
      where,
    );
  }
  return entries;
}

async function partOf(entry: ZipEntry, archive: Location): Promise<Part> {
  const { name, method, packed, size, crc } = entry;
  const where: Location = { ...archive, node: name };
  if (name === '' || name.includes('\0') || name.split('/').includes('.'))
    fail('U1004', `an entry of the archive has no plain relative name: ${JSON.stringify(name)}`, where);
  if (entry.isEncrypted) fail('U1003', 'the entry is encrypted', where);
  if (method !== STORED && method !== DEFLATED)
    fail('U1003', `the entry is compressed by method ${method}, only stored and deflated ones are read`, where);
  return { method, start: await entry.start(), packed, size, crc };
}

function inflate(packed: Uint8Array, { size, crc }: Part, where: Location): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = zipReader(where).inflate(packed, Math.max(size, 1));
  } catch (error) {
    if (systemCode(error) === 'ERR_BUFFER_TOO_LARGE')
      fail('U1006', `the entry inflates to more than the ${size} bytes it declares`, where);
    return fail('U1003', `the entry cannot be inflated: ${messageOf(error)}`, where);
  }
  if (bytes.length !== size) fail('U1003', `the entry inflates to ${bytes.length} bytes, but declares ${size}`, where);
  checkSum(bytes, { crc }, where);
  return bytes;
}

function checkSum(bytes: Uint8Array, { crc }: Pick<Part, 'crc'>, where: Location): void {
  if (platform.crc32(bytes) !== crc)
    fail(
      'U1003',
      'the entry does not have the checksum it declares: the file is damaged',
      where,
      'copy or download it again',
    );
}
