/** Kinds of options and arguments: each knows how it is written in help and how its values are read. */

/** Refuses the given value and says what is wrong with it. */
export type RefuseOption = (why: string) => never;

export interface Option<T = unknown> {
  readonly doc: string;
  /** One letter. */
  readonly short?: string;
  /** The placeholder of the value in the help text; absent for a flag. */
  readonly value?: string;
  /** `--check[=N]`: the value may be left out. */
  readonly isValueOptional?: boolean;
  readonly repeats?: boolean;
  /** `given` has one entry for every occurrence, undefined where no value was given. */
  read(given: readonly (string | undefined)[], refuse: RefuseOption): T;
}

export type Options = Readonly<Record<string, Option>>;

export interface Argument<Required extends boolean = boolean> {
  readonly name: string;
  readonly doc: string;
  readonly isRequired: Required;
}
export type Arguments = Readonly<Record<string, Argument>>;

export const argument = (name: string, doc: string): Argument<true> => ({ name, doc, isRequired: true });
export const optionalArgument = (name: string, doc: string): Argument<false> => ({ name, doc, isRequired: false });

/** The argument of `run`: options by name in camel case. */
export type Values<A extends Arguments, O extends Options> = {
  readonly [K in keyof A]: A[K] extends Argument<true> ? string : string | undefined;
} & { readonly [K in keyof O]: O[K] extends Option<infer T> ? T : never };

export const flag = (doc: string, short?: string): Option<boolean> => ({
  doc,
  ...(short && { short }),
  read: (given) => given.length > 0,
});

export const text = (value: string, doc: string, short?: string): Option<string | undefined> => ({
  doc,
  value,
  ...(short && { short }),
  read: (given) => given.at(-1),
});

/** Given as often as wanted. */
export const list = (value: string, doc: string): Option<readonly string[]> => ({
  doc,
  value,
  repeats: true,
  read: entriesOf,
});

/** The value of an option that needs one. */
export function entriesOf(given: readonly (string | undefined)[]): readonly string[] {
  return given.filter((entry) => entry !== undefined);
}

/** `NAME=VALUE` with values that hold no `=`, as often as wanted; the last value for a name counts. Names may hold any. */
export const assignments = (value: string, doc: string): Option<ReadonlyMap<string, string>> => ({
  doc,
  value,
  repeats: true,
  read: (given, refuse) =>
    new Map(
      pairs(given, value, refuse).map((entry): [string, string] => {
        const at = entry.lastIndexOf('=');
        return [entry.slice(0, at), entry.slice(at + 1)];
      }),
    ),
});

/** `NAME=FILE`, as often as wanted. Both may contain `=`; known names decide where the name ends (`splitPairs`). */
export const filesByName = (value: string, doc: string): Option<readonly string[]> => ({
  doc,
  value,
  repeats: true,
  read: (given, refuse) => pairs(given, value, refuse),
});

function pairs(given: readonly (string | undefined)[], value: string, refuse: RefuseOption): readonly string[] {
  const entries = entriesOf(given);
  const wrong = entries.find((entry) => entry.indexOf('=', 1) < 0 || entry.endsWith('='));
  return wrong === undefined ? entries : refuse(`'${wrong}' is not of the form ${value}`);
}

/** Pairs of `NAME=FILE`, split behind the longest known name that they begin with; behind the first `=` where none is known. */
export function splitPairs(entries: readonly string[], known: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    entries.map((entry): [string, string] => {
      const names = known.filter((name) => entry.startsWith(`${name}=`)).map(({ length }) => length);
      const at = names.length > 0 ? Math.max(...names) : entry.indexOf('=', 1);
      return [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
}

export const whole = (
  value: string,
  doc: string,
  minimum: number,
  maximum = Number.POSITIVE_INFINITY,
): Option<number | undefined> => ({
  doc,
  value,
  read: ([...given], refuse) => {
    const last = given.at(-1);
    return last === undefined ? undefined : readWhole(last, minimum, maximum, refuse);
  },
});

/** Absent: undefined; without a number: `fallback`. */
export const optionalWhole = (value: string, doc: string, fallback: number): Option<number | undefined> => ({
  doc,
  value,
  isValueOptional: true,
  read(given, refuse) {
    if (given.length === 0) return undefined;
    const last = given.at(-1);
    return last === undefined ? fallback : readWhole(last, 1, Number.POSITIVE_INFINITY, refuse);
  },
});

/** One of a few words, or undefined. */
export const optionalChoice = <const C extends readonly string[]>(
  value: string,
  choices: C,
  doc: string,
): Option<C[number] | undefined> => ({
  doc,
  value,
  read(given, refuse) {
    const last = given.at(-1);
    if (last !== undefined && !choices.includes(last)) refuse(`'${last}' is not one of: ${choices.join(', ')}`);
    return last;
  },
});

/** One of a few words; the first one is the default. */
export const choice = <const C extends readonly [string, ...string[]]>(choices: C, doc: string): Option<C[number]> => {
  const given = optionalChoice('NAME', choices, `${doc}: ${choices.join(', ')} (default: ${choices[0]})`);
  return { ...given, read: (values, refuse) => given.read(values, refuse) ?? choices[0] };
};

function readWhole(given: string, minimum: number, maximum: number, refuse: RefuseOption): number {
  const number = /^\d{1,15}$/.test(given) ? Number(given) : Number.NaN;
  const upTo = Number.isFinite(maximum) ? ` to ${maximum}` : '';
  if (!(number >= minimum && number <= maximum)) refuse(`'${given}' is not a whole number from ${minimum}${upTo}`);
  return number;
}

/** `perNode` is written `--per-node`. */
export const spelled = (name: string): string => `--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;
