/** Files in and out. */
import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type CompiledModel, isCompiledFile, readCompiledFile } from '../codegen/index.ts';
import { fail, UnskewError, withLocation } from '../diagnostics/index.ts';
import { looksLike, signatureOf, TEXT } from '../formats/other/index.ts';
import { type ImportOptions, importBytes, importerOf } from '../importers/index.ts';
import { type Graph, parse, verify } from '../ir/index.ts';
import { bindShapes, externalReader } from '../runtime/index.ts';
import { readShapes } from './inputs.ts';
import { type Reading, readInput, shownPath } from './read_input.ts';
import { STANDARD_STREAM, type Terminal } from './terminal.ts';
import { UsageError } from './usage_error.ts';
import { type Place, placeOf, writeFile } from './write_file.ts';
import { externalFiles } from './written_model.ts';

/** The options that decide how a model is read. */
export interface ImportValues {
  readonly profile?: ImportOptions['profile'] | undefined;
  readonly state?: ImportOptions['state'] | undefined;
  readonly shape?: ReadonlyMap<string, string>;
  /** Sizes that tensors carry, asked for by archives, which have none of their own. */
  readonly sizes?: () => Promise<Readonly<Record<string, readonly number[]>>>;
}

/** The contents of a path: a graph to be compiled, or a compiled model. */
export interface Source {
  /** `-` for standard input. */
  readonly path: string;
  readonly kind: ReturnType<typeof importerOf>['kind'] | 'ir' | 'compiled';
  readonly bytes: Uint8Array;
  readonly graph: Graph;
  /** Set for compiled files. */
  readonly compiled?: CompiledModel;
  /** The graph for inputs of these sizes: read anew with them when this tells more than binding symbols. */
  sized(shapes: Readonly<Record<string, readonly number[]>>): Promise<Graph>;
}

/**
 * Reads a model of any kind, told by content: ONNX, an archive of PyTorch, textual IR, or a file that `compile` wrote.
 * The sizes of --shape are used at once: an archive has no shapes of its own, and some operators of ONNX need them. The
 * terminal is told whose arithmetic was assumed.
 *
 * @throws UnskewError U1… for a file that cannot be read, U2… for a wrong graph, U3001 for wrong IR, U5004 for a wrong
 * compiled file
 */
export async function openSource(
  path: string,
  values: ImportValues,
  terminal: Reading & Pick<Terminal, 'tell'>,
): Promise<Source> {
  const source = await read(path, values, terminal);
  terminal.tell(source.compiled?.certificate ?? source.graph.origin ?? {});
  return source;
}

async function read(path: string, { profile, state, shape, sizes }: ImportValues, terminal: Reading): Promise<Source> {
  const bytes = await readInput(path, terminal);
  const file = shownPath(path);
  if (profile !== undefined && (isCompiledFile(bytes) || isIr(bytes)))
    throw new UsageError(
      `--profile is for ONNX, PyTorch and TensorFlow Lite models: ${file} says itself how it rounds`,
    );
  if (state !== undefined && (isCompiledFile(bytes) || isIr(bytes)))
    throw new UsageError(
      `--state is for PyTorch and TensorFlow Lite models: ${file} has its inputs and outputs already`,
    );
  if (isCompiledFile(bytes)) {
    const compiled = readCompiledFile(bytes, file);
    const { graph } = compiled;
    return { path, kind: 'compiled', bytes, graph, compiled, sized: async (shapes) => bindShapes(graph, shapes) };
  }
  if (isIr(bytes)) {
    const graph = parseIr(bytes, file);
    return { path, kind: 'ir', bytes, graph, sized: async (shapes) => bindShapes(graph, shapes) };
  }
  const { kind, takesShapes } = importerOf(bytes);
  const imported = (inputShapes: Readonly<Record<string, readonly number[]>>): Promise<Graph> =>
    importBytes(bytes, {
      file,
      ...(path !== STANDARD_STREAM && { readExternal: externalReader(path) }),
      ...(profile && { profile }),
      ...(state && { state }),
      ...(Object.keys(inputShapes).length > 0 && { inputShapes }),
    });
  const given = { ...(takesShapes && (await sizes?.())), ...(shape && readShapes(shape)) };
  return { path, kind, bytes, graph: await imported(given), sized: (shapes) => imported({ ...given, ...shapes }) };
}

/** Textual IR begins with `graph @`, after comments. */
const isIr = (bytes: Uint8Array): boolean =>
  /^(\s|\/\/[^\n]*\n)*graph\s+@/.test(Buffer.from(bytes.subarray(0, 65536)).toString('latin1'));

/** @throws UnskewError U1002 for a file that is not text, U3001, or any error of the verifier */
export function parseIr(bytes: Uint8Array, file: string): Graph {
  if (!isIr(bytes)) refuseOther(bytes, file);
  const text = new TextDecoder().decode(bytes);
  return withLocation({ file }, () => {
    const graph = parse(text, file);
    const found = verify(graph);
    if (found.length > 0) throw new UnskewError(found);
    return graph;
  });
}

/** Refuses files of other kinds. Text passes: it may be IR with an error at its beginning, which the parser reports. */
function refuseOther(bytes: Uint8Array, file: string): void {
  const found = signatureOf(bytes) ?? looksLike(bytes);
  const isText = found?.what === TEXT;
  const what = found?.what ?? 'a binary file';
  if (!isText) fail('U1002', `this is not textual IR: it is ${what}`, { file }, IR_HINT);
}

const IR_HINT = 'unskew rewrite MODEL -o out.onnx --emit-ir FILE writes the textual IR of a model';

/** The files that a model was read from: itself, and the files of its weights. */
export const inputsOf = ({ path, graph }: Source): readonly string[] =>
  path === STANDARD_STREAM ? [] : [path, ...externalFiles(graph).map((file) => join(dirname(path), file))];

/** The other files of a command: its inputs, and the paths of its other outputs. */
export interface Besides {
  /** The files that were read: nothing overwrites them. */
  readonly inputs?: readonly string[];
  /** Outputs of the same command. */
  readonly outputs?: readonly (string | undefined)[];
}

/**
 * Writes a file, or to standard output when the path is `-`, which has to be claimed before (`claimStdout`).
 *
 * @throws UnskewError U1007, UsageError when it would overwrite an input or another output of the same command
 */
export async function writeOutput(
  path: string,
  contents: Uint8Array | string,
  terminal: Terminal,
  { inputs = [], outputs = [] }: Besides = {},
): Promise<void> {
  const bytes = typeof contents === 'string' ? new TextEncoder().encode(contents) : contents;
  if (path === STANDARD_STREAM) return terminal.sendFile(bytes);
  const place = await placeOf(path);
  if (place.kind === 'file') {
    for (const input of inputs)
      if (isSameFile(place, await stat(input).catch(() => undefined)))
        throw new UsageError(`${path} would overwrite the input ${input}`, 'choose another name');
    for (const other of outputs)
      if (other !== undefined && other !== STANDARD_STREAM && isSamePlace(place, await placeOf(other)))
        throw new UsageError(`${path} and ${other} are one file`, 'choose another name for one of them');
  }
  if (place.kind === 'descriptor' && place.descriptor === STDOUT) {
    terminal.claimStdout();
    return terminal.sendFile(bytes);
  }
  await writeFile(place, bytes, path);
}

const STDOUT = 1;

type FilePlace = Place & { readonly kind: 'file' };

const isSameFile = ({ now }: FilePlace, other: Stats | undefined): boolean =>
  now !== undefined && now.dev === other?.dev && now.ino === other.ino;

const isSamePlace = (place: FilePlace, other: Place): boolean =>
  other.kind === 'file' && (other.path === place.path || isSameFile(place, other.now));
