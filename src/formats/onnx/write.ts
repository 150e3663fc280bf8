/** Messages under construction: lists of pieces, so that weights are copied once, when a file is put together. */
import protobuf from 'protobufjs/minimal.js';
import type { Context } from './context.ts';
import { BYTES, Cursor, type Range } from './wire.ts';

/** The payload of a message, or a run of whole fields, in pieces. */
export type Encoded = readonly Uint8Array[];

export const lengthOf = (pieces: Encoded): number => pieces.reduce((sum, piece) => sum + piece.length, 0);

/** A length-delimited field. */
export function field(number: number, payload: Encoded): Encoded {
  const head = protobuf.Writer.create()
    .uint32(number * 8 + BYTES)
    .uint32(lengthOf(payload));
  return [head.finish(), ...payload];
}

/** A varint field. */
export function intField(number: number, value: number): Encoded {
  return [
    protobuf.Writer.create()
      .uint32(number * 8)
      .int64(value)
      .finish(),
  ];
}

const utf8 = new TextEncoder();
export const textField = (number: number, value: string): Encoded => field(number, [utf8.encode(value)]);

/** Visits the fields of a message that was read before, in their order. */
export function eachField(context: Context, range: Range, visit: (number: number, range: Range) => void): void {
  const cursor = new Cursor(context, range.start, range.end);
  while (cursor.next()) {
    if (cursor.wire === BYTES) visit(cursor.field, cursor.payload());
    else {
      const { at, pos: start, field } = cursor;
      cursor.skip();
      visit(field, { at, start, end: cursor.pos });
    }
  }
}

/** The message with some of its fields replaced, undefined keeps one as it is. */
export function replaced(
  context: Context,
  range: Range,
  replace: (number: number, range: Range) => Encoded | undefined,
): Encoded {
  const pieces: Uint8Array[] = [];
  eachField(context, range, (number, inner) => {
    const own = replace(number, inner) ?? [context.source.bytes.subarray(inner.at, inner.end)];
    for (const piece of own) pieces.push(piece);
  });
  return pieces;
}
