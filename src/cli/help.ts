/** Help, from the declarations. */

import { keysOf } from '../tensors/index.ts';
import { type AnyCommand, commonOptions, exitCodeDocs, exitCodes } from './command.ts';
import { type Option, type Options, spelled } from './options.ts';
import { formatPairs, wrap } from './table.ts';

const WIDTH = 100;

export const tagline = 'Quantized ONNX graphs in, exact int8 execution out.';

export const usageOf = (command: AnyCommand): string => {
  const operands = Object.values(command.arguments).map(({ name, isRequired }) => (isRequired ? name : `[${name}]`));
  return ['unskew', command.name, ...operands, '[OPTIONS]'].join(' ');
};

/** `-o, --output FILE` */
export function optionSpelling(name: string, { short, value, isValueOptional, repeats }: Option): string {
  const shown = value === undefined ? '' : isValueOptional ? `[=${value}]` : ` ${value}`;
  return `${short ? `-${short}, ` : ''}${spelled(name)}${shown}${repeats ? ' …' : ''}`;
}

export function commandHelp(command: AnyCommand): string {
  const named = Object.values(command.arguments).map(({ name, doc }) => [name, doc] as const);
  const sections = [
    `${command.summary}.`,
    ...(command.description ?? []).map((paragraph) => wrap(paragraph, WIDTH).join('\n')),
    `Usage: ${usageOf(command)}`,
    section('Arguments', named),
    section('Options', optionLines({ ...command.options, ...commonOptions })),
    `Examples:\n${command.examples.map(({ command, does }) => `  ${command}\n      ${does}`).join('\n')}`,
  ];
  return sections.join('\n\n');
}

export function generalHelp(commands: readonly AnyCommand[], version: string): string {
  const codes = keysOf(exitCodeDocs).map((name) => [String(exitCodes[name]), exitCodeDocs[name]] as const);
  return [
    `unskew ${version}. ${tagline}`,
    'Usage: unskew COMMAND [ARGUMENTS] [OPTIONS]',
    section(
      'Commands',
      commands.map(({ name, summary }) => [name, summary] as const),
    ),
    section('Options of every command', optionLines(commonOptions)),
    section('Exit codes', codes),
    'More about a command: unskew COMMAND --help',
  ].join('\n\n');
}

const optionLines = (options: Options): (readonly [string, string])[] =>
  Object.entries(options).map(([name, option]) => [optionSpelling(name, option), option.doc] as const);

function section(title: string, pairs: readonly (readonly [string, string])[]): string {
  const nameWidth = Math.max(...pairs.map(([name]) => name.length));
  const lines = pairs.flatMap(([name, text]) =>
    wrap(text, WIDTH - nameWidth - 4).map((line, i) => [i === 0 ? name : '', line] as const),
  );
  return `${title}:\n${formatPairs(lines, '  ')}`;
}
