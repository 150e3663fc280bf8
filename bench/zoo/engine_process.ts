/** One engine with one model, in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Request, Started } from './protocol.ts';

export const engines = ['unskew', 'unskew-sync', 'onnxruntime', 'openvino'] as const;
export type Engine = (typeof engines)[number];

export class EngineProcess {
  readonly engine: Engine;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #begin = performance.now();

  /** @param python has the engine's package; needed for OpenVINO alone */
  constructor(engine: Engine, model: string, threads: number, feedsFile: string, python?: string) {
    this.engine = engine;
    const [program, script] = engine === 'openvino' ? [String(python), 'engine.py'] : [process.execPath, 'engine.mjs'];
    const path = fileURLToPath(new URL(script, import.meta.url));
    this.#child = spawn(program, [path, engine, model, String(threads), feedsFile], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { ...process.env, OMP_NUM_THREADS: String(threads) },
    });
    const { stdout } = this.#child;
    if (stdout === null) throw new Error('the child has no output');
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  /** Waits for the first run; `coldMs` is the time since the process was asked for. */
  async started(): Promise<Started & { readonly coldMs: number }> {
    const started = await this.#answer<Started>().catch((error: Error): Started => ({ refused: error.message }));
    return { ...started, coldMs: performance.now() - this.#begin };
  }

  async ask<T>(request: Request): Promise<T> {
    this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
    return this.#answer();
  }

  close(): void {
    this.#child.kill();
  }

  async #answer<T>(): Promise<T> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.engine} ended without an answer`);
    return JSON.parse(value);
  }
}
