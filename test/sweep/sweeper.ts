/** The processes that judge layers: one for the meaning and ONNX Runtime, one for each instruction set. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Outcome } from './judge.ts';
import type { Answer, Job } from './worker.ts';

/** The names of instruction sets in DNNL_MAX_CPU_ISA. Below AVX2 our kernels are the scalar ones. */
export const isas: Readonly<Record<string, string>> = {
  amx: 'AVX512_CORE_AMX',
  vnni: 'AVX512_CORE_VNNI',
  avx512: 'AVX512_CORE',
  avx2: 'AVX2',
  sse41: 'SSE41',
};

const script = fileURLToPath(new URL('worker.ts', import.meta.url));
/** A layer that takes longer hangs. */
const PATIENCE = 120_000;

/** A worker that is started again when it dies. */
class Worker {
  readonly column: string;
  readonly #limit: string | undefined;
  #process: ChildProcess | undefined;
  /** The instruction set that oneDNN uses. */
  isa = '';

  constructor(column: string, limit?: string) {
    this.column = column;
    this.#limit = limit;
  }

  async start(): Promise<this> {
    this.#process = fork(script, [this.column], {
      execArgv: ['--import', 'tsx', '--max-old-space-size=3000'],
      env: { ...process.env, ...(this.#limit && { DNNL_MAX_CPU_ISA: this.#limit }) },
      serialization: 'advanced',
    });
    const hello = (await this.#message()) as { isa: string };
    this.isa = hello.isa;
    return this;
  }

  /** Lets the worker judge a layer. A worker that dies or hangs is a difference. */
  async judge(kind: string, seed: number, what: Job['what']): Promise<readonly Outcome[]> {
    if (this.#process === undefined) await this.start();
    try {
      const answer = this.#message();
      this.#process?.send({ kind, seed, what } satisfies Job);
      return ((await answer) as Answer).outcomes;
    } catch (error) {
      this.stop();
      return [{ column: this.column, verdict: 'differs', why: `${(error as Error).message}` }];
    }
  }

  #message(): Promise<unknown> {
    const child = this.#process as ChildProcess;
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        clearTimeout(timer);
        child.off('message', onMessage).off('exit', onExit);
        act();
      };
      const onMessage = (message: unknown) => settle(() => resolve(message));
      const onExit = (code: number | null, signal: string | null) =>
        settle(() => reject(new Error(`the process ended with ${signal ?? code}`)));
      const timer = setTimeout(() => settle(() => reject(new Error(`no answer in ${PATIENCE / 1000} s`))), PATIENCE);
      child.on('message', onMessage).on('exit', onExit);
    });
  }

  stop(): void {
    this.#process?.kill('SIGKILL');
    this.#process = undefined;
  }
}

export class Sweeper {
  readonly #meaning = new Worker('meaning');
  readonly #compiled: readonly Worker[];
  /** Instruction sets that this processor does not have, in sentences. */
  readonly absent: readonly string[];

  private constructor(compiled: readonly Worker[], absent: readonly string[]) {
    this.#compiled = compiled;
    this.absent = absent;
  }

  static async start(names: readonly string[]): Promise<Sweeper> {
    const workers = await Promise.all(names.map((name) => new Worker(name, isas[name]).start()));
    const absent = workers.filter(({ column, isa }) => column !== isa);
    for (const worker of absent) worker.stop();
    return new Sweeper(
      workers.filter((worker) => !absent.includes(worker)),
      absent.map(({ column, isa }) => `${column} is left out: this processor has none, and oneDNN takes ${isa}`),
    );
  }

  async judge(kind: string, seed: number): Promise<readonly Outcome[]> {
    const outcomes = [...(await this.#meaning.judge(kind, seed, 'meaning'))];
    for (const worker of this.#compiled) outcomes.push(...(await worker.judge(kind, seed, 'compiled')));
    return outcomes;
  }

  async stop(): Promise<void> {
    for (const worker of [this.#meaning, ...this.#compiled]) worker.stop();
  }
}
