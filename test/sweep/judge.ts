/**
 * One layer on every engine, and whether each computes what the layer means. The meaning is the imported graph, interpreted.
 *
 *   quantized    what grouping made of it        within what the grouping declares
 *   corrected    without zero points             as the quantized graph, integers exactly
 *   compiled     the addon                       as the quantized graph, integers exactly
 *   onnxruntime  the file, and the written file  as the meaning, or by a peculiarity that has a name
 *
 * Outputs that are not equal, element for element, are right only where they follow from a float whose rounding errors leave the
 * choice (src/cli/agreement.ts), and such an integer may be one step off and no more.
 */
import { UnskewError } from '../../src/diagnostics/index.ts';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { agreement, type Meaning } from '../../src/cli/agreement.ts';
import { compareOutputs, formatDifference, type Observed, type Tensors } from '../../src/cli/compare.ts';
import { groupsOf } from '../../src/cli/group_slack.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { type Graph, interpret, isFloat, nodesOf } from '../../src/ir/index.ts';
import { toPublic } from '../../src/ir/tensor.ts';
import { legalize, type LegalizeResult } from '../../src/passes/legalize.ts';
import { compileGraph, Model } from '../../src/runtime/compile.ts';
import { zeroPointsLeft } from '../faults/zero_points.ts';
import { toFeeds } from '../../src/runtime/feeds.ts';
import { exceptionOf } from './exceptions.ts';
import type { Feeds, Layer } from './net.ts';
import { type Mode, modes, onnxRuntime, Refused } from './onnxruntime.ts';

export type Verdict = 'equal' | 'tie' | 'refused' | 'excepted' | 'differs';

export interface Outcome {
  /** What was compared: `meaning`, `onnxruntime` or an instruction set. */
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

const isOutcome = (value: unknown): value is Outcome => typeof value === 'object' && value !== null && 'verdict' in value;

/** A coded error is a refusal; anything else a difference, for nothing of ours may end so. */
function guarded<T>(column: string, call: () => T): T | Outcome {
  try {
    return call();
  } catch (error) {
    if (error instanceof UnskewError)
      return { column, verdict: 'refused', code: error.code, why: error.message };
    return { column, verdict: 'differs', why: `${error instanceof Error ? error.stack : error}` };
  }
}

/** Equal, a tie or a difference. */
function compared(column: string, what: string, claim: () => Meaning, feeds: Feeds, expected: Tensors, found: Tensors): Outcome {
  const outputs = compareOutputs(expected, found);
  if (outputs.length === 0) return { column, verdict: 'equal' };
  const [{ output, why, difference }] = outputs;
  const said = `${what}: ${output}: ${why ?? (difference && formatDifference(difference))}`;
  if (why !== undefined) return { column, verdict: 'differs', why: said };
  const { engine } = claim();
  const steps =
    engine === 'compiled' &&
    outputs.some(({ output: name, difference: d }) => !isFloat(expected[name].dtype) && d && d.largest > 1);
  const { divergence } = agreement(claim(), feeds, new Map(Object.entries(found)) as unknown as Observed);
  if (divergence || steps)
    return { column, verdict: 'differs', why: divergence ? `${said} (${formatDifference(divergence)})` : said };
  return { column, verdict: 'tie', why: said };
}

const worst: readonly Verdict[] = ['equal', 'tie', 'refused', 'excepted', 'differs'];
/** The one to report of several. */
export const worstOf = (outcomes: readonly Outcome[]): Outcome =>
  outcomes.reduce((a, b) => (worst.indexOf(b.verdict) > worst.indexOf(a.verdict) ? b : a));

const namesOf = (graph: Graph, tensors: Tensors): Tensors =>
  Object.fromEntries(graph.outputs.map((name) => [name, tensors[name]]));

/** Whether the rewrites keep the meaning, and what ONNX Runtime makes of both files. */
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
  const rewrites = guarded('meaning', () => judgeRewrites(layer, graph, legal, written, meanings));
  const left = silentlyLeft(legal, written);
  return [
    worstOf([...(isOutcome(rewrites) ? [rewrites] : rewrites), ...left]),
    ...(await judgeOnnxRuntime(layer, graph, legal, written, meanings)),
  ];
}

/** Zero points that are still in the file although the account says that none is. */
function silentlyLeft({ remaining }: LegalizeResult, written: Uint8Array): Outcome[] {
  const [first] = remaining.length === 0 ? zeroPointsLeft(written) : [];
  if (first === undefined) return [];
  const why = `a zero point is left at input ${first.input} of ${first.operator} ${first.node}, and nothing says so`;
  return [{ column: 'meaning', verdict: 'differs', why }];
}

function judgeRewrites(
  layer: Layer,
  graph: Graph,
  legal: LegalizeResult,
  written: Uint8Array,
  meanings: readonly Tensors[],
): Outcome[] {
  const again = importOnnx(written);
  return layer.feeds.flatMap((feeds, run) => {
    const quantized = interpret(legal.quantized, feeds);
    const claim = (): Meaning => ({ graph, engine: 'compiled', groups: groupsOf(graph, legal.certificate.grouping) });
    const exactly = (): Meaning => ({ graph: legal.quantized, engine: 'compiled' });
    const corrected = interpret(legal.graph, feeds);
    return [
      compared('meaning', 'quantized', claim, feeds, meanings[run], quantized),
      compared('meaning', 'corrected', exactly, feeds, quantized, corrected),
      compared('meaning', 'written', claim, feeds, meanings[run], namesOf(graph, interpret(again, feeds))),
    ];
  });
}

async function judgeOnnxRuntime(
  layer: Layer,
  graph: Graph,
  legal: LegalizeResult,
  written: Uint8Array,
  meanings: readonly Tensors[],
): Promise<Outcome[]> {
  const pairs: (readonly [Outcome, Outcome])[] = [];
  for (const mode of modes) {
    const original = await inOnnxRuntime(layer, graph, legal, { what: 'the file', bytes: layer.bytes, mode }, meanings);
    const own = await inOnnxRuntime(layer, graph, legal, { what: 'the written file', bytes: written, mode }, meanings);
    const isLost = own.verdict === 'refused' && original.verdict !== 'refused';
    pairs.push([original, isLost ? { ...own, verdict: 'differs', why: `it runs the file, but: ${own.why}` } : own]);
  }
  return [
    { ...worstOf(pairs.map(([original]) => original)), column: 'file' },
    { ...worstOf(pairs.map(([, own]) => own)), column: 'written' },
  ];
}

interface Ran {
  readonly what: string;
  readonly bytes: Uint8Array;
  readonly mode: Mode;
}

async function inOnnxRuntime(
  layer: Layer,
  graph: Graph,
  { certificate: { grouping } }: LegalizeResult,
  { what, bytes, mode }: Ran,
  meanings: readonly Tensors[],
): Promise<Outcome> {
  const column = 'onnxruntime';
  try {
    const claim = (): Meaning => ({ graph, engine: 'onnxruntime', groups: groupsOf(graph, grouping) });
    const judged = (found: readonly Tensors[]): Outcome =>
      worstOf(
        layer.feeds.map((feeds, run) =>
          compared(column, `${what}, ${mode}`, claim, feeds, meanings[run], namesOf(graph, found[run])),
        ),
      );
    const outcome = judged(await onnxRuntime(bytes, layer.feeds, mode));
    if (outcome.verdict !== 'differs') return outcome;
    const isRight = (found: readonly Tensors[]) => found.length > 0 && judged(found).verdict !== 'differs';
    const exception = await exceptionOf({ layer, bytes, mode, graph, isRight });
    return exception ? { ...outcome, verdict: 'excepted', code: exception } : outcome;
  } catch (error) {
    if (error instanceof Refused) return { column, verdict: 'refused', code: 'onnxruntime', why: error.message };
    return { column, verdict: 'differs', why: `${what}, ${mode}: ${error instanceof Error ? error.stack : error}` };
  }
}

/** The layer compiled, on the instruction set of this process. */
export function judgeCompiled(layer: Layer, isa: string): Outcome {
  const graph = imported(layer);
  if (isOutcome(graph)) return { ...graph, column: isa };
  const outcome = guarded(isa, () => {
    const compiled = compileGraph(graph, { threads: layer.threads, strategy: layer.strategy });
    const model = new Model(compiled, { threads: layer.threads });
    try {
      const claim = (): Meaning => ({ graph: compiled.quantized, engine: 'compiled' });
      return worstOf(
        layer.feeds.map((feeds) => {
          const given = Object.fromEntries(Object.entries(feeds).map(([name, t]) => [name, toPublic(t)]));
          const found = toFeeds(model.runSync(given));
          return compared(isa, 'compiled', claim, feeds, interpret(compiled.quantized, feeds), found);
        }),
      );
    } finally {
      model.dispose();
    }
  });
  return outcome;
}
