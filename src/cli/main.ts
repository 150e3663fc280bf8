#!/usr/bin/env node
/** The program `unskew`. */
import { buffer } from 'node:stream/consumers';
import { cli } from './cli.ts';
import { exitCodes } from './command.ts';

let isSending = false;

// `unskew … | head` closes the pipe early: nobody reads on, so there is nothing left to do. A file that is cut is an error,
// which whoever sends it reports.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (isSending && stream === process.stdout) return;
    process.exit(error.code === 'EPIPE' ? exitCodes.done : exitCodes.internal);
  });
}

function sendFile(contents: Uint8Array): Promise<void> {
  isSending = true;
  return new Promise((resolve, reject) => {
    process.stdout.write(contents, (error) => (error ? reject(error) : resolve()));
  });
}

// Set and not called: what is still in the pipes is written first.
process.exitCode = await cli(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  sendFile,
  readStdin: () => buffer(process.stdin),
  env: process.env,
});
