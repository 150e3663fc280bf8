/**
 * One layer on every engine, each compared with the meaning of the layer, the interpreted imported graph.
 *
 *   quantized    the grouped graph               within the bounds of the grouping
 *   corrected    without zero points             as the quantized graph, integers exactly
 *   compiled     the addon                       as the quantized graph, integers exactly
 *   onnxruntime  the file, and the written file  as the meaning, or by a peculiarity that has a name
 *
 * Outputs that are not equal, element for element, are right only where they follow from a float whose rounding errors leave the
 * choice (src/cli/agreement.ts), and such an integer may be one step off and no more.
 */

import { agreement, type Meaning } from '../../src/cli/agreement.ts';
import { compareOutputs, formatDifference, type Observed, observe, type Tensors } from '../../src/cli/compare.ts';
import { groupsOf } from '../../src/cli/group_slack.ts';
import { onnxRuntimeSide } from '../../src/cli/sides.ts';
import { legalize } from '../../src/codegen/legalize.ts';
import { UnskewError } from '../../src/diagnostics/index.ts';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { openOnnx } from '../../src/formats/onnx/index.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { type Graph, interpret, isFloat, nodesOf } from '../../src/ir/index.ts';
import type { LegalizeResult } from '../../src/passes/legalize_result.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { toFeeds } from '../../src/runtime/feeds.ts';
import { Model } from '../../src/runtime/model.ts';
import { toPublic } from '../../src/tensors/tensor.ts';
import { zeroPointsLeft } from '../faults/zero_points.ts';
import { exceptionOf } from './exceptions.ts';
import type { Feeds, Layer } from './net.ts';
import { type Mode, modes, onnxRuntime, Refused } from './onnxruntime.ts';

export type Verdict = 'equal' | 'tie' | 'refused' | 'excepted' | 'differs';

export interface Outcome {
  /** The subject of the comparison: `meaning`, `onnxruntime` or an instruction set. */
  readonly column: string;
  readonly verdict: Verdict;
  /** The code of a refusal, the name of a peculiarity. */
  readonly code?: string;
  readonly why?: string;
}

/** The imported graph; its refusal. */
export function imported(layer: Layer): Graph | Outcome {
  return guarded('meaning', () => importOnnx(layer.bytes));
}

const isOutcome = (value: unknown): value is Outcome =>
  typeof value === 'object' && value !== null && 'verdict' in value;

/** A coded error is a refusal; anything else a difference, for nothing of ours may end so. */
function guarded<T>(column: string, call: () => T): T | Outcome {
  try {
    return call();
  } catch (error) {
    return failed(column, error);
  }
}

const failed = (column: string, error: unknown): Outcome =>
  error instanceof UnskewError
    ? { column, verdict: 'refused', code: error.code, why: error.message }
    : { column, verdict: 'differs', why: `${error instanceof Error ? error.stack : error}` };

export interface Comparison {
  readonly column: string;
  readonly what: string;
  readonly claim: () => Meaning;
  readonly feeds: Feeds;
  readonly expected: Tensors;
  readonly found: Tensors;
  /** The values along the way, where the engine shows them: one step there counts as one step, without its consequences. */
  readonly observe?: () => Observed | Promise<Observed | undefined> | undefined;
}

/** Equal, a tie or a difference. */
export async function compared({ column, what, claim, feeds, expected, found, observe }: Comparison): Promise<Outcome> {
  const outputs = compareOutputs(expected, found);
  if (outputs.length === 0) return { column, verdict: 'equal' };
  const [{ output, why, difference }] = outputs;
  const said = `${what}: ${output}: ${why ?? (difference && formatDifference(difference))}`;
  if (why !== undefined) return { column, verdict: 'differs', why: said };
  const meaning = claim();
  const steps =
    meaning.engine === 'compiled' &&
    outputs.some(({ output: name, difference: d }) => !isFloat(expected[name].dtype) && d && d.largest > 1);
  const seen = (await observe?.()) ?? (new Map(Object.entries(found)) as unknown as Observed);
  const { divergence } = agreement(meaning, feeds, seen);
  if (divergence || steps)
    return { column, verdict: 'differs', why: divergence ? `${said} (${formatDifference(divergence)})` : said };
  return { column, verdict: 'tie', why: said };
}

const worst: readonly Verdict[] = ['equal', 'tie', 'refused', 'excepted', 'differs'];
/** The outcome to report, of several. */
export const worstOf = (outcomes: readonly Outcome[]): Outcome =>
  outcomes.reduce((a, b) => (worst.indexOf(b.verdict) > worst.indexOf(a.verdict) ? b : a));

const namesOf = (graph: Graph, tensors: Tensors): Tensors =>
  Object.fromEntries(graph.outputs.map((name) => [name, tensors[name]]));

/** Judges that the rewrites keep the meaning, and that ONNX Runtime computes both files alike. */
export async function judgeMeaning(layer: Layer): Promise<readonly Outcome[]> {
  const graph = imported(layer);
  if (isOutcome(graph)) return [graph];
  const legal = guarded('meaning', () => legalize(graph, { target: 'symmetric', strategy: layer.strategy }));
  if (isOutcome(legal)) return [legal];
  const unknown = nodesOf(graph).find(({ op }) => op === 'opaque');
  if (unknown) return [{ column: 'meaning', verdict: 'refused', code: 'opaque', why: `${unknown.attrs.operator}` }];
  const written = guarded('meaning', () => exportOnnx(legal.graph));
  if (isOutcome(written)) return [written];
  const meanings = guarded('meaning', () => layer.feeds.map((feeds) => interpret(graph, feeds)));
  if (isOutcome(meanings)) return [meanings];
  const rewrites = await judgeRewrites(layer, graph, legal, written, meanings).catch((error) => [
    failed('meaning', error),
  ]);
  return [
    worstOf([...rewrites, ...silentlyLeft(legal, written)]),
    ...(await judgeOnnxRuntime(layer, graph, written, meanings)),
  ];
}

/** Zero points that are still in the file although the account says that none is. */
function silentlyLeft({ remaining }: LegalizeResult, written: Uint8Array): Outcome[] {
  const [first] = remaining.length === 0 ? zeroPointsLeft(written) : [];
  if (first === undefined) return [];
  const why = `a zero point is left at input ${first.input} of ${first.operator} ${first.node}, and nothing says so`;
  return [{ column: 'meaning', verdict: 'differs', why }];
}

async function judgeRewrites(
  { feeds: runs }: Layer,
  graph: Graph,
  legal: LegalizeResult,
  written: Uint8Array,
  meanings: readonly Tensors[],
): Promise<Outcome[]> {
  const again = importOnnx(written);
  const claim = (): Meaning => ({ graph, engine: 'compiled', groups: groupsOf(graph, groupingOf(graph)) });
  const exactly = (): Meaning => ({ graph: legal.quantized, engine: 'compiled' });
  const outcomes: Outcome[] = [];
  for (const [run, feeds] of runs.entries()) {
    const step = async (what: string, means: () => Meaning, expected: Tensors, made: Graph): Promise<Tensors> => {
      const found = namesOf(graph, interpret(made, feeds));
      const told = () => observe(made, feeds);
      outcomes.push(await compared({ column: 'meaning', what, claim: means, feeds, expected, found, observe: told }));
      return found;
    };
    const quantized = await step('quantized', claim, meanings[run], legal.quantized);
    await step('corrected', exactly, quantized, legal.graph);
    await step('written', claim, meanings[run], again);
  }
  return outcomes;
}

async function judgeOnnxRuntime(
  layer: Layer,
  graph: Graph,
  written: Uint8Array,
  meanings: readonly Tensors[],
): Promise<Outcome[]> {
  const pairs: (readonly [Outcome, Outcome])[] = [];
  for (const mode of modes) {
    const original = await inOnnxRuntime(layer, graph, { what: 'the file', bytes: layer.bytes, mode }, meanings);
    const own = await inOnnxRuntime(layer, graph, { what: 'the written file', bytes: written, mode }, meanings);
    const isLost = own.verdict === 'refused' && original.verdict !== 'refused';
    pairs.push([original, isLost ? { ...own, verdict: 'differs', why: `it runs the file, but: ${own.why}` } : own]);
  }
  return [
    { ...worstOf(pairs.map(([original]) => original)), column: 'file' },
    { ...worstOf(pairs.map(([, own]) => own)), column: 'written' },
  ];
}

/** The groups that may be computed in integers, even when no layer had to be corrected. */
const groupingOf = (graph: Graph) => legalize(graph, { target: 'onednn', verify: false }).certificate.grouping;

interface Ran {
  readonly what: string;
  readonly bytes: Uint8Array;
  readonly mode: Mode;
}

async function inOnnxRuntime(
  layer: Layer,
  graph: Graph,
  { what, bytes, mode }: Ran,
  meanings: readonly Tensors[],
): Promise<Outcome> {
  const column = 'onnxruntime';
  try {
    const claim = (): Meaning => ({ graph, engine: 'onnxruntime', groups: groupsOf(graph, groupingOf(graph)) });
    const judged = async (found: readonly Tensors[], isOwn = false): Promise<Outcome> => {
      const outcomes = layer.feeds.map((feeds, run) =>
        compared({
          column,
          what: `${what}, ${mode}`,
          claim,
          feeds,
          expected: meanings[run],
          found: namesOf(graph, found[run]),
          ...(isOwn && { observe: () => observedIn(bytes, feeds, mode) }),
        }),
      );
      return worstOf(await Promise.all(outcomes));
    };
    const outcome = await judged(await onnxRuntime(bytes, layer.feeds, mode), true);
    if (outcome.verdict !== 'differs') return outcome;
    const isRight = async (found: readonly Tensors[]) =>
      found.length > 0 && (await judged(found)).verdict !== 'differs';
    const exception = await exceptionOf({ layer, bytes, mode, graph, isRight });
    return exception ? { ...outcome, verdict: 'excepted', code: exception } : outcome;
  } catch (error) {
    if (error instanceof Refused) return { column, verdict: 'refused', code: 'onnxruntime', why: error.message };
    return { column, verdict: 'differs', why: `${what}, ${mode}: ${error instanceof Error ? error.stack : error}` };
  }
}

/** Integers along the way, of models that have any. */
async function observedIn(bytes: Uint8Array, feeds: Feeds, mode: Mode): Promise<Observed | undefined> {
  const rounding = openOnnx(bytes).graph.nodes.filter(({ opType }) => /^(QuantizeLinear|QLinear|QGemm)/.test(opType));
  if (rounding.length < 2) return undefined;
  const options = { threads: 1, graphOptimizationLevel: mode } as const;
  const side = await onnxRuntimeSide(bytes, mode, options, importOnnx(bytes));
  try {
    return await side.observe?.(feeds);
  } finally {
    await side.dispose();
  }
}

/** The layer compiled, on the instruction set of this process. */
export async function judgeCompiled(layer: Layer, isa: string): Promise<Outcome> {
  const graph = imported(layer);
  if (isOutcome(graph)) return { ...graph, column: isa };
  try {
    const compiled = compileGraph(graph, { threads: layer.threads, strategy: layer.strategy });
    const model = new Model(compiled, { threads: layer.threads });
    try {
      const claim = (): Meaning => ({ graph: compiled.quantized, engine: 'compiled' });
      const outcomes: Outcome[] = [];
      for (const feeds of layer.feeds) {
        const given = Object.fromEntries(Object.entries(feeds).map(([name, t]) => [name, toPublic(t)]));
        const [expected, found] = [interpret(compiled.quantized, feeds), toFeeds(model.runSync(given))];
        outcomes.push(await compared({ column: isa, what: 'compiled', claim, feeds, expected, found }));
      }
      return worstOf(outcomes);
    } finally {
      model.dispose();
    }
  } catch (error) {
    return failed(isa, error);
  }
}
