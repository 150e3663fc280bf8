#!/usr/bin/env node
/** The program `unskew`. */
import { text } from 'node:stream/consumers';
import { cli } from './cli.ts';
import { exitCodes } from './command.ts';

// `unskew … | head` closes the pipe early: nobody reads on, so there is nothing left to do.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) =>
    process.exit(error.code === 'EPIPE' ? exitCodes.done : exitCodes.internal),
  );
}

// Set and not called: what is still in the pipes is written first.
process.exitCode = await cli(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  readStdin: () => text(process.stdin),
  env: process.env,
});
