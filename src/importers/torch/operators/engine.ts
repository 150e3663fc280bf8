/** Which of PyTorch's engines computes a layer. */
import type { TensorQuantization } from '../../../formats/torch/index.ts';
import type { PackedConv } from '../values.ts';

/** Whose kernels quantized operators follow; `torch-x86`, the default of PyTorch, gives each layer to one of two others. */
export const torchProfiles = ['torch-x86', 'torch-onednn', 'torch-fbgemm', 'torch-qnnpack'] as const;
export type TorchProfile = (typeof torchProfiles)[number];
export type TorchEngine = Exclude<TorchProfile, 'torch-x86'>;

/** More groups than these go to FBGEMM. */
const MOST_GROUPS = 100;

/**
 * The engine that prepares the weights of a layer. On Linux, with AVX512-VNNI, the engine `x86` takes oneDNN for
 * convolutions of at most 100 groups whose weights have no zero points and whose output is not padded, and FBGEMM for
 * all else, linear layers included. Transposed convolutions with weights by channel count as if they had zero points.
 */
export function engineOf(
  profile: TorchProfile,
  weights: TensorQuantization,
  conv: PackedConv | undefined,
): TorchEngine {
  if (profile !== 'torch-x86') return profile;
  if (conv === undefined || conv.groups > MOST_GROUPS || conv.outputPadding.some((pad) => pad !== 0))
    return 'torch-fbgemm';
  return isSymmetric(weights, conv.transposed) ? 'torch-onednn' : 'torch-fbgemm';
}

const isSymmetric = (weights: TensorQuantization, transposed: boolean): boolean =>
  weights.kind === 'per-tensor'
    ? weights.zeroPoint === 0
    : !transposed && weights.zeroPoints.every((zeroPoint) => zeroPoint === 0);
