/** Refusals of the operating system in words, each with a hint. */

interface Refusal {
  readonly reason: string;
  /** The hint when a file was to be read; `write`: to be written. */
  readonly read?: string;
  readonly write?: string;
}

const space = 'free some space, or choose another place';
const limit = 'close some, or raise the limit: ulimit -n';

const refusals: Readonly<Record<string, Refusal>> = {
  ENOENT: { reason: 'the file or folder does not exist', write: 'choose another place: no folder can be made there' },
  EACCES: {
    reason: 'permission is denied',
    read: 'change its permissions',
    write: 'choose another place, or change its permissions',
  },
  EPERM: { reason: 'permission is denied', write: 'choose another place, or change its permissions' },
  EISDIR: { reason: 'it is a folder', write: 'name a file in it' },
  ENOTDIR: { reason: 'a part of the path is not a folder' },
  ENOSPC: { reason: 'no space is left on the device', write: space },
  EDQUOT: { reason: 'the quota of the disk is used up', write: space },
  EFBIG: { reason: 'files may not be that large here', write: 'choose another place, or raise the limit: ulimit -f' },
  EROFS: { reason: 'the file system is read-only', write: 'choose another place' },
  EPIPE: { reason: 'nobody reads the pipe any more', write: 'the reader has got a part of the file only' },
  ENAMETOOLONG: { reason: 'the name is too long' },
  ELOOP: { reason: 'its links lead in a circle' },
  EBUSY: { reason: 'it is in use' },
  EMFILE: { reason: 'too many files are open', read: limit, write: limit },
  ENFILE: { reason: 'too many files are open', read: limit, write: limit },
  ENXIO: { reason: 'nobody is at the other end' },
  ENODEV: { reason: 'the device does not exist' },
  ENOMEM: { reason: 'there is not enough memory' },
  EIO: { reason: 'the device failed' },
  ESTALE: { reason: 'it has gone from its server' },
  ETXTBSY: { reason: 'it is a program that runs' },
  EAGAIN: { reason: 'it has nothing to give now, and does not wait' },
  ERR_FS_FILE_TOO_LARGE: {
    reason: 'it is larger than 2 GiB',
    read: 'keep the weights in files beside the model (external data)',
  },
  ERR_INVALID_ARG_VALUE: { reason: 'the path holds a NUL, which no path may' },
};

/** The code of an error of the operating system or of Node, as `ENOENT`. */
export const systemCode = (error: unknown): string | undefined =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;

/** The message of an error, whatever was thrown. */
export const messageOf = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error);

const refusalOf = (error: unknown): Refusal | undefined => refusals[systemCode(error) ?? ''];

/** `it is a folder (EISDIR)`; the message of an error whose code is absent or not listed. */
export function systemReason(error: unknown): string {
  const refusal = refusalOf(error);
  return refusal === undefined ? messageOf(error) : `${refusal.reason} (${systemCode(error)})`;
}

/** The hint for an error of the operating system. */
export const systemHint = (error: unknown, doing: 'read' | 'write'): string | undefined => refusalOf(error)?.[doing];
