/** The messages between a thread that compiles and the one that asked it. */
import type { TargetDescription } from '../../codegen/index.ts';
import { type Diagnostic, InternalError, UnskewError } from '../../diagnostics/index.ts';
import type { StrategyReport } from '../../passes/index.ts';
import type { FileAgain } from '../at_sizes.ts';
import type { CompileOptions } from '../compile_options.ts';
import type { OwnFile } from '../own_file.ts';
import type { Sent, SentAccount, SentGraph } from './sent.ts';

/** A file, by the path that messages show and the absolute one; bytes; or one graph. */
export type SentSource =
  | { readonly file: string; readonly path: string }
  | { readonly bytes: Uint8Array }
  | { readonly graph: Sent<SentGraph> };

export interface Request {
  readonly id: number;
  readonly source: SentSource;
  readonly options: Omit<CompileOptions, 'onProof'>;
  /** Whether proofs are told. */
  readonly tellProofs: boolean;
}

/** A compilation. */
export interface Made {
  readonly stages: Sent<SentStages>;
  readonly target: TargetDescription;
  readonly strategies: readonly StrategyReport[];
  /** The file whose memory the constants lie in. */
  readonly file?: OwnFile;
  /** The file of a model that is read anew at sizes of a run. */
  readonly again?: FileAgain;
}

/** The graph that runs, and what proofs need. */
export interface SentStages {
  readonly graph: SentGraph;
  /** Of `Proofs`, serialized: they are several times as large as the graph, and mostly nobody reads them. */
  readonly proofs: Uint8Array;
  readonly hasBodies: boolean;
}

/** The graph behind selection, and the account of those before. */
export interface Proofs {
  readonly selected: SentGraph;
  readonly account: SentAccount;
}

export type Answer =
  | { readonly id: number; readonly made: Made }
  | { readonly id: number; readonly proof: readonly [done: number, of: number] }
  | { readonly id: number; readonly failure: Failure };

export type Failure =
  | { readonly diagnostics: readonly Diagnostic[] }
  | { readonly internal: string; readonly stack: string | undefined }
  | { readonly error: unknown };

/** An error as plain data: classes do not cross threads. */
export function failureOf(error: unknown): Failure {
  if (error instanceof UnskewError) return { diagnostics: error.diagnostics };
  if (error instanceof InternalError) return { internal: error.message, stack: error.stack };
  return { error };
}

export function errorOf(failure: Failure): unknown {
  if ('diagnostics' in failure) return new UnskewError(failure.diagnostics);
  if ('error' in failure) return failure.error;
  const error = new InternalError(failure.internal);
  if (failure.stack !== undefined) error.stack = failure.stack;
  return error;
}
