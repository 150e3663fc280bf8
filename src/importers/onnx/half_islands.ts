/**
 * The places where ONNX Runtime rounds 16-bit floats on CPUs (measured with 1.30 and 1.32, optimizations off and on).
 *
 * It has few kernels for this type. Operators without one compute in binary32, and values between two of them are not
 * rounded. A node with one also runs in binary32 when an operator computed its first operand in binary32 and all
 * readers of the node compute in binary32 (for a normalization: all operands that are not initializers, by the names of
 * the file); a DequantizeLinear, which ONNX Runtime copies for each reader, does so when its reader does.
 * QuantizeLinear reads rounded values, and a float between two Casts of the model is rounded.
 */

import type { OnnxGraph, OnnxNode } from '../../formats/onnx/index.ts';
import type { Wide } from '../kit/scope.ts';

/** Operators with 16-bit kernels. */
const native: ReadonlySet<string> = new Set(
  (
    'QuantizeLinear DequantizeLinear Cast CastLike Identity Reshape Flatten Squeeze Unsqueeze Transpose Concat Split Slice ' +
    'Gather GatherElements GatherND ScatterElements ScatterND Expand Compress ReverseSequence ' +
    'Round Sign Max Min Mod Clip LayerNormalization RMSNormalization MatMulNBits GatherBlockQuantized'
  ).split(' '),
);
const alwaysRounds: ReadonlySet<string> = new Set(['QuantizeLinear', 'Cast', 'CastLike']);

export class HalfIslands {
  /** Values that a node with a 16-bit kernel reads, and outputs. */
  readonly #rounded = new Set<string>();
  readonly #computed = new Set<string>();
  readonly #casts = new Set<string>();

  constructor({ nodes, outputs }: OnnxGraph) {
    for (const { name } of outputs) this.#rounded.add(name);
    for (const node of nodes) {
      if (native.has(node.opType)) for (const name of node.inputs) this.#rounded.add(name);
      if (node.opType === 'Cast') for (const name of node.outputs) this.#casts.add(name);
      if (node.opType !== 'Constant') for (const name of node.outputs) this.#computed.add(name);
    }
  }

  /** True when a node computes the value: it is not an initializer, a Constant, or an input of the graph. */
  isComputed(name: string): boolean {
    return this.#computed.has(name);
  }

  /**
   * True when a Cast to 16 bits passes its unrounded operand on: the second of two Casts does not, if its 16 bits are
   * read.
   */
  isHandedOn(cast: OnnxNode): boolean {
    return !(this.#isRead(cast) && this.#casts.has(cast.inputs[0]));
  }

  /** True when an output, or a node with a 16-bit kernel, reads the results of the node in 16 bits. */
  #isRead({ outputs }: OnnxNode): boolean {
    return outputs.some((name) => this.#rounded.has(name));
  }

  /**
   * The causes of rounding that a node undoes by reading unrounded floats; `first`: the cause for its first computed
   * operand.
   */
  staysWide(node: OnnxNode, first: Wide['by'] | undefined): readonly Wide['by'][] {
    const { opType, inputs } = node;
    if (!native.has(opType)) return ['operator', 'dequantize', 'cast'];
    if (opType === 'DequantizeLinear') return this.#computed.has(inputs[0]) ? ['operator'] : [];
    // an Identity of an initializer is not an initializer
    if (opType.endsWith('Normalization') && inputs.slice(1).some((name) => this.#computed.has(name))) return [];
    const isIsolated = first === 'operator' && !this.#isRead(node);
    return isIsolated && !alwaysRounds.has(opType) ? ['operator'] : [];
  }
}
