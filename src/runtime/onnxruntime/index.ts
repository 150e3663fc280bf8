/** ONNX Runtime where the package onnxruntime-node is installed: an optional peer, loaded when a part of a model needs it. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { OnnxRuntime, OnnxRuntimeSession } from '../../codegen/index.ts';
import { fail } from '../../diagnostics/index.ts';
import { dtypeOfOnnxName, dtypes, type ITensor, type TensorType, viewAs } from '../../ir/index.ts';
import { type Answer, program, type Request, type Sent, type ThreadData } from './worker.ts';

const PACKAGE = 'onnxruntime-node';

/** The file of the package; undefined where it is not installed, beside this one or in the working folder. */
export function onnxruntimeFile(): string | undefined {
  for (const from of [import.meta.filename, join(process.cwd(), 'package.json')])
    try {
      return createRequire(from).resolve(PACKAGE);
    } catch {
      // the next place
    }
  return undefined;
}

let started: OnnxRuntime | undefined;

/** The same. @throws UnskewError U5001 where the package is not installed */
export const installedFile = (): string =>
  onnxruntimeFile() ??
  fail('U5001', `the package ${PACKAGE} is not installed`, {}, `npm install ${PACKAGE} puts it there`);

/** Started by the first call. @throws UnskewError U5001 where the package is not installed */
export function onnxruntimeHere(): OnnxRuntime {
  started ??= new Thread(installedFile());
  return started;
}

type Without<T> = T extends unknown ? Omit<T, 'id'> : never;
type Waiting = (answer: Answer) => void;

/** The thread in which it computes, one for all models. It keeps the process alive while a run waits, and not longer. */
class Thread implements OnnxRuntime {
  readonly #port: MessagePort;
  readonly #requests = new Int32Array(new SharedArrayBuffer(4));
  readonly #answers = new Int32Array(new SharedArrayBuffer(4));
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #ended: string | undefined;

  constructor(file: string) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const workerData = { file, port: port2, requests: this.#requests, answers: this.#answers } satisfies ThreadData;
    // the options of this process may be about programs of another kind, or about files
    const worker = new Worker(program, { eval: true, execArgv: [], workerData, transferList: [port2] });
    worker.unref();
    worker.on('error', ({ message }) => this.#end(message));
    worker.on('exit', () => this.#end('its thread has ended'));
    port1.on('message', (answer: Answer) => this.#deliver(answer));
    port1.unref();
  }

  open(model: Uint8Array, threads: number): OnnxRuntimeSession {
    const session = this.#next;
    const answer = this.#askAndWait({ do: 'open', model, threads });
    if (!('opened' in answer))
      return fail('U5003', `ONNX Runtime does not take a part of the model: ${reasonIn(answer)}`);
    const run = (inputs: readonly ITensor[]) => ({ do: 'run' as const, session, inputs: inputs.map(sentOf) });
    return {
      types: answer.opened.types.map((of) => (of === null ? undefined : typeOfResult(of.type, of.dims))),
      run: async (inputs) => tensorsOf(await this.#ask(run(inputs))),
      runSync: (inputs) => tensorsOf(this.#askAndWait(run(inputs))),
      dispose: () => void this.#ask({ do: 'close', session }),
    };
  }

  #ask(request: Without<Request>): Promise<Answer> {
    return new Promise((resolve) => this.#send(request, resolve));
  }

  /** Blocks the calling thread. Answers to others that come meanwhile are delivered too. */
  #askAndWait(request: Without<Request>): Answer {
    let own: Answer | undefined;
    this.#send(request, (answer) => {
      own = answer;
    });
    for (;;) {
      const seen = Atomics.load(this.#answers, 0);
      for (let next = receive(this.#port); next !== undefined; next = receive(this.#port)) this.#deliver(next);
      if (own !== undefined) return own;
      Atomics.wait(this.#answers, 0, seen);
    }
  }

  #send(request: Without<Request>, waiting: Waiting): void {
    const id = this.#next++;
    if (this.#ended !== undefined) {
      waiting({ id, error: this.#ended });
      return;
    }
    if (this.#waiting.size === 0) this.#port.ref();
    this.#waiting.set(id, waiting);
    this.#port.postMessage({ ...request, id });
    Atomics.add(this.#requests, 0, 1);
    Atomics.notify(this.#requests, 0);
  }

  /** Nobody answers any more; the next model gets another thread. */
  #end(error: string): void {
    if (started === this) started = undefined;
    this.#ended ??= error;
    for (const id of [...this.#waiting.keys()]) this.#deliver({ id, error });
  }

  #deliver(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) this.#port.unref();
    waiting?.(answer);
  }
}

const receive = (port: MessagePort): Answer | undefined => receiveMessageOnPort(port)?.message;

const reasonIn = (answer: Answer): string => ('error' in answer ? answer.error : 'it gives no answer');

/** An array on a larger buffer would be sent with all of it. */
const sentOf = ({ dtype, shape, data }: ITensor): Sent => ({
  type: dtypes[dtype].onnx,
  dims: shape,
  data: data.byteLength === data.buffer.byteLength ? data : data.slice(),
});

function tensorsOf(answer: Answer): ITensor[] {
  if (!('outputs' in answer)) return fail('U5002', `ONNX Runtime refuses a run: ${reasonIn(answer)}`);
  return answer.outputs.map(({ type, dims, data }): ITensor => {
    const dtype = dtypeOfOnnxName(type) ?? fail('U5002', `ONNX Runtime gives a result of type ${type}`);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return { dtype, shape: [...dims], data: viewAs(dtype, bytes) };
  });
}

function typeOfResult(name: string, dims: readonly (number | null)[]): TensorType | undefined {
  const dtype = dtypeOfOnnxName(name);
  return dtype && { dtype, shape: dims.map((dim, axis) => dim ?? `unknown.${axis}`) };
}
