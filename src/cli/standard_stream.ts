/** Standard output and standard error of this process: all of a text is written, and whatever stops that is kept for the end. */
import { fstatSync, writeSync } from 'node:fs';
import type { Sink } from './terminal.ts';

export class StandardStream implements Sink {
  readonly #stream: NodeJS.WriteStream & { readonly fd: number };
  readonly #isWrittenAtOnce: boolean;
  #pending: Promise<unknown> = Promise.resolve();
  #failure: NodeJS.ErrnoException | undefined;

  constructor(stream: NodeJS.WriteStream & { readonly fd: number }) {
    this.#stream = stream;
    this.#isWrittenAtOnce = isWrittenAtOnce(stream);
    stream.on('error', (error) => this.#fail(error));
  }

  get isTTY(): boolean {
    return this.#stream.isTTY === true;
  }

  get columns(): number {
    return this.#stream.columns;
  }

  /** The error that ended the writing for good. A closed pipe is not a failure: its reader has seen enough. */
  get failure(): NodeJS.ErrnoException | undefined {
    return this.#failure?.code === 'EPIPE' ? undefined : this.#failure;
  }

  /** Drops the text when an earlier one could not be written: the command goes on, for it may write files as well. */
  write(text: string): void {
    if (this.#failure === undefined) void this.send(Buffer.from(text)).catch((error) => this.#fail(error));
  }

  /** Is done when all of it is written; rejects when it is not. */
  send(contents: Uint8Array): Promise<void> {
    const sent = this.#isWrittenAtOnce
      ? writeAll(this.#stream.fd, contents)
      : new Promise<void>((resolve, reject) => {
          this.#stream.write(contents, (error) => (error ? reject(error) : resolve()));
        });
    this.#pending = Promise.allSettled([this.#pending, sent]);
    return sent;
  }

  /** Is done when all that was written has left the process, or cannot. */
  async flush(): Promise<void> {
    await this.#pending;
  }

  #fail(error: NodeJS.ErrnoException): void {
    this.#failure ??= error;
  }
}

/** Files and devices. Node.js loses what a nearly full disk does not take of them: its streams do not look how much was written. */
function isWrittenAtOnce({ fd, isTTY }: NodeJS.WriteStream & { readonly fd: number }): boolean {
  const stat = fstatSync(fd);
  return !isTTY && !stat.isFIFO() && !stat.isSocket();
}

/** At once, although it gives a promise: what is written by two calls stays in order. */
async function writeAll(descriptor: number, contents: Uint8Array): Promise<void> {
  for (let at = 0; at < contents.length; ) at += writeSync(descriptor, contents, at);
}
