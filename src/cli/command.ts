/** A command is one declared object, from which help, docs/cli.md and usage errors derive, and its work, which is loaded when it runs. */
import { type Arguments, flag, type Options, type Values } from './options.ts';
import type { Terminal } from './terminal.ts';

export interface Example {
  readonly command: string;
  readonly does: string;
}

/** The declaration of a command: all that help tells, without the code that does its work. */
export interface Declaration<A extends Arguments = Arguments, O extends Options = Options> {
  readonly name: string;
  /** One line. */
  readonly summary: string;
  /** Further paragraphs of the help text. */
  readonly description?: readonly string[];
  readonly arguments: A;
  readonly options: O;
  readonly examples: readonly Example[];
}

/** The work of a command, from the values that its declaration has read. */
export interface Work<V, R> {
  /** The result: plain data, printed as it is by --json. */
  run(values: V, terminal: Terminal): Promise<R>;
  /** The result for people; undefined when all has been written. */
  format(result: R, terminal: Terminal): string | undefined;
  /** True when the result means that a check failed: exit code 3. */
  failed?(result: R): boolean;
}

/** Any command, its parameters forgotten: its work takes the values that its own declaration has read. */
export interface AnyCommand extends Declaration {
  /** Loads the code of the command. */
  load(): Promise<Work<Readonly<Record<string, unknown>>, unknown>>;
}

export function declareCommand<const A extends Arguments, const O extends Options>(
  declaration: Declaration<A, O>,
): Declaration<A, O> {
  return Object.freeze(declaration);
}

/** Types the work of the command D. */
export const workOf =
  <D extends Declaration>() =>
  <R>(work: Work<Values<D['arguments'], D['options']>, R>): typeof work =>
    work;

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
