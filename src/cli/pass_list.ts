/**
 * Lists of passes on a command line:  fold-constants,group-qdq{families=all},canonicalize
 * Every pass that has a name is one entry of a table, with the values that its options may take.
 */
import { select } from '../codegen/index.ts';
import { closest } from '../diagnostics/index.ts';
import {
  canonicalize,
  correctZeroPoints,
  familiesFor,
  foldConstants,
  foldWeights,
  groupQdq,
  type Pass,
  type Strategy,
  type StrategyReport,
  strategyNames,
  type Target,
} from '../passes/index.ts';
import { portableBackend } from '../runtime/index.ts';
import { UsageError } from './usage_error.ts';

/** One pass as it is written. */
export interface PassEntry {
  readonly name: string;
  readonly options: Readonly<Record<string, string>>;
}

/** The settings that all passes of one command share. */
export interface PassSetting {
  readonly target: Target;
  readonly strategy: Strategy;
  readonly report: (entry: StrategyReport) => void;
}

type PassOptions = Readonly<Record<string, readonly string[]>>;

interface NamedPass<O extends PassOptions = PassOptions> {
  /** The values that each option may take; without one the setting decides. */
  readonly options: O;
  make(options: { readonly [K in keyof O]?: O[K][number] }, setting: PassSetting): Pass;
}

const plain = (pass: Pass): NamedPass => ({ options: {}, make: () => pass });
const taking = <const O extends PassOptions>(pass: NamedPass<O>): NamedPass => pass;

export const namedPasses: Readonly<Record<string, NamedPass>> = {
  'fold-constants': plain(foldConstants),
  canonicalize: plain(canonicalize),
  'group-qdq': taking({
    options: { families: ['products', 'all'] },
    make: ({ families }, { target }) => groupQdq(families ?? familiesFor(target.capabilities)),
  }),
  'correct-zero-points': taking({
    options: { strategy: strategyNames },
    make: (options, { strategy, report }) => correctZeroPoints(options.strategy ?? strategy, report),
  }),
  select: plain(select(portableBackend)),
  'fold-weights': plain(foldWeights(portableBackend.level)),
};

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

export const makePasses = (entries: readonly PassEntry[], setting: PassSetting): Pass[] =>
  entries.map(({ name, options }) => namedPasses[name].make(options, setting));

function checkedEntry(name: string, optionText: string | undefined): PassEntry {
  const known = Object.keys(namedPasses);
  if (!Object.hasOwn(namedPasses, name)) {
    const near = closest(name, known);
    const meant = near === undefined ? '' : `; did you mean '${near}'?`;
    throw new UsageError(`--passes: '${name}' is not a pass${meant}`, `the passes are: ${known.join(', ')}`);
  }
  const { options } = namedPasses[name];
  const given: Record<string, string> = {};
  for (const pair of (optionText ?? '').split(',').filter((part) => part.trim() !== '')) {
    const [key, value] = pair.split('=').map((part) => part.trim());
    const values = Object.hasOwn(options, key) ? options[key] : undefined;
    if (values === undefined) throw new UsageError(`--passes: ${name} has no option '${key}'`, optionHint(name));
    if (value === undefined || !values.includes(value))
      throw new UsageError(`--passes: ${name}{${key}=…} is one of: ${values.join(', ')}`);
    given[key] = value;
  }
  return { name, options: given };
}

function optionHint(name: string): string {
  const known = Object.entries(namedPasses[name].options).map(([key, values]) => `${key}=${values.join('|')}`);
  return known.length === 0 ? `${name} takes no options` : `${name} takes: ${known.join(', ')}`;
}
