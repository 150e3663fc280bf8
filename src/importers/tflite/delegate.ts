/** Limits of LiteRT's XNNPACK delegate that hold for all operators. */
import type { Operand, OperatorContext } from './operator_context.ts';

/** The most axes that the delegate takes. */
const MOST_AXES = 6;

/** True when the profile has the delegate, and tensors of these ranks are taken. */
export const isDelegable = (ctx: OperatorContext, operands: readonly Operand[]): boolean =>
  ctx.profile === 'xnnpack' && operands.every(({ shape }) => shape.length <= MOST_AXES);

/** True for a constant of the file: the delegate leaves operators whose sizes are computed to the builtin kernels. */
export const isOfFile = ({ tensor }: Operand): boolean => tensor.data !== undefined;
