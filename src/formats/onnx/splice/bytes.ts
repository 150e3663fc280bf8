/** Files put together from pieces. */
import { fail, type Location } from '../../../diagnostics/index.ts';
import { MAX_MODEL_BYTES } from '../open.ts';
import { type Encoded, lengthOf } from '../write.ts';

export { type Encoded, field, intField, lengthOf } from '../write.ts';

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
