/** The streams of a command: results go to stdout, everything else to stderr. */
import { type Diagnostic, fail, formatDiagnostic, systemHint, systemReason } from '../diagnostics/index.ts';
import { UsageError } from './usage_error.ts';

/** Standard input or standard output, where a path stands. */
export const STANDARD_STREAM = '-';
/** The name of standard input in messages. */
export const STANDARD_INPUT = '(standard input)';
export const STANDARD_OUTPUT = '(standard output)';

/** The profile that a model was read with, and notes on the reading. */
export interface ReadAs {
  readonly profile?: string;
  readonly notes?: readonly Diagnostic[];
}

/** The part of a stream that is used here; `process.stdout` has it. */
export interface Sink {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface Streams {
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** Writes a file to stdout, and is done when all of it is written. */
  readonly sendFile: (contents: Uint8Array) => Promise<void>;
  /** The whole of standard input. */
  readonly readStdin: () => Promise<Uint8Array>;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface Verbosity {
  readonly verbose: boolean;
  readonly quiet: boolean;
}

const colours = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;
export type Colour = keyof typeof colours;
export type Paint = (colour: Colour, text: string) => string;

/** Control characters in names of a model must not reach the terminal; line breaks and our own colours may. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /\x1b(?!\[\d*m)|[\x00-\x09\x0b-\x1a\x1c-\x1f\x7f-\x9f]/g;
const harmless = (text: string): string =>
  text.replace(CONTROL, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);

export class Terminal {
  readonly #streams: Streams;
  readonly verbose: boolean;
  readonly quiet: boolean;
  #hasProgress = false;
  #hasReadStdin = false;
  /** True when stdout carries a file: results then go to stderr. */
  #carriesFile = false;
  #told: ReadAs | undefined;

  constructor(streams: Streams, { verbose, quiet }: Verbosity) {
    this.#streams = streams;
    this.verbose = verbose;
    this.quiet = quiet;
  }

  /** @throws UsageError at the second reading, UnskewError U1001 */
  readonly readStdin = async (): Promise<Uint8Array> => {
    if (this.#hasReadStdin) throw new UsageError('standard input (-) is named twice, and can be read once');
    this.#hasReadStdin = true;
    try {
      return await this.#streams.readStdin();
    } catch (error) {
      return fail('U1001', `it cannot be read: ${systemReason(error)}`, { file: STANDARD_INPUT });
    }
  };

  /** Says that stdout is for a file alone: from now on everything else goes to stderr. @throws UsageError at the second time */
  claimStdout(): void {
    if (this.#carriesFile) throw new UsageError('standard output (-) is named twice, and takes one file');
    this.#carriesFile = true;
  }

  /** A file for stdout, which has been claimed. @throws UnskewError U1007 when nobody reads it to its end */
  async sendFile(contents: Uint8Array): Promise<void> {
    this.clearProgress();
    try {
      await this.#streams.sendFile(contents);
    } catch (error) {
      const hint = systemHint(error, 'write');
      fail('U1007', `the file cannot be written: ${systemReason(error)}`, { file: STANDARD_OUTPUT }, hint);
    }
  }

  /** The result of a command, for people. */
  print(text: string): void {
    this.write(`${harmless(text)}\n`);
  }

  /** Output as it is: IR, JSON. */
  write(text: string): void {
    this.clearProgress();
    (this.#carriesFile ? this.#streams.stderr : this.#streams.stdout).write(text);
  }

  /** Prints notes on the reading of a model at once; those of the first model also appear in the result of --json. */
  tell({ profile, notes = [] }: ReadAs): void {
    this.#told ??= { ...(profile !== undefined && { profile }), ...(notes.length > 0 && { notes }) };
    for (const note of notes) this.note(formatDiagnostic(note));
  }

  get told(): ReadAs {
    return this.#told ?? {};
  }

  /** Advice and notes. */
  note(text: string): void {
    if (!this.quiet) this.error(text);
  }

  error(text: string): void {
    this.clearProgress();
    this.#streams.stderr.write(`${harmless(text)}\n`);
  }

  /** Overwrites the line of progress; only on a terminal. */
  progress(text: string): void {
    const { stderr } = this.#streams;
    if (this.quiet || !stderr.isTTY) return;
    stderr.write(`\r\x1b[K${harmless(text).slice(0, (stderr.columns ?? 80) - 1)}`);
    this.#hasProgress = true;
  }

  /** Shows the progress of proofs. */
  readonly proving = (done: number, of: number): void => this.progress(`proving: ${done} of ${of}`);

  clearProgress(): void {
    if (!this.#hasProgress) return;
    this.#streams.stderr.write('\r\x1b[K');
    this.#hasProgress = false;
  }

  /** For text on stdout. */
  readonly paint: Paint = (colour, text) => this.#painted(this.#streams.stdout, colour, text);
  /** For text on stderr. */
  readonly paintError: Paint = (colour, text) => this.#painted(this.#streams.stderr, colour, text);

  #painted(sink: Sink, colour: Colour, text: string): string {
    const isColoured = sink.isTTY === true && !this.#streams.env.NO_COLOR;
    return isColoured ? `\x1b[${colours[colour]}m${text}\x1b[0m` : text;
  }
}
