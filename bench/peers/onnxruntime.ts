/** ONNX Runtime (CPU) as the other contender of a benchmark. */
import { InferenceSession, Tensor } from 'onnxruntime-node';

export interface PeerOptions {
  /** Threads of one inference, the calling one included: exactly this many. */
  readonly threads: number;
  readonly graphOptimizationLevel?: 'disabled' | 'basic' | 'extended' | 'layout' | 'all';
}

export type Feeds = Record<string, { readonly type: string; readonly data: unknown; readonly dims: readonly number[] }>;

export interface Peer {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** One inference. onnxruntime-node computes on the calling thread, so the event loop stands still meanwhile. */
  run(feeds: Feeds): Promise<Record<string, Tensor>>;
  dispose(): Promise<void>;
}

/**
 * Loads a model into ONNX Runtime with its own defaults for all but the number of threads. Its threads then spin for
 * some 30 ms after every run (session.force_spinning_stop ends that, but costs it 2-4 % at two threads), so give the
 * next contender a pause first: `Schedule.settle`.
 */
export async function createPeer(model: Uint8Array, options: PeerOptions): Promise<Peer> {
  const session = await InferenceSession.create(model, {
    intraOpNumThreads: options.threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: options.graphOptimizationLevel ?? 'all',
    logSeverityLevel: 3,
  });
  return {
    inputNames: session.inputNames,
    outputNames: session.outputNames,
    async run(feeds) {
      const tensors = Object.entries(feeds).map(([name, t]) => [
        name,
        new Tensor(t.type as Tensor.Type, t.data as Tensor.DataType, t.dims),
      ]);
      return (await session.run(Object.fromEntries(tensors))) as Record<string, Tensor>;
    },
    dispose: () => session.release(),
  };
}
