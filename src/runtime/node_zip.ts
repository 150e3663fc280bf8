/** ZIP archives in memory, by yauzl and zlib. */
import { inflateRawSync } from 'node:zlib';
import type { Entry, ZipFile } from 'yauzl';
import type { Zip, ZipEntry } from '../platform/index.ts';

export const nodeZip: Zip = {
  async open(bytes) {
    const { default: yauzl } = await import('yauzl');
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const zip = await yauzl.fromBufferPromise(buffer, { strictFileNames: true });
    return { entryCount: zip.entryCount, entries: entriesOf(zip) };
  },
  inflate: (packed, most) => inflateRawSync(packed, { maxOutputLength: most }),
};

async function* entriesOf(zip: ZipFile): AsyncIterable<ZipEntry> {
  for await (const entry of zip.eachEntry()) yield entryOf(zip, entry);
}

const entryOf = (zip: ZipFile, entry: Entry): ZipEntry => ({
  name: entry.fileName,
  method: entry.compressionMethod,
  packed: entry.compressedSize,
  size: entry.uncompressedSize,
  crc: entry.crc32,
  isEncrypted: entry.isEncrypted(),
  // which refuses entries that end beyond the file
  start: async () => (await zip.readLocalFileHeaderPromise(entry, { minimal: true })).fileDataStart,
});
