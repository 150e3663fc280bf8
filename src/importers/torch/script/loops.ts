/** The items of a loop. */
import { describe, numberOf, type TorchValue } from '../values.ts';
import type { Expression } from './ast.ts';
import { counted } from './language.ts';
import type { Special } from './specials.ts';

/** Ranges are counted, not listed. */
export function* iterated(over: Expression, language: Special): Generator<TorchValue> {
  const number = (e: Expression): number => {
    const value = language.evaluate(e);
    return numberOf(value) ?? language.refuse(e.line, `a number is needed, not ${describe(value)}`, 'U2008');
  };
  if (over.kind === 'call' && over.callee.kind === 'name' && over.callee.name === 'range') {
    yield* counted(over.args.map(number), (why) => language.refuse(over.line, why));
    return;
  }
  const value = language.evaluate(over);
  if (Array.isArray(value)) yield* value;
  else if (value instanceof Map) yield* value.keys();
  else language.refuse(over.line, `a loop over ${describe(value)}`);
}
