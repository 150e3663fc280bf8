/** Models of any format into the IR, the format told by content, not by name. */
import { readFile } from 'node:fs/promises';
import { fail } from '../diagnostics/index.ts';
import type { Graph } from '../ir/graph.ts';
import { externalReader } from './onnx/container/index.ts';
import { type ImportOnnxOptions, importOnnx } from './onnx/import.ts';

export type ImportOptions = Pick<ImportOnnxOptions, 'profile'>;

/**
 * Imports a model: a path, or the bytes of a file. Weights that an ONNX model keeps in other files are found only
 * when a path is given.
 *
 * @throws UnskewError U1001 when the file cannot be read, U1002 for a format that is not supported, else as `importOnnx`
 */
export async function importModel(source: string | Uint8Array, options: ImportOptions = {}): Promise<Graph> {
  if (typeof source !== 'string') return importBytes(source, options);
  return importBytes(await readModelFile(source), { ...options, file: source, readExternal: externalReader(source) });
}

function importBytes(bytes: Uint8Array, options: ImportOnnxOptions): Graph {
  const isZip = bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3 && bytes[3] === 4;
  if (!isZip) return importOnnx(bytes, options);
  const hint = 'export the model to ONNX with torch.onnx.export';
  return fail(
    'U1002',
    'this is a PyTorch archive (.pt, .pt2), which is not supported yet',
    { file: options.file },
    hint,
  );
}

/** @throws UnskewError U1001 */
export async function readModelFile(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return fail('U1001', `the file cannot be read: ${code === 'ENOENT' ? 'there is no such file' : code}`, {
      file: path,
    });
  }
}
