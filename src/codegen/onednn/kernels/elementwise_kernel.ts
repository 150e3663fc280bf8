/** Programs over elements. */
import type { DType } from '../../../ir/index.ts';

/** One operation on registers; a function of the type behind the point (native/kernels/elementwise_*.cc lists them). */
export interface Instruction {
  readonly operation: string;
  readonly operands: readonly number[];
  /** Up to two. */
  readonly parameters: readonly number[];
}

/**
 * For every element of `shape` the instructions, one after the other. Registers are the sources (arguments source0, source1 …), then the
 * results of the instructions; `destinations` are registers that are written out (destination0 …), dense in the order of `shape`. Strides, in
 * elements, are at least 0 in sum, and 0 where a source broadcasts.
 */
export interface ElementwiseKernel {
  readonly name: 'elementwise';
  readonly shape: readonly number[];
  readonly sources: readonly { readonly type: DType; readonly strides: readonly number[] }[];
  readonly instructions: readonly Instruction[];
  readonly destinations: readonly number[];
}
