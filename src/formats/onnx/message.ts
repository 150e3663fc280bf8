/**
 * Reads one message by its schema: checks tags, wire types and lengths of all its fields, decodes the small ones.
 * Scalars: the last occurrence wins, as protobuf has it. Repeated fields: occurrences are concatenated, packed or not.
 * A singular sub-message that occurs twice is refused: C++ merges the two, protobufjs takes the last.
 */
import { fail } from '../../diagnostics/index.ts';
import { type Context, invalid } from './context.ts';
import { type Fields, kinds, type Message } from './schema.ts';
import { BYTES, Cursor, FIXED32, malformed, type Range, VARINT } from './wire.ts';

interface ValueOf {
  string: string;
  strings: readonly string[];
  bytes: Range | undefined;
  message: Range | undefined;
  messages: readonly Range[];
  present: boolean;
  int: number | bigint | undefined;
  float: number | undefined;
  /** Run kinds: how many elements there are; `elements` decodes them. */
  ints: number;
  floats: number;
  doubles: number;
  blobs: number;
}

export type Decoded<F extends Fields> = { [K in keyof F]: ValueOf[F[K][1]] } & {
  /** The numbers of fields that the schema does not know: the first few. */
  unknown: readonly number[];
};

export const MAX_STRING = 2 ** 26;
const MAX_LIST = 2 ** 24;
const MAX_UNKNOWN = 8;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @throws UnskewError U1003 on malformed bytes, U1004 on a sub-message given twice, U1006 when the file asks for too much */
export function readMessage<F extends Fields>(message: Message<F>, context: Context, range: Range): Decoded<F> {
  const result: Record<string, unknown> = { ...message.blank };
  const cursor = new Cursor(context, range.start, range.end);
  while (cursor.next()) {
    const known = message.byNumber[cursor.field];
    if (known === undefined) {
      cursor.skip();
      const { unknown } = result;
      if (Array.isArray(unknown) && unknown.length < MAX_UNKNOWN && !unknown.includes(cursor.field))
        append(context, result, 'unknown', cursor.field);
      continue;
    }
    const { key, kind } = known;
    const { wire, run } = kinds[kind];
    if (cursor.wire !== wire && !(run && cursor.wire === BYTES)) {
      const field = `${message.name}.${key} (field ${cursor.field})`;
      malformed(`${field} has wire type ${cursor.wire} instead of ${wire}`, cursor.at, context);
    }
    if (run) {
      result[key] = Number(result[key]) + countRun(cursor, wire);
      continue;
    }
    switch (kind) {
      case 'string':
        result[key] = decodeString(context, cursor.payload());
        break;
      case 'strings':
        append(context, result, key, decodeString(context, cursor.payload()));
        break;
      case 'bytes':
        result[key] = cursor.payload();
        break;
      case 'message':
        if (result[key] !== undefined) {
          invalid(context, `${message.name}.${key} is given twice`, cursor);
        }
        result[key] = cursor.payload();
        break;
      case 'messages':
        append(context, result, key, cursor.payload());
        break;
      case 'present':
        cursor.payload();
        result[key] = true;
        break;
      case 'int':
        result[key] = cursor.varint();
        break;
      case 'float':
        cursor.advance(4);
        result[key] = context.source.view.getFloat32(cursor.pos - 4, true);
        break;
    }
  }
  return result as Decoded<F>;
}

/** Strict UTF-8: two names that differ must not become one. */
export function decodeString(context: Context, { at, start, end }: Range): string {
  if (end - start > MAX_STRING) fail('U1006', `a string of ${end - start} bytes at byte ${at}`, context.location);
  if (end - start < 48) {
    const text = ascii(context.source.bytes, start, end);
    if (text !== undefined) return text;
  }
  try {
    return decoder.decode(context.source.bytes.subarray(start, end));
  } catch {
    malformed('a string is not UTF-8', at, context);
  }
}

/** Visits the elements of a run field: scalars get their value, blobs their range. The message was checked before. */
export function eachElement(context: Context, range: Range, field: number, visit: (cursor: Cursor) => void): void {
  const cursor = new Cursor(context, range.start, range.end);
  while (cursor.next()) {
    if (cursor.field === field) visit(cursor);
    else cursor.skip();
  }
}

/** Visits the integers of a run field, signed 64 bit, in order. */
export function eachInt(
  context: Context,
  range: Range,
  field: number,
  visit: (value: number | bigint, index: number) => void,
): void {
  let i = 0;
  eachElement(context, range, field, (cursor) => {
    if (cursor.wire !== BYTES) visit(cursor.varint(), i++);
    else for (const packed = inside(cursor); packed.pos < packed.end; ) visit(packed.varint(), i++);
  });
}

export function readInts(context: Context, range: Range, field: number, count: number): (number | bigint)[] {
  const values = new Array<number | bigint>(checkList(context, count));
  eachInt(context, range, field, (value, i) => {
    values[i] = value;
  });
  return values;
}

/** The bytes of a run of fixed-size scalars, little endian, concatenated; zero-copy when they are one packed piece. */
export function readFixed(context: Context, range: Range, field: number, count: number, size: 4 | 8): Uint8Array {
  let whole: Uint8Array | undefined;
  let filled = 0;
  eachElement(context, range, field, (cursor) => {
    let piece: Range;
    if (cursor.wire === BYTES) piece = cursor.payload();
    else {
      cursor.advance(size);
      piece = { at: cursor.at, start: cursor.pos - size, end: cursor.pos };
    }
    const bytes = context.source.bytes.subarray(piece.start, piece.end);
    if (bytes.length === count * size) whole = bytes;
    else {
      whole ??= allocate(context, count * size);
      whole.set(bytes, filled);
    }
    filled += bytes.length;
  });
  return whole ?? new Uint8Array(0);
}

/** The pieces of a repeated bytes field. */
export function readBlobs(context: Context, range: Range, field: number, count: number): Uint8Array[] {
  checkList(context, count);
  const blobs: Uint8Array[] = [];
  eachElement(context, range, field, (cursor) => {
    const { start, end } = cursor.payload();
    blobs.push(context.source.bytes.subarray(start, end));
  });
  return blobs;
}

/** Refuses lists that would become huge arrays of JavaScript values. */
export function checkList(context: Context, count: number): number {
  if (count > MAX_LIST) fail('U1006', `a list of ${count} values`, context.location);
  return count;
}

export function allocate(context: Context, length: number): Uint8Array {
  try {
    return new Uint8Array(length);
  } catch {
    fail('U1006', `no memory for ${length} bytes`, context.location);
  }
}

/** A cursor over the payload of a packed field; `cursor` moves past it. */
function inside(cursor: Cursor): Cursor {
  const { start, end } = cursor.payload();
  return new Cursor(cursor.context, start, end);
}

/** Counts the elements in the current field of a repeated run; moves past the field and checks it. */
function countRun(cursor: Cursor, wire: number): number {
  if (wire === BYTES || cursor.wire !== BYTES) {
    cursor.skip();
    return 1;
  }
  const packed = inside(cursor);
  const length = packed.end - packed.pos;
  if (wire === VARINT) return countVarints(packed);
  const size = wire === FIXED32 ? 4 : 8;
  if (length % size !== 0)
    malformed(`a packed field of ${length} bytes holds ${size}-byte values`, cursor.at, cursor.context);
  return length / size;
}

/** Every varint ends with its first byte below 128. */
function countVarints({ bytes, pos, end, context }: Cursor): number {
  let count = 0;
  let length = 0;
  for (let i = pos; i < end; i++) {
    if (bytes[i] < 128) {
      count++;
      length = 0;
    } else if (++length === 10) malformed('a varint is longer than 10 bytes', i - 9, context);
  }
  if (length > 0) malformed('truncated varint', end - length, context);
  return count;
}

/** Blank messages share one empty list, so the first element makes a new one. */
function append(context: Context, result: Record<string, unknown>, key: string, value: unknown): void {
  context.source.spend();
  const list = result[key];
  if (Array.isArray(list) && list.length > 0) list.push(value);
  else result[key] = [value];
}

function ascii(bytes: Uint8Array, start: number, end: number): string | undefined {
  let text = '';
  for (let i = start; i < end; i++) {
    if (bytes[i] >= 128) return undefined;
    text += String.fromCharCode(bytes[i]);
  }
  return text;
}
