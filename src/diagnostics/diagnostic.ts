/**
 * Messages about a fault in a model or an input: what is wrong, where, why, and what to do next.
 *
 * Every code is declared once, in `codes`; docs and tests derive from that table.
 */
export type Severity = 'error' | 'warning' | 'note';

/** file › node › input: each part optional, outermost first. */
export interface Location {
  readonly file?: string;
  readonly node?: string;
  readonly op?: string;
  readonly input?: string;
}

/** The table of diagnostic codes. A number once given is never given again. */
export const codes = {
  // the file as such
  U1001: 'the file cannot be read',
  U1002: 'the file is of no known format',
  U1003: 'the file is malformed or truncated',
  U1004: 'the model is not valid for its format',
  U1005: 'external data is missing or outside the folder of the model',
  U1006: 'the model is too large or asks for too much memory',
  U1007: 'the file cannot be written',
  // the graph
  U2001: 'a value is used and never defined',
  U2002: 'a value is defined twice',
  U2003: 'the graph has a cycle',
  U2004: 'an operator has the wrong inputs, outputs or attributes',
  U2005: 'shapes do not fit',
  U2006: 'element types do not fit',
  U2007: 'quantization parameters do not fit',
  U2008: 'the operator is not supported here',
  U2009: 'the level of the graph does not allow this operator',
  U2010: 'the model departs from its format where its meaning is clear, and is read',
  // the textual form
  U3001: 'the textual IR cannot be parsed',
  // feeds and options
  U4001: 'an input is missing, unknown or of the wrong type or shape',
  U4002: 'an option has no such value',
  U4003: 'the file does not say whose arithmetic it follows, and one is taken',
  U4004: 'the command line is at fault',
  // the back end
  U5001: 'the native addon cannot be loaded',
  U5002: 'the native library refused a call',
  U5003: 'this model cannot be run by the chosen back end',
  U5004: 'a compiled file does not fit this version or this machine',
  // a rewrite
  U6001: 'a rewrite did not reach a fixpoint',
  U6002: 'no legal way to correct the zero points was found',
  U6003: 'the chosen strategy is not legal for this layer',
  // ours
  U9001: 'internal error in unskew',
} as const;

export type Code = keyof typeof codes;

export interface Diagnostic {
  readonly code: Code;
  readonly severity: Severity;
  /** One sentence: the fault, with the wrong values. */
  readonly message: string;
  readonly location: Location;
  /** The next step for the user. */
  readonly hint?: string;
}

/** `model.onnx › conv1 (QLinearConv) › x_zero_point` */
export function formatLocation({ file, node, op, input }: Location): string {
  const nodePart = node !== undefined && op !== undefined && node !== op ? `${node} (${op})` : (node ?? op);
  return [file, nodePart, input].filter((part) => part !== undefined && part !== '').join(' › ');
}

/** The lines a user sees. */
export function formatDiagnostic(d: Diagnostic): string {
  const where = formatLocation(d.location);
  const lines = [`${d.severity}[${d.code}]: ${d.message}`];
  if (where) lines.push(`  at ${where}`);
  if (d.hint) lines.push(`  help: ${d.hint}`);
  return lines.join('\n');
}

/** The only error class for faults that a user can cause. Several diagnostics may be collected before it is thrown. */
export class UnskewError extends Error {
  override readonly name = 'UnskewError';
  readonly diagnostics: readonly Diagnostic[];

  constructor(diagnostics: readonly Diagnostic[]) {
    super(diagnostics.map(formatDiagnostic).join('\n'));
    this.diagnostics = diagnostics;
  }

  get code(): Code {
    return this.diagnostics[0].code;
  }
}

/** Throws one located diagnostic. */
export function fail(code: Code, message: string, location: Location = {}, hint?: string): never {
  throw new UnskewError([{ code, severity: 'error', message, location, ...(hint === undefined ? {} : { hint }) }]);
}

/** Adds outer parts to the location of an error that passes by (inner parts win). */
export function withLocation<T>(location: Location, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof UnskewError)) throw error;
    throw new UnskewError(error.diagnostics.map((d) => ({ ...d, location: { ...location, ...d.location } })));
  }
}

/** Our own bug, never the user's: the CLI turns it into exit code 70 and a reproducer. */
export class InternalError extends Error {
  override readonly name = 'InternalError';
}

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InternalError(message);
}
