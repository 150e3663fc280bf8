/** Messages under construction: lists of pieces, so that weights are copied once, when the file is put together. */
import protobuf from 'protobufjs/minimal.js';
import { fail, type Location } from '../../../diagnostics/index.ts';
import { MAX_MODEL_BYTES } from '../../../importers/onnx/container/index.ts';

/** The payload of a message, or a run of whole fields, in pieces. */
export type Encoded = readonly Uint8Array[];

const BYTES = 2;

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

/** @throws UnskewError U1006 when the result would not be a protobuf message any more */
export function join(pieces: Encoded, location: Location): Uint8Array {
  const length = lengthOf(pieces);
  if (length > MAX_MODEL_BYTES) {
    fail('U1006', `the model to be written has ${length} bytes, protobuf ends at 2 GiB`, location);
  }
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}
