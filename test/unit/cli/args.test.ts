import { describe, expect, test } from 'vitest';
import { parseLine } from '../../../src/cli/args.ts';
import {
  argument,
  assignments,
  choice,
  filesByName,
  flag,
  list,
  optionalArgument,
  optionalWhole,
  text,
  whole,
} from '../../../src/cli/options.ts';
import { UsageError } from '../../../src/cli/usage_error.ts';
import { closest } from '../../../src/diagnostics/index.ts';
import { defineCommand } from '../../support/command.ts';

const command = defineCommand({
  name: 'try',
  summary: 'Try',
  arguments: { model: argument('MODEL', ''), node: optionalArgument('NODE', '') },
  options: {
    output: text('FILE', '', 'o'),
    threads: whole('N', '', 1),
    check: optionalWhole('N', '', 3),
    perNode: flag(''),
    input: filesByName('NAME=FILE', ''),
    shape: assignments('NAME=SIZES', ''),
    against: list('SIDE', ''),
    backend: choice(['onednn', 'reference'], ''),
  },
  examples: [],
  run: async () => undefined,
  format: () => undefined,
});
const values = (...args: string[]) => parseLine(command, args).values;

describe('a command line', () => {
  test('defaults', () => {
    expect(values('m')).toEqual({
      model: 'm',
      node: undefined,
      output: undefined,
      threads: undefined,
      check: undefined,
      perNode: false,
      input: [],
      shape: new Map(),
      against: [],
      backend: 'onednn',
    });
  });

  test('every kind of option', () => {
    const line = [
      '-o',
      'out',
      '--threads=2',
      'm',
      '--check',
      'n',
      '--per-node',
      '--input',
      'x=a=b.npy',
      '--input=y=c',
      '--shape=a=b=1,2',
    ];
    expect(values(...line, '--against', 'a', '--against', 'b', '--backend', 'reference')).toMatchObject({
      model: 'm',
      node: 'n',
      output: 'out',
      threads: 2,
      check: 3,
      perNode: true,
      input: ['x=a=b.npy', 'y=c'],
      shape: new Map([['a=b', '1,2']]),
      against: ['a', 'b'],
      backend: 'reference',
    });
    expect(values('m', '--check=7')).toMatchObject({ check: 7 });
    expect(values('m', '-o', '-')).toMatchObject({ output: '-' });
    expect(values('--', '--odd-name')).toMatchObject({ model: '--odd-name' });
  });

  test.each([
    [[], 'MODEL is missing'],
    [['m', 'n', 'o'], "the argument 'o' is one too many"],
    [['m', '--thread', '2'], '--thread is not an option of try; did you mean --threads?'],
    [['m', '-z'], '-z is not an option of try'],
    [['m', '--threads'], '--threads needs a value: N'],
    [['m', '--output', '--json'], '--output needs a value: FILE'],
    [['m', '--threads', '0'], "--threads: '0' is not a whole number from 1"],
    [['m', '--threads', '1e3'], "--threads: '1e3' is not a whole number from 1"],
    [['m', '--per-node=yes'], '--per-node takes no value'],
    [['m', '--input', 'x'], "--input: 'x' is not of the form NAME=FILE"],
    [['m', '--backend', 'cuda'], "--backend: 'cuda' is not one of: onednn, reference"],
    [['m', '--check=some'], "--check: 'some' is not a whole number from 1"],
  ] as const)('%j is refused', (args, message) => {
    expect(() => values(...args)).toThrow(expect.objectContaining({ name: UsageError.name, message }));
  });

  test('help wins over faults', () => {
    expect(parseLine(command, ['--nonsense', '-h']).common.help).toBe(true);
  });
});

test('near misses are within two edits', () => {
  expect(closest('bnech', ['bench', 'check'])).toBe('bench');
  expect(closest('x', ['run'])).toBeUndefined();
  expect(closest('optimize', ['opt', 'run'])).toBeUndefined();
});
