/**
 * Where ONNX Runtime rounds floats of 16 bits on CPUs (measured with 1.30 and 1.32, optimizations off and on).
 *
 * It has few kernels of that type: operators that have none compute in binary32, and between two of them nothing is rounded.
 * A node that has one is run in binary32 too when an operator computed the first of its operands in binary32, and all that read it
 * compute so (all of a normalization's operands that are no initializers, by the names of the file); a DequantizeLinear (of which it makes one for each reader) when its reader does. QuantizeLinear reads what is
 * rounded, and between two Casts of the model a float is.
 */
import type { Wide } from '../kit/scope.ts';
import type { OnnxGraph, OnnxNode } from './container/index.ts';

/** Operators with 16-bit kernels. */
const native: ReadonlySet<string> = new Set(
  (
    'QuantizeLinear DequantizeLinear Cast CastLike Identity Reshape Flatten Squeeze Unsqueeze Transpose Concat Split Slice ' +
    'Gather GatherElements GatherND ScatterElements ScatterND Expand Compress ReverseSequence ' +
    'Round Sign Max Min Mod Clip LayerNormalization RMSNormalization'
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

  /** Whether a node computes the value: not an initializer, a Constant, or an input of the graph. */
  isComputed(name: string): boolean {
    return this.#computed.has(name);
  }

  /** Whether a Cast to 16 bits hands on what it rounds: not the second of two Casts, when its 16 bits are wanted elsewhere. */
  isHandedOn(cast: OnnxNode): boolean {
    return !(this.#isRead(cast) && this.#casts.has(cast.inputs[0]));
  }

  /** Whether an output, or a node with a 16-bit kernel, wants what the node writes as it is in 16 bits. */
  #isRead({ outputs }: OnnxNode): boolean {
    return outputs.some((name) => this.#rounded.has(name));
  }

  /** By what the floats have to be rounded that a node reads unrounded; `first`: by what the first that a node computed is. */
  staysWide(node: OnnxNode, first: Wide['by'] | undefined): readonly Wide['by'][] {
    const { opType, inputs } = node;
    if (!native.has(opType)) return ['operator', 'dequantize', 'cast'];
    if (opType === 'DequantizeLinear') return this.#computed.has(inputs[0]) ? ['operator'] : [];
    // what an Identity makes of an initializer is not one
    if (opType.endsWith('Normalization') && inputs.slice(1).some((name) => this.#computed.has(name))) return [];
    const isIsolated = first === 'operator' && !this.#isRead(node);
    return isIsolated && !alwaysRounds.has(opType) ? ['operator'] : [];
  }
}
