/**
 * Standard output and standard error of this process. All of a text is written; an error that prevents it is kept for
 * the end.
 */
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

  /** Resolves when everything that was written has left the process, or cannot leave it. */
  async flush(): Promise<void> {
    await this.#pending;
  }

  #fail(error: NodeJS.ErrnoException): void {
    this.#failure ??= error;
  }
}

/**
 * True for files and devices. Streams of Node.js do not check how much was written, and so lose text on a nearly full
 * disk.
 */
function isWrittenAtOnce({ fd, isTTY }: NodeJS.WriteStream & { readonly fd: number }): boolean {
  const stat = fstatSync(fd);
  return !isTTY && !stat.isFIFO() && !stat.isSocket();
}

/** Writes before it returns a promise, so that the texts of two calls stay in order. */
async function writeAll(descriptor: number, contents: Uint8Array): Promise<void> {
  for (let at = 0; at < contents.length; ) at += writeSync(descriptor, contents, at);
}
