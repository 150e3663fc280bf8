/**
 * The program of the thread in which ONNX Runtime computes. The package computes on the thread that calls it, and is asked through
 * promises alone: in a thread of its own it leaves the event loop free, and its results can be waited for.
 *
 * It is text, since a thread starts from a file or from text, and no file is the same in src/, in a bundle and under a loader.
 */

import type { MessagePort } from 'node:worker_threads';

/** A tensor on its way: the package's name of the type, and an array of the type. */
export interface Sent {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: ArrayBufferView;
}

/** A result that lies in a lane: where, and what it has to be. */
export interface Placed {
  readonly from: number;
  readonly dims: readonly number[];
  readonly bytes: number;
}

/** Memory that both threads see, for runs of the same sizes: where each input and each output lies in it. */
export interface Lane {
  readonly memory: SharedArrayBuffer;
  readonly inputs: readonly number[];
  readonly outputs: readonly Placed[];
}

export type Request =
  | { readonly id: number; readonly do: 'open'; readonly model: Uint8Array; readonly threads: number }
  | {
      readonly id: number;
      readonly do: 'run';
      readonly session: number;
      readonly inputs: readonly Sent[];
      /** For later runs of inputs of these sizes. */
      readonly lane?: Lane;
    }
  | { readonly id: number; readonly do: 'close'; readonly session: number };

/** Of an open session: the types of its results, null where one is no tensor; open dimensions are null. */
export interface OpenedSession {
  readonly types: readonly ({ readonly type: string; readonly dims: readonly (number | null)[] } | null)[];
}

export type Answer =
  | { readonly id: number; readonly opened: OpenedSession }
  | { readonly id: number; readonly outputs: readonly Sent[]; readonly microseconds: number }
  | { readonly id: number; readonly closed: true }
  | { readonly id: number; readonly error: string };

/** The places of `ThreadData.control`. */
export const control = {
  /** How many requests and answers were sent. */
  requests: 0,
  answers: 1,
  /** The session that is to run on what lies in its lane, or 0, and the request's number. */
  session: 2,
  id: 3,
  /** 0 until that run ends; then its number where the outputs lie in the lane, and minus its number where the port has the answer. */
  ran: 4,
  /** The time that it took. */
  microseconds: 5,
  /** 1 when the thread has ended: `watch` writes it. */
  ended: 6,
  length: 7,
} as const;

/** `workerData`: the file of the package, the port for requests and answers, and numbers that both threads see. */
export interface ThreadData {
  readonly file: string;
  readonly port: MessagePort;
  readonly control: Int32Array;
  /** It closes when the thread ends, whatever ends it. */
  readonly life: MessagePort;
}

/** The `workerData` of `watch`: the other end of the thread's life. */
export type WatchData = Pick<ThreadData, 'control' | 'life'>;

/**
 * The program of a thread that tells when the other one has ended. A caller that is blocked hears of no event, and a thread that
 * computes for minutes gives no sign: only the port tells one from the other.
 */
export const watch = `
const { workerData: { life, control } } = require('node:worker_threads');
life.on('close', () => {
  Atomics.store(control, ${control.ended}, 1);
  for (const word of [${control.answers}, ${control.ran}]) Atomics.notify(control, word);
});
life.ref();
`;

export const program = `
const { receiveMessageOnPort, workerData: { file, port, control } } = require('node:worker_threads');
const at = ${JSON.stringify(control)};
const sessions = new Map();
let ort;

async function open({ id, model, threads }) {
  ort ??= require(file);
  const session = await ort.InferenceSession.create(model, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 4, // errors come back as answers
    extra: { session: { force_spinning_stop: '1' } }, // its threads would look out for work while ours compute
  });
  sessions.set(id, { session, feeds: {}, arrays: [], lane: undefined });
  const types = session.outputMetadata.map((of) =>
    of.isTensor ? { type: of.type, dims: of.shape.map((dim) => (typeof dim === 'number' ? dim : null)) } : null);
  return { opened: { types } };
}

async function run({ session, inputs, lane }) {
  const made = sessions.get(session);
  const tensors = inputs.map(tensorOf);
  made.feeds = Object.fromEntries(made.session.inputNames.map((name, i) => [name, tensors[i]]));
  made.arrays = tensors.map(({ data }) => bytesOf(data));
  if (lane) {
    made.lane = {
      inputs: lane.inputs.map((from, i) => new Uint8Array(lane.memory, from, made.arrays[i].byteLength)),
      outputs: lane.outputs.map(({ from, dims, bytes }) => ({ dims: String(dims), place: new Uint8Array(lane.memory, from, bytes) })),
    };
  }
  return computed(made);
}

async function computed(made) {
  const start = performance.now();
  const results = await made.session.run(made.feeds);
  const microseconds = 1000 * (performance.now() - start);
  return { outputs: made.session.outputNames.map((name) => sentOf(name, results[name])), microseconds };
}

// A run on what lies in the lane. Its outputs lie there too unless values decide about sizes, and these are not those of the lane.
async function runInLane(session) {
  const made = sessions.get(session);
  const { inputs, outputs } = made.lane;
  inputs.forEach((from, i) => made.arrays[i].set(from));
  const answer = await computed(made);
  const fits = ({ dims, data }, i) => String(dims) === outputs[i].dims && data.byteLength === outputs[i].place.byteLength;
  if (!answer.outputs.every(fits)) return answer;
  answer.outputs.forEach(({ data }, i) => outputs[i].place.set(bytesOf(data)));
  control[at.microseconds] = answer.microseconds;
  return undefined;
}

// Half floats have an array of their own in newer versions of JavaScript.
const halves = globalThis.Float16Array ?? Uint16Array;
const viewed = (View, data) => new View(data.buffer, data.byteOffset, data.length);
const bytesOf = (data) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
const tensorOf = ({ type, dims, data }) => new ort.Tensor(type, type === 'float16' ? viewed(halves, data) : data, dims);

function sentOf(name, { type, dims, data }) {
  if (!ArrayBuffer.isView(data)) throw new Error("the result '" + name + "' is of type " + type + ', which has no array of numbers');
  return { type, dims, data: type === 'float16' ? viewed(Uint16Array, data) : data };
}

async function close({ session }) {
  const made = sessions.get(session);
  sessions.delete(session);
  await made?.session.release();
  return { closed: true };
}

const tasks = { open, run, close };

async function answerTo(work) {
  try {
    return await work();
  } catch (error) {
    return { error: reasonOf(error) };
  }
}

const reasonOf = (error) => String(error?.message ?? error);

function send(id, found) {
  const answer = { id, ...found };
  try {
    port.postMessage(answer, [...new Set((answer.outputs ?? []).map(({ data }) => data.buffer))]);
    return;
  } catch {
    // memory that cannot change hands is copied
  }
  try {
    port.postMessage(answer);
  } catch (error) {
    port.postMessage({ id, error: reasonOf(error) });
  }
}

// It waits for requests asleep and not in the event loop, from which it would be called later.
async function serve() {
  for (;;) {
    const seen = Atomics.load(control, at.requests);
    const session = Atomics.exchange(control, at.session, 0);
    if (session !== 0) {
      const id = control[at.id];
      const found = await answerTo(() => runInLane(session));
      if (found) send(id, found);
      Atomics.store(control, at.ran, found ? -id : id);
      Atomics.notify(control, at.ran);
      continue;
    }
    const received = receiveMessageOnPort(port);
    if (received === undefined) {
      Atomics.wait(control, at.requests, seen);
      continue;
    }
    const request = received.message;
    send(request.id, await answerTo(() => tasks[request.do](request)));
    // the answer may have been read by now, and the next run may have begun
    Atomics.add(control, at.answers, 1);
    Atomics.notify(control, at.answers);
  }
}
serve();
`;
