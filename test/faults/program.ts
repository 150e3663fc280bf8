/** The program as a process, in a shell. */
import { execFile } from 'node:child_process';
import { program, root } from '../support/program.ts';

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a line of bash in which `unskew` is the program. */
export const shell = (line: string, env: Readonly<Record<string, string>> = {}): Promise<Ended> =>
  new Promise((resolve) => {
    execFile(
      'bash',
      ['-c', `unskew() { ${[process.execPath, ...program].join(' ')} "$@"; }; ${line}`],
      { cwd: root, env: { ...process.env, ...env } },
      (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
