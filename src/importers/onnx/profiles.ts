/**
 * Whose arithmetic the quantized operators of an ONNX model follow. Sums are requantized as each system does it (see
 * numerics/requantize.ts); an ONNX bias is an integer in units of the sum, and is added as one under every profile.
 * QuantizeLinear multiplies by fl(1/scale) under the profiles of PyTorch, and divides under all others. Operators that a
 * system computes by a recipe which is not known here are refused under its profile (numerics/profiles.ts).
 */
import { type RequantizeProfile, requantizeModes } from '../../numerics/index.ts';
import { keysOf } from '../../tensors/index.ts';

export type OnnxProfile = RequantizeProfile;

/** `ort` is the default. */
export const onnxProfiles: readonly OnnxProfile[] = keysOf(requantizeModes);
