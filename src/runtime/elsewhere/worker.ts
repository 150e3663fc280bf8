/** The thread that compiles: a request after the other, and an answer to each. */
import { parentPort } from 'node:worker_threads';
import { assert } from '../../diagnostics/index.ts';
import { importBytes } from '../../importers/index.ts';
import type { Graph } from '../../ir/index.ts';
import { compileGraph } from '../compile_graph.ts';
import { externalReader } from '../external_data.ts';
import { readModelFileSync } from '../import_model.ts';
import { type OwnFile, ownFile, versionOf } from '../own_file.ts';
import { type Answer, failureOf, type Made, type Request } from './protocol.ts';
import { canBeSent, graphsOf, sentOf } from './sent.ts';

type Send = (answer: Answer, moved?: readonly ArrayBuffer[]) => void;

/** Serves the thread that started this one until it ends it. */
export function serveCompilations(): void {
  const port = parentPort;
  assert(port !== null, 'compilations are served in a thread');
  const send: Send = (answer, moved = []) => {
    try {
      port.postMessage(answer, [...moved]);
    } catch {
      port.postMessage(answer); // memory that cannot change hands is copied
    }
  };
  let last = Promise.resolve();
  port.on('message', (request: Request) => {
    last = last.then(() => serve(request, send));
  });
}

async function serve(request: Request, send: Send): Promise<void> {
  const { id } = request;
  try {
    const made = await madeOf(request, send);
    if (made !== undefined) send({ id, made: made.made }, made.moved);
    else send({ id, here: 'bytes' in request.source ? { bytes: request.source.bytes } : {} });
  } catch (error) {
    send({ id, failure: failureOf(error) });
  }
}

async function madeOf(
  { id, source, options, tellProofs }: Request,
  send: Send,
): Promise<{ readonly made: Made; readonly moved: readonly ArrayBuffer[] } | undefined> {
  const { graph, file } = await readFrom(source, options);
  if (!canBeSent(graph)) return undefined;
  const onProof = (done: number, of: number): void => send({ id, proof: [done, of] });
  // sizes of a file are known since it was read
  const { inputShapes, ...others } = options;
  const given = 'graph' in source ? options : others;
  const compiled = compileGraph(graph, { ...given, ...(tellProofs && { onProof }) }, true);
  const { claims, quantized, corrected, selected, target, strategies, atSizes } = compiled;
  if (claims === undefined || atSizes !== undefined) return undefined;
  const graphs = [claims.proved ? corrected : quantized, corrected, selected, compiled.graph];
  if (!graphs.every(canBeSent)) return undefined;
  const { sent, moved } = sentOf(graphs);
  const own = file && moved.some((buffer) => buffer === file.bytes.buffer) ? { file } : {};
  return { made: { graphs: sent, claims, target, strategies, ...own }, moved };
}

interface Read {
  readonly graph: Graph;
  readonly file?: OwnFile | undefined;
}

async function readFrom(source: Request['source'], { profile, inputShapes }: Request['options']): Promise<Read> {
  if ('graph' in source) return { graph: graphsOf(source.graph)[0] };
  const options = { ...(profile && { profile }), ...(inputShapes && { inputShapes }) };
  if ('bytes' in source) return { graph: await importBytes(source.bytes, options) };
  const { file, path } = source;
  const version = versionOf(path);
  const bytes = readModelFileSync(path, file);
  const graph = await importBytes(bytes, { ...options, file, readExternal: externalReader(path) });
  return { graph, file: ownFile(path, bytes, version) };
}
