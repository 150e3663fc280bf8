/** A session of ONNX Runtime in its thread. */
import type { FoundType, OnnxRuntimeSession } from '../../codegen/index.ts';
import { fail } from '../../diagnostics/index.ts';
import { bytesOf, dtypeOfOnnxName, dtypes, formatType, type ITensor, type StaticType, viewAs } from '../../ir/index.ts';
import type { Answer, Lane, OpenedSession, Request, Sent } from './worker.ts';

export type Without<T> = T extends unknown ? Omit<T, 'id'> : never;

/** The thread as its sessions see it. */
export interface Line {
  /** True while requests wait for an answer. */
  readonly isBusy: boolean;
  /** What `read` makes of the answer, in the order in which answers are delivered. */
  ask<T>(request: Without<Request>, read: (answer: Answer) => T): Promise<T>;
  askAndWait(request: Without<Request>): Answer;
  /** A run on what lies in the lane of the session; microseconds where its outputs lie there. */
  askInLane(session: number): Answer | number;
}

/** Tensors of more bytes together take no lane: outputs change hands without a copy. */
const MOST_IN_LANE = 2 ** 18;
/** A run of fewer microseconds is waited for: to hear of its end from the event loop takes as long. */
const QUICK = 100;
/** So that promises which have ended do not keep the event loop from turning. */
const HANDED_OVER = 32;
const ALIGNMENT = 64;

/** What a run of certain sizes leaves for the next one. */
interface Kept {
  readonly key: string;
  readonly outputs: readonly StaticType[];
  readonly lane: Lane;
  /** The worker knows the lane. */
  isKnown: boolean;
}

export class ThreadSession implements OnnxRuntimeSession {
  readonly types: readonly (FoundType | undefined)[];
  readonly #line: Line;
  readonly #id: number;
  #kept: Kept | undefined;
  #microseconds = Number.POSITIVE_INFINITY;
  #runs = 0;

  constructor(line: Line, id: number, { types }: OpenedSession) {
    this.#line = line;
    this.#id = id;
    this.types = types.map((of) => (of === null ? undefined : typeOfResult(of.type, of.dims)));
  }

  get microseconds(): number {
    return this.#microseconds;
  }

  run(inputs: readonly ITensor[]): Promise<readonly ITensor[]> | readonly ITensor[] {
    const isQuick = this.#microseconds <= QUICK && ++this.#runs % HANDED_OVER !== 0;
    try {
      const known = isQuick ? this.#inLane(inputs) : undefined;
      return known ?? this.#line.ask(this.#request(inputs), (answer) => this.#resultsOf(answer, inputs));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  runSync(inputs: readonly ITensor[]): readonly ITensor[] {
    return this.#inLane(inputs) ?? this.#resultsOf(this.#line.askAndWait(this.#request(inputs)), inputs);
  }

  dispose(): void {
    this.#kept = undefined;
    void this.#line.ask({ do: 'close', session: this.#id }, () => undefined);
  }

  #request(inputs: readonly ITensor[]): Without<Request> {
    if (this.#kept?.key !== keyOf(inputs)) this.#kept = undefined; // the worker has other inputs then
    const kept = this.#kept;
    const isNew = kept !== undefined && !kept.isKnown && !this.#line.isBusy;
    if (isNew) kept.isKnown = true;
    return { do: 'run', session: this.#id, inputs: inputs.map(sentOf), ...(isNew && { lane: kept.lane }) };
  }

  /** Undefined where the run is of other sizes than the one before, or has to wait for others. */
  #inLane(inputs: readonly ITensor[]): readonly ITensor[] | undefined {
    const kept = this.#kept;
    if (!kept?.isKnown || this.#line.isBusy || kept.key !== keyOf(inputs)) return undefined;
    const { memory, inputs: places } = kept.lane;
    for (const [i, { data }] of inputs.entries()) new Uint8Array(memory, places[i]).set(bytesOf(data));
    const answer = this.#line.askInLane(this.#id);
    if (typeof answer !== 'number') return this.#resultsOf(answer, inputs);
    this.#microseconds = answer;
    return kept.outputs.map(({ dtype, shape }, i): ITensor => {
      const { from, bytes } = kept.lane.outputs[i];
      // of the caller's own, and no memory that others see
      const own = new Uint8Array(bytes);
      own.set(new Uint8Array(memory, from, bytes));
      return { dtype, shape, data: viewAs(dtype, own) };
    });
  }

  #resultsOf(answer: Answer, inputs: readonly ITensor[]): readonly ITensor[] {
    if (!('outputs' in answer)) {
      this.#kept = undefined;
      return fail('U5002', `ONNX Runtime refuses a run: ${reasonIn(answer)}`);
    }
    this.#microseconds = answer.microseconds;
    const results = answer.outputs.map(({ type, dims, data }): ITensor => {
      const dtype = dtypeOfOnnxName(type) ?? fail('U5002', `ONNX Runtime gives a result of type ${type}`);
      return { dtype, shape: [...dims], data: viewAs(dtype, bytesOf(data as ITensor['data'])) };
    });
    this.#keep(inputs, results);
    return results;
  }

  #keep(inputs: readonly ITensor[], outputs: readonly ITensor[]): void {
    const key = keyOf(inputs);
    const isSame =
      this.#kept?.isKnown &&
      this.#kept.key === key &&
      this.#kept.outputs.every((type, i) => formatType(type) === formatType(outputs[i]));
    if (isSame) return;
    let size = 0;
    const placed = ({ data }: ITensor): number => {
      const from = size;
      size = Math.ceil((size + data.byteLength) / ALIGNMENT) * ALIGNMENT;
      return from;
    };
    const lane = {
      inputs: inputs.map(placed),
      outputs: outputs.map((of) => ({ from: placed(of), dims: of.shape, bytes: of.data.byteLength })),
    };
    this.#kept =
      size > MOST_IN_LANE
        ? undefined
        : {
            key,
            outputs: outputs.map(({ dtype, shape }) => ({ dtype, shape })),
            lane: { memory: new SharedArrayBuffer(size), ...lane },
            isKnown: false,
          };
  }
}

const keyOf = (inputs: readonly ITensor[]): string => inputs.map(formatType).join();

export const reasonIn = (answer: Answer): string => ('error' in answer ? answer.error : 'it gives no answer');

/** An array on a larger buffer would be sent with all of it. */
const sentOf = ({ dtype, shape, data }: ITensor): Sent => ({
  type: dtypes[dtype].onnx,
  dims: shape,
  data: data.byteLength === data.buffer.byteLength ? data : data.slice(),
});

/** The package has no dimensions for a scalar, and none for a result of unknown rank: the rank may be any then. */
function typeOfResult(name: string, dims: readonly (number | null)[]): FoundType | undefined {
  const dtype = dtypeOfOnnxName(name);
  if (dtype === undefined) return undefined;
  return dims.length === 0 ? { dtype } : { dtype, shape: dims.map((dim, axis) => dim ?? `unknown.${axis}`) };
}
