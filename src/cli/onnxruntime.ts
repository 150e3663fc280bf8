/** ONNX Runtime (CPU), where it is installed: the other side of benchmarks and checks. */
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { fail, messageOf, systemCode } from '../diagnostics/index.ts';

export interface PeerOptions {
  /** Threads of one inference, the calling one included: exactly this many, or all processors. */
  readonly threads?: number;
  readonly graphOptimizationLevel?: 'disabled' | 'basic' | 'extended' | 'layout' | 'all';
}

export type Feeds = Record<string, { readonly type: string; readonly data: unknown; readonly dims: readonly number[] }>;

export interface Peer {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** One inference. onnxruntime-node computes on the calling thread, so the event loop stands still meanwhile. */
  run(feeds: Feeds): Promise<Readonly<Record<string, Tensor>>>;
  dispose(): Promise<void>;
}

/**
 * Loads a model into ONNX Runtime with its own defaults for all but the number of threads. Its threads then spin for
 * some 30 ms after every run (session.force_spinning_stop ends that, but costs it 2-4 % at two threads), so give the
 * next contender a pause first: `Schedule.settle`.
 *
 * @throws UnskewError U5003 when it is not installed or refuses the model
 */
export async function createPeer(model: Uint8Array | string, options: PeerOptions): Promise<Peer> {
  const { InferenceSession, Tensor } = await load();
  const sessionOptions: InferenceSession.SessionOptions = {
    ...(options.threads !== undefined && { intraOpNumThreads: options.threads }),
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: options.graphOptimizationLevel ?? 'all',
    logSeverityLevel: 3,
  };
  const session = await refusing(() =>
    typeof model === 'string'
      ? InferenceSession.create(model, sessionOptions)
      : InferenceSession.create(model, sessionOptions),
  );
  return {
    inputNames: session.inputNames,
    outputNames: session.outputNames,
    async run(feeds) {
      const tensors = Object.entries(feeds).map(([name, t]) => [
        name,
        new Tensor(t.type as Tensor.Type, t.data as Tensor.DataType, t.dims),
      ]);
      return refusing(() => session.run(Object.fromEntries(tensors)));
    },
    dispose: () => session.release(),
  };
}

/** Reports a refusal of ONNX Runtime as U5003: it is not a fault of unskew. */
async function refusing<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    return fail('U5003', `onnxruntime refuses: ${error instanceof Error ? error.message : error}`);
  }
}

/** True when onnxruntime-node can be loaded here. */
export async function hasOnnxRuntime(): Promise<boolean> {
  return import('onnxruntime-node').then(
    () => true,
    () => false,
  );
}

async function load(): Promise<typeof import('onnxruntime-node')> {
  try {
    return await import('onnxruntime-node');
  } catch (error) {
    const why = systemCode(error) === 'ERR_MODULE_NOT_FOUND' ? 'it is not installed' : messageOf(error);
    return fail(
      'U5003',
      `onnxruntime-node cannot be loaded: ${why}`,
      {},
      'install it with: npm install onnxruntime-node',
    );
  }
}
