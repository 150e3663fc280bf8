/** Files whose bytes lie in memory that goes back to the system as sessions pack it. */
import type { HeldFile, OneDnnBinding } from './binding.ts';

const files = new WeakMap<ArrayBufferLike, HeldFile>();

/**
 * Holds a file for the models that are made of it. From now on nobody reads its memory but by `read`, and what is lent of it.
 *
 * @param bytes all of it, and of their buffer
 * @param descriptor of the open file; it may be closed afterwards
 */
export function holdFile(binding: OneDnnBinding, bytes: Uint8Array, descriptor: number): HeldFile {
  const file = binding.held(bytes, descriptor);
  files.set(bytes.buffer, file);
  return file;
}

/** The file that an array lies in. */
export const heldFileOf = ({ buffer }: Uint8Array): HeldFile | undefined => files.get(buffer);
