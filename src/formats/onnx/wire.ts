/**
 * The protobuf wire format, read strictly: a cursor over the fields of one message.
 *
 * protobufjs' own Reader is too lenient for files from outside: it cuts a length to 32 bits, reads past the end of a
 * truncated varint, skips groups by recursion, and generated decoders ignore wire types. Here every length is checked
 * against the enclosing message before it is used, and every error is a located diagnostic.
 * Spec: https://protobuf.dev/programming-guides/encoding
 */
import { fail } from '../../diagnostics/index.ts';
import type { Context } from './context.ts';

/** One field of a message, as byte offsets into the file. */
export interface Range {
  /** The first byte of the tag. */
  readonly at: number;
  /** The first byte of the payload (after tag and length). */
  readonly start: number;
  /** One past the last byte of the payload. */
  readonly end: number;
}

export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
const GROUP_START = 3;
const GROUP_END = 4;
export const FIXED32 = 5;

const MAX_GROUP_DEPTH = 64;

export function malformed(what: string, offset: number, context: Context): never {
  fail('U1003', `${what} at byte ${offset}`, context.location, 'the file is damaged, incomplete, or not an ONNX model');
}

export class Cursor {
  readonly bytes: Uint8Array;
  readonly end: number;
  readonly context: Context;
  pos: number;
  /** The offset of the tag of the current field, its number and its wire type. */
  at: number;
  field = 0;
  wire = 0;

  constructor(context: Context, start: number, end: number) {
    this.bytes = context.source.bytes;
    this.context = context;
    this.pos = start;
    this.at = start;
    this.end = end;
  }

  /** Moves to the next field; false at the end of the message. */
  next(): boolean {
    if (this.pos >= this.end) return false;
    this.at = this.pos;
    const tag = this.varint();
    if (typeof tag === 'bigint' || tag < 8 || tag > 0xffffffff) malformed('invalid field tag', this.at, this.context);
    this.field = Math.floor(tag / 8);
    this.wire = tag % 8;
    if (this.wire > FIXED32) malformed(`invalid wire type ${this.wire}`, this.at, this.context);
    return true;
  }

  /** A varint as a signed 64-bit integer: a number when it is exact, else a bigint. */
  varint(): number | bigint {
    const from = this.pos;
    let value = 0;
    let factor = 1;
    for (let i = 0; i < 7; i++) {
      const byte = this.byte(from);
      if (byte < 128) return value + byte * factor;
      value += (byte - 128) * factor;
      factor *= 128;
    }
    // 49 bits are in `value`; bytes 8 to 10 bring the remaining 15.
    let top = 0;
    for (let i = 0, shift = 0; i < 3; i++, shift += 7) {
      const byte = this.byte(from);
      top |= (byte & 127) << shift;
      if (byte < 128) {
        const low = value % 2 ** 32;
        const high = Math.floor(value / 2 ** 32) | (top << 17) | 0;
        const number = high * 2 ** 32 + low;
        return Number.isSafeInteger(number) ? number : (BigInt(high) << 32n) | BigInt(low);
      }
    }
    malformed('a varint is longer than 10 bytes', from, this.context);
  }

  private byte(from: number): number {
    if (this.pos >= this.end) malformed('truncated varint', from, this.context);
    return this.bytes[this.pos++];
  }

  /** The payload of a field of wire type 2; moves past it. */
  payload(): Range {
    const length = this.varint();
    const start = this.pos;
    if (typeof length === 'bigint' || length < 0 || length > this.end - start) {
      const left = this.end - start;
      malformed(`field ${this.field} claims ${length} bytes, the message has ${left} left`, this.at, this.context);
    }
    this.pos = start + length;
    return { at: this.at, start, end: this.pos };
  }

  /** Moves past the value of a field of any wire type. */
  skip(): void {
    switch (this.wire) {
      case VARINT:
        this.varint();
        break;
      case FIXED64:
        this.advance(8);
        break;
      case BYTES:
        this.payload();
        break;
      case FIXED32:
        this.advance(4);
        break;
      case GROUP_START:
        this.skipGroup();
        break;
      case GROUP_END:
        malformed('a group ends that never began', this.at, this.context);
    }
  }

  advance(count: number): void {
    if (count > this.end - this.pos) malformed(`truncated ${count}-byte value`, this.at, this.context);
    this.pos += count;
  }

  private skipGroup(): void {
    const at = this.at;
    const open = [this.field];
    while (open.length > 0) {
      if (!this.next()) malformed('a group does not end', at, this.context);
      if (this.wire === GROUP_START) {
        open.push(this.field);
        if (open.length > MAX_GROUP_DEPTH) malformed('groups are nested too deeply', at, this.context);
      } else if (this.wire === GROUP_END) {
        if (open.pop() !== this.field) malformed('a group ends that never began', this.at, this.context);
      } else this.skip();
    }
    this.at = at;
  }
}
