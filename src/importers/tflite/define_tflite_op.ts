/** The declaration of an operator of TensorFlow Lite: its inputs by name, its options by the schema, and its meaning. */
import type { OptionsType } from '../../formats/tflite/index.ts';
import type { Value } from '../../ir/index.ts';
import type { Layout } from './layouts.ts';
import type { OperatorContext } from './operator_context.ts';

/** A result of an operator, in the layout in which it was computed. */
export interface Result {
  readonly value: Value;
  readonly layout: Layout;
}

export interface TfliteOp {
  readonly name: string;
  /** Names in order: `x`, `bias?` (may be absent), `xs...` (any number, the last). */
  readonly inputs: readonly string[];
  import(ctx: OperatorContext): Result | readonly Result[];
}

interface Declaration<R> {
  readonly name: string;
  readonly inputs: readonly string[];
  readonly options?: OptionsType<R>;
  import(ctx: OperatorContext, options: R): Result | readonly Result[];
}

export function defineTfliteOp<R>({ options, ...declaration }: Declaration<R>): TfliteOp {
  return {
    ...declaration,
    import: (ctx) => declaration.import(ctx, (options ? ctx.options(options) : {}) as R),
  };
}

export const first = (value: Value): Result => ({ value, layout: 'first' });
export const last = (value: Value): Result => ({ value, layout: 'last' });
