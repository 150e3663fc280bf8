/**
 * Lists of passes on a command line:  fold-constants,group-qdq{families=all},canonicalize
 * Every pass that has a name is one entry of a table, with the values that its options may take; `named_passes.ts` makes them.
 */
import { closest } from '../diagnostics/index.ts';
import { strategyNames } from '../passes/index.ts';
import { keysOf } from '../tensors/index.ts';
import { UsageError } from './usage_error.ts';

/** One pass as it is written. */
export interface PassEntry {
  readonly name: PassName;
  readonly options: Readonly<Record<string, string>>;
}

export type PassOptions = Readonly<Record<string, readonly string[]>>;

/** By pass: the values that each option may take; without one the setting decides. */
export const passOptions = {
  'fold-constants': {},
  canonicalize: {},
  'group-qdq': { families: ['products', 'all'] },
  'correct-zero-points': { strategy: strategyNames },
  select: {},
  'fold-weights': {},
} as const satisfies Readonly<Record<string, PassOptions>>;

export type PassName = keyof typeof passOptions;

/** @throws UsageError for a list that is not well formed, or a pass, option or value that does not exist */
export function parsePasses(text: string): PassEntry[] {
  const entry = /\s*([\w-]+)\s*(?:\{([^{}]*)\})?\s*(,|$)/y;
  const entries: PassEntry[] = [];
  let isOpen = true;
  while (isOpen) {
    const at = entry.lastIndex;
    const match = entry.exec(text);
    if (match === null)
      throw new UsageError(
        `--passes: a pass was expected at '${text.slice(at)}'`,
        "write it like: --passes='a,b{option=value}'",
      );
    entries.push(checkedEntry(match[1], match[2]));
    isOpen = match[3] === ',';
  }
  return entries;
}

export const printPasses = (entries: readonly PassEntry[]): string =>
  entries
    .map(({ name, options }) => {
      const pairs = Object.entries(options).map(([key, value]) => `${key}=${value}`);
      return pairs.length === 0 ? name : `${name}{${pairs.join(',')}}`;
    })
    .join(',');

function checkedEntry(name: string, optionText: string | undefined): PassEntry {
  const known = keysOf(passOptions);
  const pass = known.find((own) => own === name);
  if (pass === undefined) {
    const near = closest(name, known);
    const meant = near === undefined ? '' : `; did you mean '${near}'?`;
    throw new UsageError(`--passes: '${name}' is not a pass${meant}`, `the passes are: ${known.join(', ')}`);
  }
  const options: PassOptions = passOptions[pass];
  const given: Record<string, string> = {};
  for (const pair of (optionText ?? '').split(',').filter((part) => part.trim() !== '')) {
    const [key, value] = pair.split('=').map((part) => part.trim());
    const values = Object.hasOwn(options, key) ? options[key] : undefined;
    if (values === undefined) throw new UsageError(`--passes: ${name} has no option '${key}'`, optionHint(pass));
    if (value === undefined || !values.includes(value))
      throw new UsageError(`--passes: ${name}{${key}=…} is one of: ${values.join(', ')}`);
    given[key] = value;
  }
  return { name: pass, options: given };
}

function optionHint(name: PassName): string {
  const known = Object.entries<readonly string[]>(passOptions[name]).map(
    ([key, values]) => `${key}=${values.join('|')}`,
  );
  return known.length === 0 ? `${name} takes no options` : `${name} takes: ${known.join(', ')}`;
}
