/** Code that must not compile: a lowering of several operators, and an operator of the back end without a lowering. */
import type { Lowering, Lowerings } from '../../src/codegen/onednn/lower/lowering.ts';
import type { nnAdd, nnPad, nnReshape, OpWith } from '../../src/ir/index.ts';

declare const ofAny: Lowering<OpWith<'x'>>;
declare const ofPad: Lowering<typeof nnPad>;
declare const own: Pick<
  Lowerings,
  'dnnlConv' | 'dnnlConvTranspose' | 'dnnlMatmul' | 'dnnlRequantize' | 'dnnlScaledConv' | 'dnnlScaledMatmul'
>;

export const all: Lowerings = { ...own, nnReshape: ofAny, nnPad: ofPad };
// @ts-expect-error a lowering that reads a field that the operator lacks
export const padding: Lowering<typeof nnReshape> = ofPad;
// @ts-expect-error a lowering that reads other operands
export const sum: Lowerings = { ...own, nnAdd: ofAny };
// @ts-expect-error an operator of the own level that has none
export const fewer: Lowerings = { nnReshape: ofAny };

export const lowering: Lowering<typeof nnAdd> = {
  // @ts-expect-error an operand that the operator does not have
  lower: ({ a, y, bias }, r) => bias && r.alias(y, a),
};
