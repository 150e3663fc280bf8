/** The findings about one file. */
import { formatDiagnostic, InternalError, UnskewError } from '../../src/diagnostics/index.ts';
import { type Graph, nodesOf } from '../../src/ir/index.ts';

/** The last stage that a file reached. */
export const stages = ['refused', 'imported', 'executed'] as const;
export type Stage = (typeof stages)[number];

/**
 * `uncaught`: an error without a code. `internal`: one of the code that says it is ours. `nowhere`: a code without a location.
 * `invalid`: a graph that the verifier refuses. `text`: printed and parsed it is another graph. `differs`: other numbers.
 * `died`, `hang`, `memory`: the end of the process. `peer`: other numbers than ONNX Runtime's. /
 */
export type FindingClass =
  | 'uncaught'
  | 'internal'
  | 'nowhere'
  | 'invalid'
  | 'text'
  | 'differs'
  | 'died'
  | 'hang'
  | 'memory'
  | 'peer';

export interface Finding {
  readonly class: FindingClass;
  /** The step at which it happened. */
  readonly during: string;
  readonly message: string;
  /** The same for reports of what is most likely one fault. */
  readonly signature: string;
}

export interface Report {
  readonly stage: Stage;
  readonly codes: readonly string[];
  /** Operators that were executed. */
  readonly operators: readonly string[];
  /** The reason why it was not executed, or not compared with another engine. */
  readonly skipped?: string;
  readonly findings: readonly Finding[];
}

export class Examination {
  #stage: Stage = 'refused';
  #skipped: string | undefined;
  readonly #codes = new Set<string>();
  readonly #operators = new Set<string>();
  readonly #findings: Finding[] = [];
  readonly #begin: (during: string) => void;

  /** @param begin is told each step before it begins, which may be the last */
  constructor(begin: (during: string) => void = () => {}) {
    this.#begin = begin;
  }

  reached(stage: Stage): void {
    this.#stage = stage;
  }

  skip(why: string): void {
    this.#skipped ??= why;
  }

  executed(graph: Graph): void {
    this.#stage = 'executed';
    for (const { op } of nodesOf(graph)) this.#operators.add(op);
  }

  found(kind: FindingClass, during: string, message: string): void {
    this.#findings.push(findingOf(kind, during, message));
  }

  /** Does something that may be refused with a code; undefined where it was. Any other error is a finding. */
  async refusing<T>(during: string, body: () => T | Promise<T>): Promise<T | undefined> {
    this.#begin(during);
    try {
      return await body();
    } catch (error) {
      if (error instanceof UnskewError) this.#refused(error, during);
      else {
        const kind = error instanceof InternalError ? 'internal' : 'uncaught';
        this.found(kind, during, (error as Error)?.stack ?? String(error));
      }
      return undefined;
    }
  }

  /** Does something that may not be refused either. */
  async holding<T>(during: string, body: () => T | Promise<T>): Promise<T | undefined> {
    return this.refusing(during, async () => {
      try {
        return await body();
      } catch (error) {
        if (!(error instanceof UnskewError)) throw error;
        this.found('differs', during, error.message);
        return undefined;
      }
    });
  }

  #refused(error: UnskewError, during: string): void {
    this.#codes.add(error.code);
    const [first] = error.diagnostics;
    if (first.code === 'U9001') this.found('internal', during, formatDiagnostic(first));
    else if (during === 'import' && first.location.file === undefined)
      this.found('nowhere', during, formatDiagnostic(first));
  }

  report(): Report {
    return {
      stage: this.#stage,
      codes: [...this.#codes],
      operators: [...this.#operators],
      ...(this.#skipped && { skipped: this.#skipped }),
      findings: this.#findings,
    };
  }
}

export const findingOf = (kind: FindingClass, during: string, message: string): Finding => ({
  class: kind,
  during,
  message,
  signature: `${kind} ${during} ${signatureOf(message)}`,
});

/** The first line without drawn parts (numbers, names in quotes), and the innermost frame of ours. */
function signatureOf(message: string): string {
  const [first] = message.split('\n');
  const frame = /\/src\/([\w/.]+):\d+:\d+/.exec(message)?.[1] ?? '';
  return `${first.replace(/'[^']*'|"[^"]*"|%\S+/g, '…').replace(/-?\d[\d.e+]*/g, '#')} ${frame}`.trim().slice(0, 160);
}
