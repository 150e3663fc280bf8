/** One engine with one model, in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { engines, isas } from './engines.ts';
import type { Request, Start, Started } from './protocol.ts';

export class EngineProcess {
  readonly engine: Start['engine'];
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #begin = performance.now();

  /** @param python has the packages of the engines of Python; needed for these alone */
  constructor(start: Start, python?: string) {
    this.engine = start.engine;
    const isPython = start.engine !== 'interpreter' && engines[start.engine].program === 'python';
    const [program, script] = isPython ? [String(python), 'engine.py'] : [process.execPath, 'engine.mjs'];
    const path = fileURLToPath(new URL(script, import.meta.url));
    this.#child = spawn(program, [path, JSON.stringify(start)], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: {
        ...process.env,
        OMP_NUM_THREADS: String(start.threads),
        ...(start.isa && { DNNL_MAX_CPU_ISA: isas[start.isa] }),
      },
    });
    const { stdin, stdout } = this.#child;
    if (stdin === null || stdout === null) throw new Error('the child has no input or output');
    // A child that has ended is noticed where its answer is awaited.
    stdin.on('error', () => undefined);
    this.#child.on('error', () => undefined);
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
    this.#child.kill('SIGKILL');
  }

  async #answer<T>(): Promise<T> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.engine} ended without an answer`);
    return JSON.parse(value);
  }
}
