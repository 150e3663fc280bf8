/** Errors into messages and exit codes. */
import { type Diagnostic, formatDiagnostic, UnskewError } from '../diagnostics/index.ts';
import { writeReproducer } from '../runtime/index.ts';
import { exitCodes } from './command.ts';
import { toJson } from './json.ts';
import type { Terminal } from './terminal.ts';
import { UsageError } from './usage_error.ts';

export interface Invocation {
  readonly args: readonly string[];
  readonly version: string;
  readonly json: boolean;
  /** Folder for reports of internal errors. */
  readonly reports: string;
}

type Reported = Pick<Diagnostic, 'message'> & Partial<Diagnostic>;

/** Says what is wrong, as text on stderr or as JSON on stdout, and returns the exit code. */
export function reportError(error: unknown, terminal: Terminal, invocation: Invocation): number {
  const { kind, code, diagnostics, text } = describe(error, terminal, invocation);
  terminal.error(text);
  if (invocation.json) terminal.write(toJson({ error: { kind, diagnostics } }));
  return code;
}

function describe(
  error: unknown,
  terminal: Terminal,
  invocation: Invocation,
): { kind: string; code: number; diagnostics: readonly Reported[]; text: string } {
  const red = (text: string) => terminal.paintError('red', text);
  if (error instanceof UsageError) {
    const { message, hint } = error;
    const text = `${red('usage')}: ${message}${hint === undefined ? '' : `\n  ${hint}`}`;
    const diagnostic = { code: 'U4004', severity: 'error', message, location: {}, ...(hint && { hint }) } as const;
    return { kind: 'usage', code: exitCodes.usage, diagnostics: [diagnostic], text };
  }
  if (error instanceof UnskewError) {
    const { diagnostics } = error;
    const text = diagnostics.map((d) => formatDiagnostic(d).replace(/^[^:]*/, red)).join('\n');
    return { kind: 'model', code: exitCodes.fault, diagnostics, text };
  }
  const message = error instanceof Error ? error.message : String(error);
  const stack = (error instanceof Error && error.stack) || message;
  const report = writeReport(stack, invocation);
  const advice = [
    'This is a bug in unskew, not in your model or your command line.',
    `Please report it, with ${report ?? 'this message, the command line'} and, if you may share it, the model.`,
    ...(terminal.verbose ? [stack] : ['With -v the stack is shown.']),
  ];
  const text = `${red('internal error')}: ${message}\n${advice.map((line) => line.replace(/^/gm, '  ')).join('\n')}`;
  const diagnostic: Reported = {
    code: 'U9001',
    severity: 'error',
    message,
    ...(report !== undefined && { location: { file: report } }),
  };
  return { kind: 'internal', code: exitCodes.internal, diagnostics: [diagnostic], text };
}

/** Writes a report from which the error can be reproduced; undefined when it cannot be written. */
function writeReport(stack: string, { args, version, reports }: Invocation): string | undefined {
  const command = ['unskew', ...args].map((word) =>
    /^[\w./=,:@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`,
  );
  return writeReproducer(reports, `unskew-${process.pid}-${Date.now()}.txt`, () =>
    [
      command.join(' '),
      `in ${workingFolder()}`,
      `unskew ${version}, Node.js ${process.version}, ${process.platform} ${process.arch}`,
      '',
      stack,
      '',
    ].join('\n'),
  );
}

function workingFolder(): string {
  try {
    return process.cwd();
  } catch {
    return 'a folder that is gone';
  }
}
