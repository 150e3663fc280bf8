#!/usr/bin/env node
/** The program `unskew`. */
import { fstatSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { formatDiagnostic, systemReason } from '../diagnostics/index.ts';
import { cli } from './cli.ts';
import { exitCodes } from './command.ts';
import { StandardStream } from './standard_stream.ts';
import { STANDARD_OUTPUT } from './terminal.ts';

const stdout = new StandardStream(process.stdout);
const stderr = new StandardStream(process.stderr);

// Rejections that nobody awaits are reported too, and end the command.
let stop: (error: unknown) => void = () => {};
const unawaited = new Promise<never>((_resolve, reject) => {
  stop = reject;
});
process.once('uncaughtException', stop);

const streams = {
  stdout,
  stderr,
  sendFile: (contents: Uint8Array) => stdout.send(contents),
  readStdin,
  env: process.env,
};
const code = await cli(process.argv.slice(2), streams, { unawaited });
process.off('uncaughtException', stop);
await stdout.flush();
if (stdout.failure !== undefined) stderr.write(`${unwritten(stdout.failure)}\n`);
await stderr.flush();

/** Node.js reads a folder as if it were empty. */
async function readStdin(): Promise<Uint8Array> {
  if (fstatSync(process.stdin.fd).isDirectory()) throw Object.assign(new Error('EISDIR'), { code: 'EISDIR' });
  return buffer(process.stdin);
}

function unwritten(error: NodeJS.ErrnoException): string {
  const message = `the output cannot be written: ${systemReason(error)}`;
  return formatDiagnostic({ code: 'U1007', severity: 'error', message, location: { file: STANDARD_OUTPUT } });
}

const isLost = stdout.failure !== undefined || stderr.failure !== undefined;
// Set and not called: native threads end first. After an internal error nobody knows what still runs.
process.exitCode = code === exitCodes.done && isLost ? exitCodes.fault : code;
if (code === exitCodes.internal) process.exit();
