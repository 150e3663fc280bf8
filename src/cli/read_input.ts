/** Reads the file that a path names, or standard input. */
import { readModelFile } from '../runtime/index.ts';
import { STANDARD_INPUT, STANDARD_STREAM, type Terminal } from './terminal.ts';

export type Reading = Pick<Terminal, 'readStdin'>;

/** The file at a path, or standard input where the path is `-`. @throws UnskewError U1001, UsageError at the second `-` */
export const readInput = (path: string, terminal: Reading): Promise<Uint8Array> =>
  path === STANDARD_STREAM ? terminal.readStdin() : readModelFile(path);

/** The name of a path in messages. */
export const shownPath = (path: string): string => (path === STANDARD_STREAM ? STANDARD_INPUT : path);
