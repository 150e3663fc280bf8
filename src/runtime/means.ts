/** The memory and threads that a model needs, and the errors when the system has no more of them. */
import type { Step, Steps } from '../codegen/index.ts';
import { fail, messageOf, systemCode, UnskewError } from '../diagnostics/index.ts';
import { checkNeed, type Graph, memoryNeed, refuseNeed, refuseTooLarge } from '../ir/index.ts';

/**
 * Plans of which the sessions are still to be made: they hold scratchpads and layouts that the graph does not tell of.
 *
 * @throws UnskewError U1006
 */
export function refuseTooLargePlans(graph: Graph, steps: readonly Step[]): void {
  const scratch = new Map(
    steps.flatMap(({ part, plan }) => part.nodes.map((node) => [node.id, plan.scratch] as const)),
  );
  refuseTooLarge(graph, 'now', (node) => scratch.get(node.id)?.(node) ?? 0);
  const { node } = memoryNeed(graph);
  checkNeed(graph, { bytes: steps.reduce((sum, { plan }) => sum + plan.bytes, 0), node }, 'now');
}

/** The resource that was exhausted when the addon or JavaScript threw the error. */
function lackOf(error: unknown): 'memory' | 'threads' | undefined {
  if (!(error instanceof Error) || error instanceof UnskewError) return undefined;
  const code = systemCode(error);
  if (code === 'ERR_OUT_OF_THREADS') return 'threads';
  const isOfArrays = /^(Array buffer allocation failed|Invalid typed array length)/.test(error.message);
  return code === 'ERR_OUT_OF_MEMORY' || (error instanceof RangeError && isOfArrays) ? 'memory' : undefined;
}

/**
 * Runs `body`, which may find the system without memory or threads.
 *
 * @param graph asked for when that happens
 * @throws UnskewError U1006 for memory, U5002 for threads; any other error of `body`
 */
export function withinMeans<T>(graph: () => Graph, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw explained(error, graph());
  }
}

/** The same for work in steps. */
export function* stepsWithinMeans<T>(graph: () => Graph, work: Steps<T>): Steps<T> {
  try {
    return yield* work;
  } catch (error) {
    throw explained(error, graph());
  }
}

/** The error as a user should see it. */
export function explained(error: unknown, graph: Graph): unknown {
  const lack = lackOf(error);
  if (lack === undefined) return changedFile(error) ?? error;
  const message = messageOf(error);
  try {
    if (lack === 'memory') refuseNeed(graph, memoryNeed(graph), message);
    fail(
      'U5002',
      `the system gives no more threads: ${message}`,
      {},
      'fewer threads may do (threads in the API, --threads on the command line), or a higher limit (ulimit -u)',
    );
  } catch (coded) {
    return coded;
  }
}

/** The error as a user should see it, of a held file that was written to. */
export function changedFile(error: unknown): UnskewError | undefined {
  if (systemCode(error) !== 'ERR_FILE_CHANGED') return undefined;
  return new UnskewError([
    {
      code: 'U1001',
      severity: 'error',
      message: `the file of the model has changed since it was compiled, and its weights are needed again: ${messageOf(error)}`,
      location: {},
      hint: 'compile the model again',
    },
  ]);
}
