import { describe, expect, test } from 'vitest';
import { commands } from '../../../src/cli/command_table.ts';
import { argument, flag, text } from '../../../src/cli/options.ts';
import { defineCommand } from '../../support/command.ts';
import { unskew } from './support.ts';

const shout = defineCommand({
  name: 'shout',
  summary: 'Say it louder',
  description: [
    'Louder than that is not possible, at least not in a terminal, where there is no volume and only letters.',
  ],
  arguments: { what: argument('WORD', 'what to say') },
  options: { twice: flag('Say it twice', 't'), tone: text('NAME', 'How to say it') },
  examples: [{ command: 'unskew shout hello', does: 'a greeting' }],
  run: async ({ what, twice }) => ({ said: twice ? `${what} ${what}` : what }),
  format: ({ said }) => said.toUpperCase(),
});

describe('help', () => {
  test('of a command', async () => {
    const { stdout, code } = await unskew(['shout', '--help'], { commands: [shout] });
    expect(code).toBe(0);
    expect(stdout).toBe(`Say it louder.

Louder than that is not possible, at least not in a terminal, where there is no volume and only
letters.

Usage: unskew shout WORD [OPTIONS]

Arguments:
  WORD  what to say

Options:
  -t, --twice    Say it twice
  --tone NAME    How to say it
  --json         Print the result as one JSON object on stdout; everything else goes to stderr
  -v, --verbose  Say more: every layer, notes of passes, the stack of an internal error
  -q, --quiet    Say nothing but errors; the exit code and the files written tell the rest
  -h, --help     Show this help

Examples:
  unskew shout hello
      a greeting
`);
  });

  test('in general', async () => {
    const { stdout } = await unskew(['--help'], { commands: [shout] });
    expect(stdout).toMatch(/^unskew \d+\.\d+\.\d+\. Quantized ONNX graphs in, exact int8 execution out\.\n/);
    expect(stdout).toContain('Commands:\n  shout  Say it louder\n');
    expect(stdout).toContain('Exit codes:\n  0   done\n');
  });

  test.each([['help'], ['-h'], ['--help']])('%s is help', async (word) => {
    expect((await unskew([word])).stdout).toBe((await unskew(['--help'])).stdout);
    expect((await unskew(['help', 'run'])).stdout).toBe((await unskew(['run', '--help'])).stdout);
  });

  test('nothing at all is a usage error that shows help', async () => {
    const { code, stdout } = await unskew([]);
    expect(code).toBe(2);
    expect(stdout).toContain('Usage: unskew COMMAND');
  });

  test('every command, every line within 100 columns', async () => {
    for (const { name } of commands)
      for (const line of (await unskew([name, '--help'])).stdout.split('\n'))
        expect(line.length).toBeLessThanOrEqual(100);
  });
});

test('results: for people, as JSON, and not at all', async () => {
  const setting = { commands: [shout] };
  expect(await unskew(['shout', 'hi', '-t'], setting)).toEqual({ code: 0, stdout: 'HI HI\n', stderr: '' });
  expect((await unskew(['shout', 'hi', '--json'], setting)).stdout).toBe('{\n  "said": "hi"\n}\n');
  expect((await unskew(['shout', 'hi', '-q'], setting)).stdout).toBe('');
});
