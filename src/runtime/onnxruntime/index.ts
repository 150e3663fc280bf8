/** ONNX Runtime where the package onnxruntime-node is installed: an optional peer, loaded when a part of a model needs it. */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { OnnxRuntime, OnnxRuntimeSession } from '../../codegen/index.ts';
import { fail } from '../../diagnostics/index.ts';
import { installedFile } from './installed.ts';
import { type Line, reasonIn, ThreadSession, type Without } from './thread_session.ts';
import { type Answer, control, program, type Request, type ThreadData } from './worker.ts';

let started: OnnxRuntime | undefined;

/** Started by the first call. @throws UnskewError U5001 where the package is not installed */
export function onnxruntimeHere(): OnnxRuntime {
  started ??= new Thread(installedFile());
  return started;
}

type Waiting = (answer: Answer) => void;

/** Looks at an answer before the thread sleeps: about 20 µs. */
const TURNS = 2000;

/** The thread in which it computes, one for all models. It keeps the process alive while a run waits, and not longer. */
class Thread implements OnnxRuntime, Line {
  readonly #port: MessagePort;
  readonly #control = new Int32Array(new SharedArrayBuffer(4 * control.length));
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #ended: string | undefined;

  constructor(file: string) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const workerData = { file, port: port2, control: this.#control } satisfies ThreadData;
    // the options of this process may be about programs of another kind, or about files
    const worker = new Worker(program, { eval: true, execArgv: [], workerData, transferList: [port2] });
    worker.unref();
    worker.on('error', ({ message }) => this.#end(message));
    worker.on('exit', () => this.#end('its thread has ended'));
    port1.on('message', (answer: Answer) => this.#deliver(answer));
    port1.unref();
  }

  open(model: Uint8Array, threads: number): OnnxRuntimeSession {
    const answer = this.askAndWait({ do: 'open', model, threads });
    if (!('opened' in answer))
      return fail('U5003', `ONNX Runtime does not take a part of the model: ${reasonIn(answer)}`);
    return new ThreadSession(this, answer.id, answer.opened);
  }

  get isBusy(): boolean {
    return this.#waiting.size > 0;
  }

  ask(request: Without<Request>): Promise<Answer> {
    return new Promise((resolve) => this.#send(request, resolve));
  }

  /** Blocks the calling thread. Answers to others that come meanwhile are delivered too. */
  askAndWait(request: Without<Request>): Answer {
    let own: Answer | undefined;
    this.#send(request, (answer) => {
      own = answer;
    });
    for (;;) {
      const seen = Atomics.load(this.#control, control.answers);
      for (let next = receive(this.#port); next !== undefined; next = receive(this.#port)) this.#deliver(next);
      if (own !== undefined) return own;
      Atomics.wait(this.#control, control.answers, seen);
    }
  }

  #send(request: Without<Request>, waiting: Waiting): void {
    const id = this.#freshId();
    if (this.#ended !== undefined) {
      waiting({ id, error: this.#ended });
      return;
    }
    if (this.#waiting.size === 0) this.#port.ref();
    this.#waiting.set(id, waiting);
    this.#port.postMessage({ ...request, id });
    this.#call();
  }

  /** Blocks the calling thread. Nothing else waits. */
  askInLane(session: number): Answer | number {
    const id = this.#freshId();
    if (this.#ended !== undefined) return { id, error: this.#ended };
    let own: Answer | undefined;
    this.#waiting.set(id, (answer) => {
      own = answer;
    });
    const shared = this.#control;
    const seen = Atomics.load(shared, control.answers);
    shared[control.id] = id;
    Atomics.store(shared, control.session, session);
    this.#call();
    // to be woken takes longer than most of these runs
    for (let turn = 0; turn < TURNS && Atomics.load(shared, control.answers) === seen; turn++);
    while (Atomics.load(shared, control.answers) === seen) Atomics.wait(shared, control.answers, seen);
    if (Atomics.load(shared, control.isInLane) === 1) {
      this.#waiting.delete(id);
      return shared[control.microseconds];
    }
    for (let next = receive(this.#port); next !== undefined; next = receive(this.#port)) this.#deliver(next);
    return own ?? { id, error: 'it gives no answer' };
  }

  /** Answers to runs in a lane have numbers of 32 bits. */
  #freshId(): number {
    this.#next = (this.#next % 0x7fffffff) + 1;
    return this.#next;
  }

  #call(): void {
    Atomics.add(this.#control, control.requests, 1);
    Atomics.notify(this.#control, control.requests);
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
