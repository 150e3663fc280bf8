/** Options of public functions: one that nobody knows is refused, for ignoring it would be doing something else. */
import { closest } from './closest.ts';
import { fail } from './diagnostic.ts';

/** The names of all options of an interface: a table that lacks one, or has one more, does not compile. */
export type OptionNames<T> = { readonly [K in keyof Required<T>]: true };

/**
 * @param what the function, as callers write it
 * @throws UnskewError U4002 for an option that is not in the table, with the nearest known one
 */
export function checkOptions<T extends object>(what: string, options: T, names: OptionNames<T>): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    fail('U4002', `the options of ${what} should be an object, but are ${options === null ? 'null' : typeof options}`);
  const known = Object.keys(names);
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(names, name)) continue;
    const near = nearest(name, known);
    const hint = `${near === undefined ? '' : `did you mean '${near}'? `}its options are: ${known.join(', ')}`;
    fail('U4002', `${what} has no option '${name}'`, {}, hint);
  }
}

/** `shapes` is part of `inputShapes`, and no few edits from it. */
const nearest = (name: string, known: readonly string[]): string | undefined => {
  const word = name.toLowerCase();
  const part = known.find((other) => other.toLowerCase().includes(word) || word.includes(other.toLowerCase()));
  return closest(name, known) ?? (word.length > 2 ? part : undefined);
};
