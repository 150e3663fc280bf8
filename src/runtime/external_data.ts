/**
 * Files beside a model, for the weights that it keeps there: regular ones, inside of its folder before and after symbolic
 * links are followed.
 */
import { closeSync, constants, fstatSync, openSync, readSync, realpathSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import { fail, type Location, systemCode, systemReason } from '../diagnostics/index.ts';
import { checkLocation, type ExternalReader, printable } from '../formats/onnx/index.ts';

/** Reads ranges of the files beside the model at `modelPath`; throws UnskewError U1005. */
export function externalReader(modelPath: string): ExternalReader {
  const folder = dirname(modelPath);
  return (location, offset, length) => {
    const where = { file: modelPath };
    checkLocation(location, where);
    const shown = printable(location);
    let file: number;
    try {
      const real = realpathSync(join(folder, location));
      const inside = relative(realpathSync(folder), real);
      if (escapes(inside) || isAbsolute(inside)) {
        fail('U1005', `external data '${shown}' is a link that leaves the folder of the model`, where);
      }
      // `real` has no links left: O_NOFOLLOW keeps it so. O_NONBLOCK: opening a pipe must not wait for a writer.
      file = openSync(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      return unreadable(error, shown, where);
    }
    try {
      return readRange(file, shown, offset, length, where);
    } catch (error) {
      return unreadable(error, shown, where);
    } finally {
      closeSync(file);
    }
  };
}

function readRange(file: number, shown: string, offset: number, length: number, where: Location): Uint8Array {
  const stat = fstatSync(file);
  if (!stat.isFile()) fail('U1005', `external data '${shown}' is not a regular file`, where);
  if (
    !Number.isSafeInteger(offset) ||
    !Number.isSafeInteger(length) ||
    offset < 0 ||
    length < 0 ||
    length > stat.size - offset
  ) {
    fail('U1005', `external data '${shown}' has ${stat.size} bytes; the model wants ${length} at ${offset}`, where);
  }
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(length);
  } catch {
    fail('U1006', `no memory for ${length} bytes of external data '${shown}'`, where);
  }
  for (let done = 0; done < length; ) {
    const count = readSync(file, bytes, done, Math.min(length - done, 2 ** 30), offset + done);
    if (count === 0) fail('U1005', `external data '${shown}' became shorter while it was read`, where);
    done += count;
  }
  return bytes;
}

const escapes = (path: string): boolean => path === '..' || path.startsWith(`..${sep}`);

function unreadable(error: unknown, shown: string, where: Location): never {
  const code = systemCode(error);
  if (!(error instanceof Error) || code === undefined || /^U\d/.test(code)) throw error;
  fail(
    'U1005',
    `external data '${shown}' cannot be read: ${systemReason(error)}`,
    where,
    'keep the data files in the folder of the model',
  );
}
