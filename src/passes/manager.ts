/**
 * Runs pipelines: verifies after every pass, measures, calls back between passes (printing uses this one hook), and
 * turns a crash inside a pass into a reproducer on disk.
 */

import { type Diagnostic, InternalError, UnskewError } from '../diagnostics/index.ts';
import { type Graph, print, verify } from '../ir/index.ts';
import { platform } from '../platform/index.ts';
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
    } = guarded(before, passCommand(pass), options, () =>
      pass.run(before, {
        target: options.target,
        ...(options.onMiss && { onMiss: options.onMiss }),
        note: (diagnostic) => notes.push(diagnostic),
      }),
    );
    const step = { pass: pass.name, milliseconds: performance.now() - start, events, patches, inversePatches };
    trace.push(step);
    if (after === before) continue;
    guarded(before, passCommand(pass), options, () => {
      const violations = verify(after, pass.to);
      if (violations.length > 0)
        throw new InternalError(`the graph is broken after ${pass.name}:\n${new UnskewError(violations).message}`);
    });
    graph = after;
    options.afterPass?.(pass, graph, step);
  }
  return { graph, trace, notes };
}

/** The task on a graph, and the arguments of the command that repeats it. */
export interface Guarded {
  readonly name: string;
  readonly replay: readonly string[];
}

const passCommand = ({ name }: Pass): Guarded => ({ name, replay: ['opt', `--passes=${name}`] });

/** Runs `body`; an error that is not the user's is written to disk together with the given graph. */
export function guarded<T>(
  graph: Graph,
  { name, replay: [command, ...options] }: Guarded,
  { reproducers = 'reproducers' }: Pick<PipelineOptions, 'reproducers'>,
  body: () => T,
): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof UnskewError) throw error;
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const replay = (file: string): string => ['unskew', command, file, ...options].join(' ');
    const file = platform.writeReproducer(
      reproducers,
      name,
      '.qir',
      (path) => `// ${replay(path)}\n${stack.replace(/^/gm, '// ')}\n${print(graph)}`,
    );
    const message = error instanceof Error ? error.message : String(error);
    const written =
      file === undefined
        ? 'No reproducer could be written, neither here nor into the folder for temporary files.'
        : `A reproducer was written: ${file}\nReplay it with: ${replay(file)}`;
    throw new InternalError(`${name}: ${message}\n${written}`, { cause: error });
  }
}
