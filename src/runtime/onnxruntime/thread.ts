/** The thread in which ONNX Runtime computes, as the calling thread sees it. */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { OnnxRuntime, OnnxRuntimeSession } from '../../codegen/index.ts';
import { fail } from '../../diagnostics/index.ts';
import { type Line, reasonIn, ThreadSession, type Without } from './thread_session.ts';
import { type Answer, control, program, type Request, type ThreadData, type WatchData, watch } from './worker.ts';

type Waiting = (answer: Answer) => void;

const ENDED = 'its thread has ended';

/** Looks at an answer before the thread sleeps: about 20 µs. */
const TURNS = 2000;
/** Milliseconds of sleep until it looks whether the thread still lives. */
const PATIENCE = 1000;
/** The options of this process may be about programs of another kind, or about files. */
const PLAIN = { eval: true, execArgv: [] };

/** The thread in which it computes, one for all models. It keeps the process alive while a run waits, and not longer. */
export class Thread implements OnnxRuntime, Line {
  readonly #port: MessagePort;
  readonly #control = new Int32Array(new SharedArrayBuffer(4 * control.length));
  readonly #waiting = new Map<number, Waiting>();
  /** Closes when the thread ends; undefined once another thread looks after it. */
  #watched: MessagePort | undefined;
  #next = 0;
  #ended: string | undefined;

  constructor(file: string) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const { port1: life, port2: watched } = new MessageChannel();
    this.#watched = watched;
    const workerData = { file, port: port2, control: this.#control, life } satisfies ThreadData;
    const worker = new Worker(program, { ...PLAIN, workerData, transferList: [port2, life] });
    worker.unref();
    worker.on('error', ({ message }) => this.#end(message));
    worker.on('exit', () => this.#end(ENDED));
    port1.on('message', (answer: Answer) => this.#deliver(answer));
    // the process lives until the reason is known
    port1.on('close', () => worker.ref());
    port1.unref();
  }

  open(model: Uint8Array, threads: number): OnnxRuntimeSession {
    const answer = this.askAndWait({ do: 'open', model, threads });
    if (!('opened' in answer))
      return fail('U5003', `ONNX Runtime does not take a part of the model: ${reasonIn(answer)}`);
    return new ThreadSession(this, answer.id, answer.opened);
  }

  /** Another thread is to take its place. */
  get hasEnded(): boolean {
    return this.#ended !== undefined;
  }

  get isBusy(): boolean {
    return this.#waiting.size > 0;
  }

  ask<T>(request: Without<Request>, read: (answer: Answer) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#send(request, (answer) => {
        try {
          resolve(read(answer));
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  /** Blocks the calling thread. Answers to others that come meanwhile are delivered too. */
  askAndWait(request: Without<Request>): Answer {
    let own: Answer | undefined;
    this.#send(request, (answer) => {
      own = answer;
    });
    return this.#received(() => own);
  }

  #send(request: Without<Request>, waiting: Waiting): void {
    const id = this.#freshId();
    if (this.#ended !== undefined) {
      waiting({ id, error: this.#ended });
      return;
    }
    try {
      this.#port.postMessage({ ...request, id });
    } catch (error) {
      waiting({ id, error: error instanceof Error ? error.message : String(error) });
      return;
    }
    if (this.#waiting.size === 0) this.#port.ref();
    this.#waiting.set(id, waiting);
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
    // a word of its own: the thread may still be about to count an answer that was read before
    Atomics.store(shared, control.ran, 0);
    shared[control.id] = id;
    Atomics.store(shared, control.session, session);
    this.#call();
    // to be woken takes longer than most of these runs
    for (let turn = 0; turn < TURNS && Atomics.load(shared, control.ran) === 0; turn++);
    while (Atomics.load(shared, control.ran) === 0 && this.#sleep(control.ran, 0));
    if (Atomics.load(shared, control.ran) !== id) return this.#received(() => own);
    this.#waiting.delete(id);
    return shared[control.microseconds];
  }

  /** Delivers answers until the one that is looked for is among them. Blocks the calling thread. */
  #received(own: () => Answer | undefined): Answer {
    for (let isAlive = this.#isAlive; ; ) {
      const seen = Atomics.load(this.#control, control.answers);
      for (let next = receive(this.#port); next !== undefined; next = receive(this.#port)) this.#deliver(next);
      if (!isAlive) this.#end(ENDED);
      const found = own();
      if (found !== undefined) return found;
      isAlive = this.#sleep(control.answers, seen);
    }
  }

  /** Until the word is another one, or a while. False when the thread has ended: what it sent can be received then. */
  #sleep(word: number, seen: number): boolean {
    if (Atomics.wait(this.#control, word, seen, PATIENCE) === 'timed-out') this.#watch();
    return this.#isAlive;
  }

  get #isAlive(): boolean {
    return Atomics.load(this.#control, control.ended) === 0;
  }

  /** From now on `control.ended` tells whether the thread has ended, at whatever time it did. */
  #watch(): void {
    const life = this.#watched;
    if (life === undefined) return;
    this.#watched = undefined;
    const workerData = { life, control: this.#control } satisfies WatchData;
    const watching = new Worker(watch, { ...PLAIN, workerData, transferList: [life] });
    watching.unref();
    watching.on('error', () => undefined); // runs need it only where the other thread fails too
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

  /** Nobody answers any more. */
  #end(error: string): void {
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
