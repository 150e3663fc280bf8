/**
 * FlatBuffers, with every offset, length and index checked: https://flatbuffers.dev/internals/
 *
 *   table at p:      vtable v = p − i32(p);  u16(v) bytes of vtable, u16(v + 2) bytes of table;  field k at p + u16(v + 4 + 2k), 0 for absent
 *   reference at p:  p + u32(p);   vector: u32 length, elements;   string: u32 length, UTF-8
 *
 * The package `flatbuffers` reads numbers; it trusts offsets, so they are checked here first.
 */
import { ByteBuffer } from 'flatbuffers';
import { fail, type Location } from '../../diagnostics/index.ts';

/** The way from the root of the file to a record: `subgraphs[0].tensors[3]`. */
export interface Path {
  readonly parent?: Path;
  readonly key: string | number;
}

export function formatPath(path: Path | undefined): string {
  const keys: (string | number)[] = [];
  for (let at = path; at !== undefined; at = at.parent) keys.unshift(at.key);
  return keys.map((key, i) => (typeof key === 'number' ? `[${key}]` : i === 0 ? key : `.${key}`)).join('');
}

/** Bytes of work for each byte of the file: records may share parts, and a small file may not ask for a large amount of work. */
const WORK_PER_BYTE = 16;
const LEAST_WORK = 2 ** 20;
const TABLE_WORK = 16;
const MAX_STRING = 2 ** 16;

export class FlatBuffer {
  readonly bytes: Uint8Array;
  readonly file: string | undefined;
  readonly #numbers: ByteBuffer;
  #work: number;

  constructor(bytes: Uint8Array, file?: string) {
    this.bytes = bytes;
    this.file = file;
    this.#numbers = new ByteBuffer(bytes);
    this.#work = WORK_PER_BYTE * bytes.length + LEAST_WORK;
  }

  /** @throws UnskewError U1003 */
  malformed(why: string, path: Path | undefined): never {
    fail('U1003', `the FlatBuffer is malformed: ${why}`, this.locationOf(path));
  }

  locationOf(path: Path | undefined): Location {
    const node = formatPath(path);
    return { ...(this.file !== undefined && { file: this.file }), ...(node !== '' && { node }) };
  }

  /** @throws UnskewError U1006 when records that share their parts ask for much more work than the file is long */
  spend(work: number, path: Path | undefined): void {
    this.#work -= work;
    if (this.#work < 0)
      fail('U1006', 'the records of the file overlap so often that reading them has no end', this.locationOf(path));
  }

  /** Numbers at `at`, which is inside the file. */
  number(kind: NumberKind, at: number, path: Path | undefined): number {
    this.inside(at, kinds[kind].width, path);
    return kinds[kind].read(this.#numbers, at);
  }

  /** So many numbers from `at` on, which are inside the file. */
  numbers(kind: NumberKind, at: number, length: number): readonly number[] {
    const { width, read } = kinds[kind];
    const values: number[] = [];
    for (let i = 0; i < length; i++) values.push(read(this.#numbers, at + width * i));
    return values;
  }

  inside(at: number, length: number, path: Path | undefined): void {
    if (at + length > this.bytes.length)
      this.malformed(`${length} bytes at ${at} end beyond the file of ${this.bytes.length} bytes`, path);
  }

  /** The position that the reference at `at` names. */
  target(at: number, path: Path | undefined): number {
    const offset = this.number('uint32', at, path);
    if (offset < 4) this.malformed(`the offset at ${at} is ${offset}`, path);
    this.inside(at + offset, 4, path);
    return at + offset;
  }

  /** The elements of a vector that the reference at `at` names: where they begin, and how many there are. */
  vector(at: number, width: number, path: Path | undefined): { readonly start: number; readonly length: number } {
    const vector = this.target(at, path);
    const length = this.number('uint32', vector, path);
    this.inside(vector + 4, length * width, path);
    return { start: vector + 4, length };
  }

  /** Bytes of the file, not copied. */
  view(start: number, length: number): Uint8Array {
    return new Uint8Array(this.bytes.buffer, this.bytes.byteOffset + start, length);
  }

  string(at: number, path: Path | undefined): string {
    const { start, length } = this.vector(at, 1, path);
    if (length > MAX_STRING) this.malformed(`a string of ${length} bytes`, path);
    this.spend(length, path);
    return new TextDecoder().decode(this.view(start, length));
  }

  /** The places of the fields of a table by number; 0 for an absent one. */
  table(at: number, path: Path | undefined): (field: number, width: number) => number {
    this.spend(TABLE_WORK, path);
    const vtable = at - this.number('int32', at, path);
    if (vtable < 0) this.malformed(`the vtable of the table at ${at} lies before the file`, path);
    const vtableBytes = this.number('uint16', vtable, path);
    const tableBytes = this.number('uint16', vtable + 2, path);
    this.inside(vtable, vtableBytes, path);
    this.inside(at, tableBytes, path);
    return (field, width) => {
      const entry = 4 + 2 * field;
      if (entry + 2 > vtableBytes) return 0;
      const offset = this.number('uint16', vtable + entry, path);
      if (offset === 0) return 0;
      if (offset < 4 || offset + width > tableBytes)
        this.malformed(`field ${field} of the table at ${at} lies outside of it`, path);
      return at + offset;
    };
  }
}

interface Kind {
  readonly width: number;
  read(numbers: ByteBuffer, at: number): number;
}

/** Numbers of FlatBuffers. 64-bit integers become binary64: counts and zero points are far smaller, and larger ones are refused by who reads them. */
export const kinds = {
  bool: { width: 1, read: (b, at) => (b.readUint8(at) === 0 ? 0 : 1) },
  int8: { width: 1, read: (b, at) => b.readInt8(at) },
  uint8: { width: 1, read: (b, at) => b.readUint8(at) },
  uint16: { width: 2, read: (b, at) => b.readUint16(at) },
  int32: { width: 4, read: (b, at) => b.readInt32(at) },
  uint32: { width: 4, read: (b, at) => b.readUint32(at) },
  int64: { width: 8, read: (b, at) => Number(b.readInt64(at)) },
  uint64: { width: 8, read: (b, at) => Number(b.readUint64(at)) },
  float32: { width: 4, read: (b, at) => b.readFloat32(at) },
} as const satisfies Readonly<Record<string, Kind>>;

export type NumberKind = keyof typeof kinds;
