/** Operators that move elements. */
import { tfliteOptions } from '../../../formats/tflite/index.ts';
import { leftOver } from '../../kit/left_over.ts';
import { defineTfliteOp, last, type TfliteOp } from '../define_tflite_op.ts';
import type { OperatorContext } from '../operator_context.ts';

/** The shape that a RESHAPE asks for: an operand, or an option in old files; -1 stands for what is left. */
function newShape(ctx: OperatorContext, option: readonly number[] | undefined): readonly number[] {
  const operand = ctx.find('shape');
  if (operand) return ctx.integers(operand);
  return option ?? ctx.refuse('the new shape is absent');
}

const reshape = defineTfliteOp({
  name: 'RESHAPE',
  inputs: ['x', 'shape?'],
  options: tfliteOptions.reshapeOptions,
  import(ctx, options) {
    const x = ctx.get('x');
    const wanted = newShape(ctx, options.newShape);
    const open = wanted.indexOf(-1);
    const rest = open < 0 ? undefined : leftOver(x.shape, wanted.toSpliced(open, 1), (why) => ctx.refuse(why, 'U2005'));
    const shape = rest === undefined ? wanted : wanted.with(open, rest as number);
    return last(ctx.reshape(ctx.last(x), shape));
  },
});

export const movementOps: readonly TfliteOp[] = [reshape];
