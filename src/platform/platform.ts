/**
 * The machine below the compiler: files, memory, hashes. `runtime/node_platform.ts` installs Node's; until then it is what
 * any engine of JavaScript has, so that the compiler runs in a browser.
 */
import { base64Of, bytesOfBase64 } from './base64.ts';
import { crc32 } from './crc32.ts';
import { sha256 } from './sha256.ts';

export interface Platform {
  /** Bytes that may be taken now, or that this machine will ever have. */
  memoryFor(when: 'now' | 'ever'): number;
  /** Bytes of the largest array. */
  readonly largestArray: number;
  /** Hexadecimal digits of the SHA-256 of the parts, one behind the other. */
  sha256(parts: readonly Uint8Array[]): string;
  /** @param before the checksum of what stands in front */
  crc32(bytes: Uint8Array, before?: number): number;
  base64Of(bytes: Uint8Array): string;
  /** Decodes base64. For other text, the number of bytes differs from the number that its length gives. */
  bytesOfBase64(text: string): Uint8Array;
  /** Channels in a block of ONNX Runtime's convolutions on this machine; undefined where this is not known. */
  channelBlock(): number | undefined;
  /** Absent when archives cannot be read. */
  readonly zip?: Zip;
  /** @throws the error of the system */
  writeFiles(folder: string, files: Readonly<Record<string, string | Uint8Array>>): void;
  /**
   * Writes what an internal fault leaves behind into a file that nobody else has, and never throws.
   *
   * @param contents what is in the file, given its path; it may throw
   * @returns its path, or undefined when it cannot be written anywhere
   */
  writeReproducer(folder: string, stem: string, ending: string, contents: (path: string) => string): string | undefined;
}

export interface Zip {
  /** The directory of an archive, whose names are plain relative paths. @throws Error that says why it cannot be read */
  open(bytes: Uint8Array): Promise<ZipDirectory>;
  /** @throws Error, with code ERR_BUFFER_TOO_LARGE where there are more than `most` bytes */
  inflate(packed: Uint8Array, most: number): Uint8Array;
}

export interface ZipDirectory {
  readonly entryCount: number;
  readonly entries: AsyncIterable<ZipEntry>;
}

export interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly packed: number;
  readonly size: number;
  readonly crc: number;
  readonly isEncrypted: boolean;
  /** The first byte of the contents. @throws Error when they are not inside of the archive */
  start(): Promise<number>;
}

export const platform: Platform = {
  memoryFor: () => Number.POSITIVE_INFINITY,
  largestArray: 2 ** 32,
  sha256,
  crc32,
  base64Of,
  bytesOfBase64,
  writeFiles() {
    throw new Error('files cannot be read here');
  },
  writeReproducer: () => undefined,
  channelBlock: () => undefined,
};

export const installPlatform = (parts: Partial<Platform>): Platform => Object.assign(platform, parts);
