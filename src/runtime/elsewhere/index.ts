/**
 * Compiles in a thread of its own, so that the event loop of the caller stays free and the garbage of the compiler goes with the thread.
 *
 * The thread runs a part of the bundled library (scripts/load_part.cjs). Where the library is not bundled there is no file for a thread,
 * and the caller compiles.
 */
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { isCompiledFile } from '../../codegen/index.ts';
import { fail, InternalError, systemCode } from '../../diagnostics/index.ts';
import type { Graph } from '../../ir/index.ts';
import type { CompileOptions } from '../compile_options.ts';
import { type Answer, errorOf, type Made, type Request, type SentSource } from './protocol.ts';
import { sentGraph } from './sent.ts';

const loader = join(import.meta.dirname, 'load_part.cjs');
const program = `const { workerData } = require('node:worker_threads');
require(workerData).load('compiler.cjs').serveCompilations();`;

/**
 * The compiler makes much garbage of short life: collected often, it takes less memory. ResNet-50 takes 35 MB less in all than where its
 * thread goes on. Where it may take less than 2 GiB, V8 collects its lasting objects when they are twice as many as before, and not
 * four times: DeiT-tiny takes 8 MB less, in the same time. `--max-old-space-size` is the limit where it is given.
 */
const resourceLimits = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 2047 };

/** What the other thread makes of the source; undefined where this one has to compile, which is known at once or when no thread starts. */
export function compiledElsewhere(
  source: Graph | string | Uint8Array,
  options: CompileOptions,
): Promise<Made | undefined> | undefined {
  if (!existsSync(loader)) return undefined;
  const sent = sourceOf(source, options);
  if (sent === undefined) return undefined;
  try {
    compiler ??= new Compiler();
    return compiler.compile(sent, options);
  } catch {
    return undefined; // no thread is allowed, or an argument is not data: compiling here says which
  }
}

/** What the thread is sent; undefined for sources that are better compiled, or read, here. */
function sourceOf(source: Graph | string | Uint8Array, options: CompileOptions): SentSource | undefined {
  // memory that threads share would be shared with this one too
  if (source instanceof Uint8Array) {
    if (isCompiledFile(source)) return undefined;
    return { bytes: source.buffer instanceof ArrayBuffer ? source : source.slice() };
  }
  if (typeof source === 'string') return isModelFile(source) ? { file: source, path: resolve(source) } : undefined;
  // with sizes, the graph may be read anew from its file
  const graph = options.inputShapes === undefined ? sentGraph(source) : undefined;
  return graph && { graph };
}

/** False for compiled files, and for what is no file that can be read twice: to open a pipe would take from it. */
function isModelFile(path: string): boolean {
  let file: number | undefined;
  try {
    if (!statSync(path).isFile()) return false;
    file = openSync(path, 'r');
    const start = new Uint8Array(8);
    readSync(file, start, 0, start.length, 0);
    return !isCompiledFile(start);
  } catch {
    return false;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

interface Waiting {
  readonly resolve: (found: Made | undefined) => void;
  readonly reject: (error: unknown) => void;
  readonly onProof: CompileOptions['onProof'];
}

let compiler: Compiler | undefined;
let ended: Promise<unknown> = Promise.resolve();

/** Resolves when the memory of the thread that compiled last is free. */
export const compilerEnded = (): Promise<unknown> => ended;

/** The thread, one for all models that are compiled at the time. It ends with the last of them: a new one is ready in some 30 ms. */
class Compiler {
  readonly #worker = new Worker(program, { eval: true, execArgv: [], workerData: loader, resourceLimits });
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;

  constructor() {
    this.#worker.on('message', (answer: Answer) => this.#deliver(answer));
    this.#worker.on('error', (error) => this.#end(error));
    this.#worker.on('messageerror', (error) => this.#end(error));
    this.#worker.on('exit', () => this.#end(new InternalError('the thread that compiles has ended')));
  }

  /** @throws what structured clones refuse */
  compile(source: SentSource, { onProof, ...options }: CompileOptions): Promise<Made | undefined> {
    const id = this.#next++;
    try {
      this.#worker.postMessage({ id, source, options, tellProofs: onProof !== undefined } satisfies Request);
    } catch (error) {
      if (this.#waiting.size === 0) this.#end(undefined);
      throw error;
    }
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, onProof });
    });
  }

  #deliver(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    if (waiting === undefined) return;
    if ('proof' in answer) {
      try {
        waiting.onProof?.(...answer.proof);
        return;
      } catch (error) {
        waiting.reject(error);
      }
    } else if ('failure' in answer) waiting.reject(errorOf(answer.failure));
    else waiting.resolve(answer.made);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) this.#end(undefined);
  }

  /** The next model gets another thread. Models that wait are compiled here where the system gives no thread. */
  #end(error: unknown): void {
    if (compiler === this) compiler = undefined;
    ended = this.#worker.terminate();
    for (const [id, { resolve, reject }] of this.#waiting) {
      this.#waiting.delete(id);
      if (systemCode(error) === 'ERR_WORKER_INIT_FAILED') resolve(undefined);
      else reject(explained(error));
    }
  }
}

function explained(error: unknown): unknown {
  if (systemCode(error) !== 'ERR_WORKER_OUT_OF_MEMORY') return error;
  try {
    return fail('U1006', 'there is not enough memory to compile the model', {}, 'node --max-old-space-size gives more');
  } catch (refusal) {
    return refusal;
  }
}
