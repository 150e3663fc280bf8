/** Thrown by an importer for what is valid and not understood here: the node becomes an opaque operator. */
export class Unsupported extends Error {
  override readonly name = 'Unsupported';
}
