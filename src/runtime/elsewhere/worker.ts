/** The thread that compiles: a request after the other, and an answer to each. */
import { parentPort } from 'node:worker_threads';
import { assert } from '../../diagnostics/index.ts';
import { importBytes } from '../../importers/index.ts';
import type { Graph } from '../../ir/index.ts';
import { fileAgain } from '../at_sizes.ts';
import { compileGraph } from '../compile_graph.ts';
import { externalReader } from '../external_data.ts';
import { readModelFileSync } from '../import_model.ts';
import { type OwnFile, ownFile, versionOf } from '../own_file.ts';
import { madeOf } from './made.ts';
import { type Answer, failureOf, type Request } from './protocol.ts';
import { poolsOf, Receiver } from './sent.ts';

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
    const { made, moved } = await compiled(request, send);
    send({ id, made }, moved);
  } catch (error) {
    send({ id, failure: failureOf(error) });
  }
}

async function compiled({ id, source, options, tellProofs }: Request, send: Send): Promise<ReturnType<typeof madeOf>> {
  const { graph, file } = await readFrom(source, options);
  const onProof = (done: number, of: number): void => send({ id, proof: [done, of] });
  // sizes of a file are known since it was read
  const { inputShapes, ...others } = options;
  const given = 'graph' in source ? options : others;
  const compilation = compileGraph(graph, { ...given, ...(tellProofs && { onProof }) }, true);
  const again = compilation.atSizes && fileAgain(graph, 'path' in source ? source.path : undefined);
  return madeOf(compilation, { file, again });
}

interface Read {
  readonly graph: Graph;
  readonly file?: OwnFile | undefined;
}

async function readFrom(source: Request['source'], { profile, inputShapes }: Request['options']): Promise<Read> {
  if ('graph' in source) return { graph: new Receiver(poolsOf(source.graph)).graph(source.graph.what) };
  const options = { ...(profile && { profile }), ...(inputShapes && { inputShapes }) };
  if ('bytes' in source) return { graph: await importBytes(source.bytes, options) };
  const { file, path } = source;
  const version = versionOf(path);
  const bytes = readModelFileSync(path, file);
  const graph = await importBytes(bytes, { ...options, file, readExternal: externalReader(path) });
  return { graph, file: ownFile(path, bytes, version) };
}
