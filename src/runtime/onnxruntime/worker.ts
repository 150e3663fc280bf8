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

export type Request =
  | { readonly id: number; readonly do: 'open'; readonly model: Uint8Array; readonly threads: number }
  | { readonly id: number; readonly do: 'run'; readonly session: number; readonly inputs: readonly Sent[] }
  | { readonly id: number; readonly do: 'close'; readonly session: number };

/** Of an open session: the types of its results, null where one is no tensor; open dimensions are null. */
export interface OpenedSession {
  readonly types: readonly ({ readonly type: string; readonly dims: readonly (number | null)[] } | null)[];
}

export type Answer =
  | { readonly id: number; readonly opened: OpenedSession }
  | { readonly id: number; readonly outputs: readonly Sent[] }
  | { readonly id: number; readonly closed: true }
  | { readonly id: number; readonly error: string };

/** `workerData`: the file of the package, the port for requests and answers, and how many of each were sent. */
export interface ThreadData {
  readonly file: string;
  readonly port: MessagePort;
  readonly requests: Int32Array;
  readonly answers: Int32Array;
}

export const program = `
const { receiveMessageOnPort, workerData: { file, port, requests, answers } } = require('node:worker_threads');
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
  sessions.set(id, session);
  const types = session.outputMetadata.map((of) =>
    of.isTensor ? { type: of.type, dims: of.shape.map((dim) => (typeof dim === 'number' ? dim : null)) } : null);
  return { opened: { types } };
}

async function run({ session, inputs }) {
  const made = sessions.get(session);
  const feeds = Object.fromEntries(made.inputNames.map((name, i) => [name, tensorOf(inputs[i])]));
  const results = await made.run(feeds);
  return { outputs: made.outputNames.map((name) => sentOf(name, results[name])) };
}

// Half floats have an array of their own in newer versions of JavaScript.
const halves = globalThis.Float16Array ?? Uint16Array;
const viewed = (View, data) => new View(data.buffer, data.byteOffset, data.length);
const tensorOf = ({ type, dims, data }) => new ort.Tensor(type, type === 'float16' ? viewed(halves, data) : data, dims);

function sentOf(name, { type, dims, data }) {
  if (!ArrayBuffer.isView(data)) throw new Error("the result '" + name + "' is of type " + type + ', which has no array of numbers');
  return { type, dims, data: type === 'float16' ? viewed(Uint16Array, data) : data };
}

async function close({ session }) {
  const made = sessions.get(session);
  sessions.delete(session);
  await made?.release();
  return { closed: true };
}

const tasks = { open, run, close };

async function answerTo(request) {
  try {
    return await tasks[request.do](request);
  } catch (error) {
    return { error: String(error?.message ?? error) };
  }
}

// It waits for requests asleep and not in the event loop, from which it would be called later.
async function serve() {
  for (;;) {
    const seen = Atomics.load(requests, 0);
    const received = receiveMessageOnPort(port);
    if (received === undefined) {
      Atomics.wait(requests, 0, seen);
      continue;
    }
    const { id } = received.message;
    const answer = { id, ...(await answerTo(received.message)) };
    try {
      port.postMessage(answer, [...new Set((answer.outputs ?? []).map(({ data }) => data.buffer))]);
    } catch {
      port.postMessage(answer); // memory that cannot change hands is copied
    }
    Atomics.add(answers, 0, 1);
    Atomics.notify(answers, 0);
  }
}
serve();
`;
