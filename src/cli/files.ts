/** Files in and out. */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type CompiledModel, isCompiledFile, readCompiledFile } from '../codegen/compiled_file.ts';
import { fail, UnskewError, withLocation } from '../diagnostics/index.ts';
import { type ImportOptions, importModel, readModelFile } from '../importers/import_model.ts';
import { isZip } from '../importers/torch/archive/index.ts';
import { type Graph, parse, verify } from '../ir/index.ts';
import { UsageError } from './args.ts';
import { readShapes } from './inputs.ts';

/** What decides how a model is read. */
export interface ImportValues {
  readonly profile?: ImportOptions['profile'] | undefined;
  readonly shape?: ReadonlyMap<string, string>;
}

/** What a path holds: a graph to be compiled, or one that is compiled already. */
export interface Source {
  readonly path: string;
  readonly kind: 'onnx' | 'torch' | 'ir' | 'compiled';
  readonly bytes: Uint8Array;
  readonly graph: Graph;
  /** Of a compiled file. */
  readonly compiled?: CompiledModel;
}

/**
 * Reads a model of any kind, told by content: ONNX, an archive of PyTorch, textual IR, or a file that `compile` wrote.
 * Those of --shape are taken at once: an archive has no shapes of its own, and some operators of ONNX need them.
 *
 * @throws UnskewError U1… for a file that cannot be read, U2… for a wrong graph, U3001 for wrong IR, U5004 for a wrong compiled file
 */
export async function openSource(path: string, { profile, shape }: ImportValues = {}): Promise<Source> {
  const bytes = await readModelFile(path);
  if (profile !== undefined && (isCompiledFile(bytes) || isIr(bytes)))
    throw new UsageError(`--profile is for ONNX models and PyTorch archives: ${path} says itself how it rounds`);
  if (isCompiledFile(bytes)) {
    const compiled = readCompiledFile(bytes, path);
    return { path, kind: 'compiled', bytes, graph: compiled.graph, compiled };
  }
  if (isIr(bytes)) return { path, kind: 'ir', bytes, graph: parseIr(new TextDecoder().decode(bytes), path) };
  const kind = isZip(bytes) ? 'torch' : 'onnx';
  const options = {
    ...(profile && { profile }),
    ...(shape && { inputShapes: readShapes(shape) }),
  };
  return { path, kind, bytes, graph: await importModel(path, options) };
}

/** Textual IR begins with `graph @`, after comments. */
const isIr = (bytes: Uint8Array): boolean =>
  /^(\s|\/\/[^\n]*\n)*graph\s+@/.test(Buffer.from(bytes.subarray(0, 65536)).toString('latin1'));

/** @throws UnskewError U3001, or what the verifier finds */
export function parseIr(text: string, file: string): Graph {
  return withLocation({ file }, () => {
    const graph = parse(text, file);
    const found = verify(graph);
    if (found.length > 0) throw new UnskewError(found);
    return graph;
  });
}

/** Whole or not at all: written beside its place first. @throws UnskewError U1007, UsageError when it would overwrite `input` */
export async function writeOutput(path: string, contents: Uint8Array | string, input?: string): Promise<void> {
  if (input !== undefined && resolve(path) === resolve(input))
    throw new UsageError(`--output ${path} would overwrite the input`, 'choose another name');
  const beside = `${path}.${process.pid}.part`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(beside, contents);
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true }).catch(() => {});
    const { code, message } = error as NodeJS.ErrnoException;
    fail('U1007', `the file cannot be written: ${code ?? message}`, { file: path });
  }
}
