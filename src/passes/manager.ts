/**
 * Runs pipelines: verifies after every pass, measures, calls back between passes (printing hangs on that one hook), and
 * turns a crash inside a pass into a reproducer on disk.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Diagnostic, InternalError, UnskewError } from '../diagnostics/index.ts';
import { type Graph, print, verify } from '../ir/index.ts';
import type { Pass, PassTrace } from './pass.ts';
import type { Miss } from './rewrite/rule.ts';
import type { Target } from './target.ts';

export interface PipelineOptions {
  readonly target: Target;
  readonly onMiss?: (miss: Miss) => void;
  /** Called after every pass that changed something. */
  readonly afterPass?: (pass: Pass, graph: Graph, trace: PassTrace) => void;
  /** Folder for reproducers of internal faults; the current folder's `reproducers` otherwise. */
  readonly reproducers?: string;
}

export interface PipelineResult {
  readonly graph: Graph;
  readonly trace: readonly PassTrace[];
  readonly notes: readonly Diagnostic[];
}

export function runPipeline(graph: Graph, passes: readonly Pass[], options: PipelineOptions): PipelineResult {
  const trace: PassTrace[] = [];
  const notes: Diagnostic[] = [];
  for (const pass of passes) {
    const before = graph;
    const start = performance.now();
    const {
      graph: after,
      events = [],
      patches = [],
      inversePatches = [],
    } = guarded(before, pass, options, () =>
      pass.run(before, {
        target: options.target,
        ...(options.onMiss && { onMiss: options.onMiss }),
        note: (diagnostic) => notes.push(diagnostic),
      }),
    );
    const step = { pass: pass.name, milliseconds: performance.now() - start, events, patches, inversePatches };
    trace.push(step);
    if (after === before) continue;
    guarded(before, pass, options, () => {
      const violations = verify(after, pass.to);
      if (violations.length > 0)
        throw new InternalError(`the graph is broken after ${pass.name}:\n${new UnskewError(violations).message}`);
    });
    graph = after;
    options.afterPass?.(pass, graph, step);
  }
  return { graph, trace, notes };
}

/** Runs `body`; whatever is not the user's fault is written to disk together with the graph the pass was given. */
function guarded<T>(graph: Graph, pass: Pass, { reproducers = 'reproducers' }: PipelineOptions, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof UnskewError) throw error;
    const file = writeReproducer(graph, reproducers, pass.name, error);
    const message = error instanceof Error ? error.message : String(error);
    throw new InternalError(
      `${pass.name}: ${message}\nA reproducer was written: ${file}\nReplay it with: unskew opt ${file} --passes=${pass.name}`,
      { cause: error },
    );
  }
}

function writeReproducer(graph: Graph, folder: string, pass: string, error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const file = join(folder, `${pass}-${process.pid}-${Date.now()}.qir`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, `// unskew opt --passes=${pass}\n${stack.replace(/^/gm, '// ')}\n${print(graph)}`);
  return file;
}
