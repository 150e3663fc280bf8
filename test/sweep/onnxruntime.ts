/** ONNX Runtime, as it comes, on one thread. */
import ort from 'onnxruntime-node';
import type { Tensors } from '../../src/cli/compare.ts';
import { toFeeds } from '../../src/runtime/feeds.ts';
import { toPublic } from '../../src/tensors/tensor.ts';
import type { Feeds } from './net.ts';

export const modes = ['disabled', 'all'] as const;
export type Mode = (typeof modes)[number];

/** A model that ONNX Runtime does not load or run. */
export class Refused extends Error {}

/**
 * @param precise without the kernels that add pairs of products in int16, where its optimizations know how
 * @param keepQdq two pairs of quantize and dequantize in a row stay two
 * @param plainQdq quantize and dequantize stay where they are, and are nothing else
 */
export async function onnxRuntime(
  bytes: Uint8Array,
  feeds: readonly Feeds[],
  mode: Mode,
  { precise = false, keepQdq = false, plainQdq = false } = {},
): Promise<readonly Tensors[]> {
  const session = await ort.InferenceSession.create(bytes, {
    graphOptimizationLevel: mode,
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 4,
    ...(precise && { extra: { session: { x64quantprecision: '1' } } }),
    ...(plainQdq && { extra: { session: { disable_quant_qdq: '1' } } }),
    ...(keepQdq && { extra: { session: { disable_double_qdq_remover: '1' } } }),
  }).catch(refuse);
  try {
    const results: Tensors[] = [];
    for (const given of feeds) {
      const tensors = Object.entries(given).map(([name, tensor]) => {
        const { type, data, dims } = toPublic(tensor);
        return [name, new ort.Tensor(type as 'float32', data as Float32Array, [...dims])] as const;
      });
      const found = await session.run(Object.fromEntries(tensors)).catch(refuse);
      results.push(toFeeds(found as Parameters<typeof toFeeds>[0]));
    }
    return results;
  } finally {
    await session.release();
  }
}

const refuse = (error: Error): never => {
  throw new Refused(error.message);
};
