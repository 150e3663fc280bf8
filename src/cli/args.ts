/** Command lines against declarations. */
import { parseArgs } from 'node:util';
import { closest } from '../diagnostics/index.ts';
import { type AnyCommand, commonOptions } from './command.ts';
import { type Option, type Options, spelled } from './options.ts';
import { UsageError } from './usage_error.ts';

export interface ParsedLine {
  /** Arguments and options by the names of their declaration. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly common: { readonly [K in keyof typeof commonOptions]: boolean };
}

/** @throws UsageError for arguments that the declaration does not allow, unless help is asked for */
export function parseLine(command: AnyCommand, args: readonly string[]): ParsedLine {
  const options: Options = { ...command.options, ...commonOptions };
  const bySpelling = new Map(
    Object.entries(options).map(([name, option]) => [spelled(name).slice(2), { name, option }]),
  );
  const { tokens } = parseArgs({
    args: [...args],
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: Object.fromEntries(
      [...bySpelling].map(([spelling, { option }]) => [
        spelling,
        {
          type: takesNext(option) ? ('string' as const) : ('boolean' as const),
          ...(option.short && { short: option.short }),
        },
      ]),
    ),
  });
  const help = `see: unskew ${command.name} --help`;
  const given = new Map<string, (string | undefined)[]>(Object.keys(options).map((name) => [name, []]));
  const positionals: string[] = [];
  const faults: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const known = bySpelling.get(token.name);
    const fault = known
      ? faultOf(known.option, token)
      : unknownOption(token.rawName, command.name, [...bySpelling.keys()]);
    if (fault !== undefined) faults.push(fault);
    else given.get(known!.name)!.push(token.value);
  }
  const isGiven = (name: keyof typeof commonOptions): boolean => given.get(name)!.length > 0;
  const common: ParsedLine['common'] = {
    json: isGiven('json'),
    verbose: isGiven('verbose'),
    quiet: isGiven('quiet'),
    help: isGiven('help'),
  };
  if (common.help) return { values: {}, common };
  if (faults.length > 0) throw new UsageError(faults[0], help);
  const values: Record<string, unknown> = readPositionals(command, positionals, help);
  for (const [name, option] of Object.entries(command.options)) {
    values[name] = option.read(given.get(name)!, (why) => {
      throw new UsageError(`${spelled(name)}: ${why}`, help);
    });
  }
  return { values, common };
}

const takesNext = (option: Option): boolean => option.value !== undefined && !option.isValueOptional;

type OptionToken = {
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
};

function faultOf(option: Option, { rawName, value, inlineValue }: OptionToken): string | undefined {
  if (option.value === undefined) return value === undefined ? undefined : `${rawName} takes no value`;
  if (option.isValueOptional) return undefined;
  // `--output --json` forgot the value; `-` alone is a standard stream
  const isForgotten = value === undefined || value === '' || (!inlineValue && value.startsWith('-') && value !== '-');
  return isForgotten ? `${rawName} needs a value: ${option.value}` : undefined;
}

function unknownOption(rawName: string, command: string, known: readonly string[]): string {
  const near = closest(rawName.replace(/^-+/, ''), known);
  return `${rawName} is not an option of ${command}${near === undefined ? '' : `; did you mean --${near}?`}`;
}

function readPositionals(
  command: AnyCommand,
  given: readonly string[],
  help: string,
): Record<string, string | undefined> {
  const declared = Object.entries(command.arguments);
  const missing = declared.find(([, { isRequired }], i) => isRequired && given[i] === undefined);
  if (missing) throw new UsageError(`${missing[1].name} is missing`, help);
  if (given.length > declared.length)
    throw new UsageError(`the argument '${given[declared.length]}' is one too many`, help);
  return Object.fromEntries(declared.map(([key], i) => [key, given[i]]));
}
