/** What the operating system says no with, in words. */

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'permission is denied',
  EPERM: 'permission is denied',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of the path is not a folder',
  ENOSPC: 'no space is left on the device',
  EDQUOT: 'the quota of the disk is used up',
  EFBIG: 'files may not be that large here',
  EROFS: 'the file system is read-only',
  EPIPE: 'nobody reads the pipe any more',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'its links lead in a circle',
  EBUSY: 'it is in use',
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open',
  ENXIO: 'nobody is at the other end',
  ENODEV: 'there is no such device',
  EIO: 'the device failed',
  ETXTBSY: 'it is a program that runs',
  ERR_FS_FILE_TOO_LARGE: 'it is larger than 2 GiB',
};

/** `it is a folder (EISDIR)`; the message of an error without a code, or of one that is not listed. */
export function systemReason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined) return message ?? String(error);
  return reasons[code] === undefined ? `${message ?? code}` : `${reasons[code]} (${code})`;
}
