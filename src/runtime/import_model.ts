import { closeSync, fstatSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { checkOptions, fail, systemCode, systemHint, systemReason } from '../diagnostics/index.ts';
import { folderHint } from '../formats/other/index.ts';
import { type ImportOptions, importBytes, importOptionNames } from '../importers/index.ts';
import type { Graph } from '../ir/index.ts';
import { externalReader } from './external_data.ts';
import './node_platform.ts';

/**
 * Imports a model: a path, or the bytes of a file. Weights that an ONNX model keeps in other files are found only
 * when a path is given.
 *
 * @throws UnskewError U1001 when the file cannot be read, U1002 for a format that is not supported, U4002 for a profile
 * of another format, else as `importOnnx`, `importTorchScript` and `importExport`
 */
export async function importModel(source: string | Uint8Array, options: ImportOptions = {}): Promise<Graph> {
  checkOptions('importModel', options, importOptionNames);
  if (typeof source !== 'string') return importBytes(source, options);
  return importBytes(await readModelFile(source), { ...options, file: source, readExternal: externalReader(source) });
}

/** @param shown the path in messages @throws UnskewError U1001 */
export async function readModelFile(path: string, shown = path): Promise<Uint8Array> {
  let file: FileHandle | undefined;
  try {
    file = await open(path);
    return await readWhole(file);
  } catch (error) {
    return refused(error, shown, systemCode(error) === 'EISDIR' ? namesIn(path) : []);
  } finally {
    await file?.close();
  }
}

/** More is read in several parts. */
const MOST_AT_ONCE = 2 ** 30;

/** `readFile` asks for half a MiB at a time, each time by way of another thread, and takes three times as long. */
async function readWhole(file: FileHandle): Promise<Uint8Array> {
  const stat = await file.stat();
  // files of the system's own say 0
  if (!stat.isFile() || stat.size === 0) return file.readFile();
  const bytes = Buffer.allocUnsafeSlow(stat.size);
  for (let at = 0; at < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, at, Math.min(bytes.length - at, MOST_AT_ONCE), at);
    if (bytesRead === 0) return bytes.subarray(0, at); // it became shorter
    at += bytesRead;
  }
  return bytes;
}

/** The same at once, in a third of the time. @param shown the path in messages @throws UnskewError U1001 */
export function readModelFileSync(path: string, shown = path): Uint8Array {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    const stat = fstatSync(file);
    if (!stat.isFile() || stat.size === 0) return readFileSync(file);
    const bytes = Buffer.allocUnsafeSlow(stat.size);
    for (let at = 0; at < bytes.length; ) {
      const count = readSync(file, bytes, at, Math.min(bytes.length - at, MOST_AT_ONCE), at);
      if (count === 0) return bytes.subarray(0, at);
      at += count;
    }
    return bytes;
  } catch (error) {
    return refused(error, shown, systemCode(error) === 'EISDIR' ? namesIn(path) : []);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** @param names of the files in it, where the path is a folder */
function refused(error: unknown, path: string, names: readonly string[]): never {
  const hint = systemCode(error) === 'EISDIR' ? folderHint(names, path) : systemHint(error, 'read');
  return fail('U1001', `the file cannot be read: ${systemReason(error)}`, { file: path }, hint);
}
