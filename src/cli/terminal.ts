/** Where a command writes: results on stdout, everything else on stderr. */

/** What a stream has to do; `process.stdout` does. */
export interface Sink {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface Streams {
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** The whole of standard input. */
  readonly readStdin: () => Promise<string>;
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

  constructor(streams: Streams, { verbose, quiet }: Verbosity) {
    this.#streams = streams;
    this.verbose = verbose;
    this.quiet = quiet;
  }

  readonly readStdin = (): Promise<string> => this.#streams.readStdin();

  /** The result of a command, for people. */
  print(text: string): void {
    this.write(`${harmless(text)}\n`);
  }

  /** Output as it is: IR, JSON. */
  write(text: string): void {
    this.clearProgress();
    this.#streams.stdout.write(text);
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
