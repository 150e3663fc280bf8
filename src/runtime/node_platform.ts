/** Node.js below the compiler: installed by whatever runs there, the API, the command line and the kit. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { installPlatform } from '../platform/index.ts';
import { LARGEST_ARRAY, memoryFor } from './free_memory.ts';
import { makeFolder } from './make_folder.ts';
import { nodeZip } from './node_zip.ts';
import { writeReproducer } from './reproducer.ts';

/** 16 floats with AVX-512, else 8. */
function channelBlock(): number | undefined {
  try {
    return /\bavx512f\b/.test(readFileSync('/proc/cpuinfo', 'utf8')) ? 16 : 8;
  } catch {
    return undefined; // another system
  }
}

installPlatform({
  memoryFor,
  largestArray: LARGEST_ARRAY,
  sha256(parts) {
    const hash = createHash('sha256');
    for (const part of parts) hash.update(part);
    return hash.digest('hex');
  },
  crc32,
  base64Of: (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64'),
  bytesOfBase64: (text) => new Uint8Array(Buffer.from(text, 'base64')),
  channelBlock,
  zip: nodeZip,
  writeFiles(folder, files) {
    makeFolder(folder);
    for (const [name, contents] of Object.entries(files)) writeFileSync(join(folder, name), contents);
  },
  writeReproducer: (folder, stem, ending, contents) =>
    writeReproducer(folder, `${stem}-${process.pid}-${Date.now()}${ending}`, contents),
});
