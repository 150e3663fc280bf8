/**
 * Weights in files of their own. The location comes from the model, so it is not trusted: it must be a relative path
 * that stays inside the model's folder. Who reads it follows links and asks again (runtime/external_data.ts).
 * Spec: https://github.com/onnx/onnx/blob/main/docs/ExternalData.md
 */
import { fail, type Location } from '../../diagnostics/index.ts';
import { printable } from './printable.ts';

/** Reads a range of a file beside the model. */
export type ExternalReader = (location: string, offset: number, length: number) => Uint8Array;

/** @throws UnskewError U1005 when `location` is not a relative path that stays inside */
export function checkLocation(location: string, where: Location): void {
  const refuse = (why: string): never => fail('U1005', `external data location '${printable(location)}' ${why}`, where);
  if (location === '') refuse('is empty');
  if (location.includes('\0')) refuse('holds a NUL');
  if (location.startsWith('/')) refuse('is an absolute path');
  if (leaves(location)) refuse('leaves the folder of the model');
}

/** True where some `..` leads out of the folder, whatever is behind it. */
function leaves(path: string): boolean {
  let depth = 0;
  for (const part of path.split('/')) {
    if (part === '..') depth--;
    else if (part !== '' && part !== '.') depth++;
    if (depth < 0) return true;
  }
  return false;
}
