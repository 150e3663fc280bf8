/** A command is one declared object: help, docs/cli.md and usage errors derive from it. */
import { type Arguments, flag, type Options, type Values } from './options.ts';
import type { Terminal } from './terminal.ts';

export interface Example {
  readonly command: string;
  readonly does: string;
}

export interface Command<A extends Arguments = Arguments, O extends Options = Options, R = unknown> {
  readonly name: string;
  /** One line. */
  readonly summary: string;
  /** Further paragraphs of the help text. */
  readonly description?: readonly string[];
  readonly arguments: A;
  readonly options: O;
  readonly examples: readonly Example[];
  /** The result: plain data, printed as it is by --json. */
  run(values: Values<A, O>, terminal: Terminal): Promise<R>;
  /** The result for people; undefined when all has been written. */
  format(result: R, terminal: Terminal): string | undefined;
  /** True when the result means that a check failed: exit code 3. */
  failed?(result: R): boolean;
}

/** Any command, its parameters forgotten: it runs with the values that its own declaration has read. */
export interface AnyCommand extends Omit<Command, 'run'> {
  run(values: Readonly<Record<string, unknown>>, terminal: Terminal): Promise<unknown>;
}

export function defineCommand<const A extends Arguments, const O extends Options, R>(
  command: Command<A, O, R>,
): Command<A, O, R> {
  return Object.freeze(command);
}

/** Options that every command has. */
export const commonOptions = {
  json: flag('Print the result as one JSON object on stdout; everything else goes to stderr'),
  verbose: flag('Say more: every layer, notes of passes, the stack of an internal error', 'v'),
  quiet: flag('Say nothing but errors; the exit code and the files written tell the rest', 'q'),
  help: flag('Show this help', 'h'),
} satisfies Options;

export const exitCodes = {
  done: 0,
  fault: 1,
  usage: 2,
  failedCheck: 3,
  internal: 70,
} as const;

export const exitCodeDocs: Readonly<Record<keyof typeof exitCodes, string>> = {
  done: 'done',
  fault: 'the model or an input is at fault',
  usage: 'the command line is at fault',
  failedCheck: 'a check failed',
  internal: 'a bug in unskew; a report is written and named',
};
