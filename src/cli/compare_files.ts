/**
 * A written ONNX model against the one that it was made from, on random inputs: by the interpreter where it knows every
 * operator, and by ONNX Runtime with its default options as well as without optimizations, which are two arithmetics.
 */

import { legalize, usualTarget } from '../codegen/index.ts';
import { fail, UnskewError } from '../diagnostics/index.ts';
import { type Graph, isOp, nodesOf, opaqueOp } from '../ir/index.ts';
import { compareOutputs, type Tensors } from './compare.ts';
import { hasOnnxRuntime, type PeerOptions } from './onnxruntime.ts';
import { randomFeeds } from './random.ts';
import { interpreterSide, onnxRuntimeSide, type Side } from './sides.ts';
import { count } from './table.ts';
import type { Terminal } from './terminal.ts';
import { compareSides, onnxRuntimeClaim, type Verdict } from './verdict.ts';

/**
 * The model for ONNX Runtime: bytes, or a path when its weights lie beside it; undefined when it cannot load the model.
 */
export type OnnxModel = Uint8Array | string | undefined;

export interface ComparedFiles {
  /** The graph whose meaning must be kept, and the graph that was read back. */
  readonly graphs: readonly [Graph, Graph];
  /** The graph of the first model, before anything was grouped. */
  readonly original: Graph;
  readonly models: readonly [OnnxModel, OnnxModel];
  readonly seeds: readonly number[];
  readonly threads?: number;
}

/** The operators that are carried and not computed: `Einsum (node)`. */
export const unknownOperators = (graph: Graph): readonly string[] =>
  nodesOf(graph)
    .filter((node) => isOp(node, opaqueOp))
    .map(({ id, attrs, loc }) => `${attrs.operator} (${loc.node ?? id})`);

/** `Einsum (node) is not supported here` */
export function unknownText(graph: Graph): string {
  const [first, ...rest] = unknownOperators(graph);
  return `${first}${rest.length > 0 ? ` and ${count(rest.length, 'more operator')} are` : ' is'} not supported here`;
}

/** @throws UnskewError U5003 when nothing can compare the two */
export async function compareFiles(files: ComparedFiles, terminal: Terminal): Promise<Verdict[]> {
  const [reference, written] = files.graphs;
  const unknown = unknownOperators(reference);
  const verdicts: Verdict[] = [];
  if (unknown.length === 0) {
    const again = interpreterSide(written, 'the written file');
    const claims = () => [{ side: again, meaning: { graph: reference, engine: 'compiled' as const } }];
    const side = interpreterSide(reference, 'the quantized graph');
    verdicts.push(await compareSides(side, again, reference, files.seeds, terminal, { claims }));
  }
  verdicts.push(...(await inOnnxRuntime(files, terminal)));
  if (unknown.length === 0) return verdicts;
  const what = unknownText(reference);
  if (verdicts.length === 0) {
    const [why, hint] = (await hasOnnxRuntime())
      ? ['does not run the input on random tensors', 'run both files on tensors of your own']
      : ['is not installed', 'install it with: npm install onnxruntime-node'];
    fail('U5003', `nothing can compare the two files: ${what}, and onnxruntime ${why}`, {}, hint);
  }
  terminal.note(`note: ${what}: onnxruntime alone compares the two files`);
  return verdicts;
}

const modes = [
  { name: 'onnxruntime', level: 'all' },
  { name: 'onnxruntime without optimizations', level: 'disabled' },
] as const;

async function inOnnxRuntime(files: ComparedFiles, terminal: Terminal) {
  const {
    graphs: [graph, rewritten],
    original,
    models,
    seeds,
    threads,
  } = files;
  const [before, after] = models;
  if (after === undefined || !(await hasOnnxRuntime())) return [];
  const sides: Side[] = [];
  const open = async (model: Uint8Array | string, name: string, graphOptimizationLevel: Level): Promise<Side> => {
    const options = { graphOptimizationLevel, ...(threads && { threads }) };
    const side = await onnxRuntimeSide(model, name, options, model === after ? rewritten : original);
    sides.push(side);
    return side;
  };
  try {
    const inputs = new Map<Level, Side>();
    for (const { name, level } of modes) {
      if (before === undefined) {
        inputs.set(level, interpreterSide(graph, 'the quantized graph')); // only ONNX models have another meaning
        continue;
      }
      const side = await runnable(() => open(before, `${name} on the input`, level), graph, seeds[0]);
      if (side === undefined) terminal.note(`note: ${name} does not run the input`);
      else inputs.set(level, side);
    }
    const verdicts: Verdict[] = [];
    for (const { name, level } of modes) {
      const input = inputs.get(level);
      if (input === undefined) continue;
      const found = await open(after, `${name} on the written file`, level);
      const other = modes.flatMap((mode) => (mode.level === level ? [] : (inputs.get(mode.level) ?? [])))[0];
      const allowance = level === 'all' || other === undefined ? undefined : await spread(input, other, graph, seeds);
      const claims = () => {
        const { grouping } = legalize(original, { target: usualTarget, verify: false }).certificate;
        const engines = before === undefined ? [found] : [input, found];
        return engines.map((side) => onnxRuntimeClaim(side, original, grouping));
      };
      verdicts.push(
        await compareSides(input, found, graph, seeds, terminal, { claims, ...(allowance && { allowance }) }),
      );
    }
    return verdicts;
  } finally {
    for (const side of sides) await side.dispose();
  }
}

type Level = NonNullable<PeerOptions['graphOptimizationLevel']>;

/** Opens a side and runs it once; undefined when ONNX Runtime refuses to load or to run the model. */
async function runnable(open: () => Promise<Side>, graph: Graph, seed: number): Promise<Side | undefined> {
  try {
    const side = await open();
    await side.run(randomFeeds(graph, seed));
    return side;
  } catch (error) {
    if (error instanceof UnskewError && error.code === 'U5003') return undefined;
    throw error;
  }
}

/**
 * By how much the two modes differ on one model, by output: operators between dequantize and quantize are computed in
 * floats by one and in integers by the other, which is a step where the quotient is a tie. No file made of the model can be
 * nearer to both. It counts where a side keeps its values to itself, or an operator is not known here.
 */
async function spread(a: Side, b: Side, graph: Graph, seeds: readonly number[]): Promise<ReadonlyMap<string, number>> {
  const largest = new Map<string, number>();
  for (const seed of seeds) {
    const feeds = randomFeeds(graph, seed);
    const [x, y]: readonly Tensors[] = [await a.run(feeds), await b.run(feeds)];
    for (const { output, difference } of compareOutputs(x, y))
      largest.set(output, Math.max(largest.get(output) ?? 0, difference?.largest ?? 0));
  }
  return largest;
}
