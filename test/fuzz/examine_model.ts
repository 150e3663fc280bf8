/**
 * Properties of every model that is read, in any format:
 *
 *   it verifies, and printed and parsed it is the same graph
 *   grouped, it computes the meaning of the file, within the declared bounds of grouping; corrected, the same as grouped, bit for bit
 *   compiled, written and read, it satisfies `unskew check`
 *   exported and imported again, it computes the same
 */
import { agreement } from '../../src/cli/agreement.ts';
import {
  compareOutputs,
  formatDifference,
  type Observed,
  type OutputDifference,
  observe,
  type Tensors,
} from '../../src/cli/compare.ts';
import { openSource, type Source } from '../../src/cli/files.ts';
import { groupsOf } from '../../src/cli/group_slack.ts';
import { fittingSizes } from '../../src/cli/open_sizes.ts';
import { compiledSide, onnxRuntimeSide } from '../../src/cli/sides.ts';
import { Terminal } from '../../src/cli/terminal.ts';
import { type CompiledModel, readCompiledFile, writeCompiledFile } from '../../src/codegen/compiled_file.ts';
import { legalize } from '../../src/codegen/legalize.ts';
import { UnskewError } from '../../src/diagnostics/index.ts';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { importBytes } from '../../src/importers/import_model.ts';
import type { StateOption } from '../../src/importers/kit/state_option.ts';
import {
  type Dim,
  type Feeds,
  type Graph,
  interpret,
  isFloat,
  type NodeId,
  nodesOf,
  parse,
  print,
  specialize,
  verify,
} from '../../src/ir/index.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import type { Examination } from './examination.ts';
import { type Feeding, feedings, feedsOf, hasComputedScales, hasNormalScales } from './feeds.ts';
import { unclaimedOfAddon, unclaimedOfExport, unclaimedOfOnnxRuntime } from './unclaimed.ts';
import { workOf } from './work.ts';

/** Multiplications of one run. */
const MOST_WORK = 2e7;
/** Elements of all values of a run. */
const MOST_ELEMENTS = 2 ** 22;
/** Characters of printed graphs that are parsed. */
const MOST_TEXT = 2 ** 22;

export interface ModelOptions {
  /** Shapes for archives that have none of their own, tried in turn. */
  readonly shapes?: readonly (readonly number[])[];
  /** Compares with ONNX Runtime too. */
  readonly peer?: boolean;
  readonly state?: StateOption;
}

export async function examineModel(
  bytes: Uint8Array,
  examination: Examination,
  options: ModelOptions = {},
): Promise<void> {
  const source = await examination.refusing('import', () => opened(bytes, options));
  if (source === undefined) return;
  examination.reached('imported');
  const level = source.kind === 'compiled' ? 'dnnl' : source.kind === 'ir' ? undefined : 'qnn';
  await examination.refusing('verify', () => {
    const [violation] = verify(source.graph, level);
    if (violation) examination.found('invalid', 'verify', violation.message);
  });
  await examineText(source.graph, examination);
  const graph = await sized(source.graph, examination);
  const setting = { isRunnable: graph !== undefined, threads: 1 + (bytes.length % 2) };
  if (source.compiled === undefined) await examineGraph(source.graph, setting, examination);
  else if (graph !== undefined) await examineCompiled({ ...source.compiled, graph }, setting, examination);
  if (options.peer && graph !== undefined && source.kind === 'onnx')
    await examinePeer(source.bytes, graph, examination);
}

/** With the first of the shapes that fits; where none fits, the refusal of the first. */
async function opened(bytes: Uint8Array, { shapes = [], state }: ModelOptions): Promise<Source> {
  const [first = [], ...others] = shapes;
  const read = (sizes: readonly number[]) => {
    const shape = new Map(sizes.length > 0 ? [['x', sizes.join(',')]] : []);
    return openSource('-', { shape, state }, terminalOf(bytes));
  };
  try {
    return await read(first);
  } catch (error) {
    if (!(error instanceof UnskewError) || !error.code.startsWith('U2')) throw error;
    for (const sizes of others) {
      const source = await read(sizes).catch((other: unknown) => {
        if (!(other instanceof UnskewError)) throw other;
      });
      if (source) return source;
    }
    throw error;
  }
}

/** A caller that sends the file by standard input and ignores the output. */
export function terminalOf(bytes: Uint8Array): Terminal {
  const sink = { write: () => {} };
  const streams = { stdout: sink, stderr: sink, sendFile: async () => {}, readStdin: async () => bytes, env: {} };
  return new Terminal(streams, { verbose: false, quiet: true });
}

async function examineText(graph: Graph, examination: Examination): Promise<void> {
  await examination.refusing('print', () => {
    const text = print(graph);
    if (text.length > MOST_TEXT) return;
    let again: string;
    try {
      again = print(parse(text));
    } catch (error) {
      examination.found('text', 'parse', `${(error as Error).message}\n${text.slice(0, 2000)}`);
      return;
    }
    if (again !== text) examination.found('text', 'print', `${firstDifference(text, again)}`);
  });
}

function firstDifference(before: string, after: string): string {
  const [a, b] = [before.split('\n'), after.split('\n')];
  const at = a.findIndex((line, i) => line !== b[i]);
  return `printed, parsed and printed again it reads otherwise\n${a[at]}\n${b[at]}`;
}

/** The graph with sizes for all symbols; undefined where it cannot be run here. */
async function sized(graph: Graph, examination: Examination): Promise<Graph | undefined> {
  const opaque = nodesOf(graph).find(({ op }) => op === 'opaque');
  if (opaque !== undefined) return void examination.skip('an operator that is carried');
  if (graph.inputs.some((id) => graph.values[id].type.dtype === 'opaque'))
    return void examination.skip('an input of unknown type');
  return examination.refusing('size', () => {
    const sizes = fittingSizes(graph);
    if (sizes === undefined) return void examination.skip('no sizes fit');
    const known = specialize(graph, sizes);
    const { work, elements, isOpen } = workOf(known);
    if (isOpen) return void examination.skip('sizes that follow from values');
    if (work > MOST_WORK || elements > MOST_ELEMENTS) return void examination.skip('too much to compute');
    return known;
  });
}

interface Setting {
  /** True when sizes were found with which the model can run here. */
  readonly isRunnable: boolean;
  readonly threads: number;
}

/** Sizes that are open stay open until it runs. */
async function examineGraph(graph: Graph, { isRunnable, threads }: Setting, examination: Examination): Promise<void> {
  const legal = await examination.refusing('legalize', () => legalize(graph));
  if (legal === undefined) return;
  const exported = await examination.refusing('export', () => exportOnnx(legal.graph));
  const reading = () => importBytes(exported as Uint8Array, { file: 'out.onnx' });
  const meanings = isRunnable ? await meaningsOf(graph, examination) : [];
  // a graph that cannot be computed is wrong, which the reader may notice where the writer does not
  const again = exported && (await examination[meanings.length > 0 ? 'holding' : 'refusing']('import again', reading));
  if (meanings.length === 0) return;
  const compiled = await examination.refusing('compile', () => compileGraph(graph, { threads, measuredCosts: false }));
  const read = compiled && (await examination.holding('read', () => readCompiledFile(writeCompiledFile(compiled))));
  for (const { feeding, feeds, values } of meanings) {
    examination.executed(graph);
    const isClaimed = !hasComputedScales(graph) || (!holdsNaN(values) && hasNormalScales(graph, values));
    await examination.holding('interpret grouped', () => {
      const grouped = claimed(graph, observe(legal.quantized, feeds));
      const groups = groupsOf(graph, legal.certificate.grouping);
      // grouping declares the bounds of ONNX Runtime: sums of products in any order
      const { divergence } = agreement({ graph, engine: 'onnxruntime', groups }, feeds, grouped);
      if (divergence && isClaimed)
        examination.found('differs', `group, ${feeding}`, `${divergence.ir}\n${formatDifference(divergence)}`);
    });
    const expected = await examination.holding('interpret grouped', () => interpret(legal.quantized, feeds));
    if (expected === undefined) return;
    await same(`correct, ${feeding}`, expected, () => interpret(legal.graph, feeds), examination);
    if (again && isClaimed && isWrittenAsMeant(legal.graph))
      await same(`export, ${feeding}`, expected, () => interpret(again, feeds), examination, {
        relative: 1e-6,
        // an operator that is written as several rounds in between, as any engine may
        unclaimed: (found) => unclaimedRoundings(legal.quantized, feeds, found),
      });
    if (!read || !compiled) continue;
    const meant = await examination.holding('interpret for the addon', () => interpret(compiled.quantized, feeds));
    if (meant) await runs({ reference: compiled.quantized, compiled: read, threads }, feeding, meant, examination);
  }
}

interface Meaning {
  readonly feeding: Feeding;
  readonly feeds: Feeds;
  readonly values: Observed;
}

/** The meaning of the graph for each of the inputs, up to the first one that is refused. */
async function meaningsOf(graph: Graph, examination: Examination): Promise<readonly Meaning[]> {
  const meanings: Meaning[] = [];
  for (const feeding of feedings) {
    const feeds = await examination.refusing('feed', () => feedsOf(graph, feeding));
    const values = feeds && (await examination.refusing('interpret', () => observe(graph, feeds)));
    if (!feeds || !values) break;
    meanings.push({ feeding, feeds, values });
  }
  return meanings;
}

/** Operators of com.microsoft between DequantizeLinear and QuantizeLinear: one apart at ties. */
const stepped = new Set(['qnn.add', 'qnn.mul', 'qnn.average_pool', 'qnn.global_average_pool', 'qnn.softmax']);

/** True when ONNX has operators of the same meaning. Interpolation is written for the arithmetic of ONNX Runtime. */
const isWrittenAsMeant = (graph: Graph): boolean =>
  nodesOf(graph).every(({ op, attrs }) =>
    op === 'nn.resize' ? attrs.mode === 'nearest' || attrs.recipe === 'ort' : !stepped.has(op),
  );

/** True when a float is NaN: nothing is claimed about a scale that is computed from it. */
const holdsNaN = (seen: Observed): boolean =>
  [...seen.values()].some(({ dtype, data }) => isFloat(dtype) && (data as Float32Array).some(Number.isNaN));

/** Integers and outputs: nothing is claimed of the floats inside a group, and some names stand for something else there. */
const claimed = (graph: Graph, seen: Observed): Observed =>
  new Map(
    [...seen].filter(([id, { dtype, shape }]) => {
      const type = graph.values[id]?.type;
      const isOfShape = (dim: Dim, axis: number): boolean => typeof dim === 'string' || dim === shape[axis];
      const isSame = type?.dtype === dtype && type.shape.length === shape.length && type.shape.every(isOfShape);
      return graph.outputs.includes(id) || (isSame && !isFloat(dtype));
    }),
  );

/** Runs a compiled model and compares it with its meaning, as `unskew check` does. */
async function runs(
  { reference, compiled, threads }: { reference: Graph; compiled: CompiledModel; threads: number },
  feeding: Feeding,
  expected: Tensors,
  examination: Examination,
): Promise<void> {
  const during = `run, ${feeding}`;
  await examination.holding(during, async () => {
    const feeds = feedsOf(reference, feeding);
    const side = compiledSide(compiled, reference, threads);
    const found = await side.run(feeds);
    const outputs = compareOutputs(expected, found);
    if (outputs.length === 0) return;
    const seen = (await side.observe?.(feeds)) as Observed;
    const { divergence } = agreement({ graph: reference, engine: 'compiled' }, feeds, seen);
    const node = divergence?.node as NodeId | undefined;
    const reason = node && unclaimedOfAddon({ graph: reference, node, values: observe(reference, feeds) });
    if (reason !== undefined) return examination.skip(reason);
    if (divergence) examination.found('differs', during, `${divergence.ir}\n${formatDifference(divergence)}`);
    else if (compareOutputs(found, Object.fromEntries(seen)).length > 0)
      examination.found('differs', during, `${told(outputs)}; where its values are read it computes something else`);
  });
}

/** The outputs of another graph that means the same. Floats may differ by `relative`. */
async function same(
  during: string,
  expected: Tensors,
  found: () => Tensors,
  examination: Examination,
  { relative = 0, unclaimed = () => undefined }: Tolerance = {},
): Promise<void> {
  await examination.holding(during, () => {
    const results = found();
    const outputs = compareOutputs(expected, results).filter(({ output, difference }) => {
      const { dtype, data } = expected[output];
      if (difference === undefined || !isFloat(dtype) || relative === 0) return true;
      const largest = (data as Float32Array).reduce((m, v) => (Number.isFinite(v) ? Math.max(m, Math.abs(v)) : m), 0);
      return !(difference.largest <= relative * largest);
    });
    if (outputs.length === 0) return;
    const areValues = outputs.every(({ difference }) => difference !== undefined);
    const reason = areValues ? unclaimed(results) : undefined;
    if (reason === undefined) examination.found('differs', during, told(outputs));
    else if (reason !== ROUNDINGS) examination.skip(reason);
  });
}

interface Tolerance {
  /** The relative tolerance of float results, by the largest of all elements. */
  readonly relative?: number;
  /** The reason why nothing is claimed where results differ by more. */
  readonly unclaimed?: (found: Tensors) => string | undefined;
}

const ROUNDINGS = 'within what roundings add up to';

/** The reason why results may differ on any engine; for integers made of floats too. */
function unclaimedRoundings(graph: Graph, feeds: Feeds, found: Tensors): string | undefined {
  const seen = new Map(graph.outputs.map((id) => [id, found[id]]));
  const { divergence } = agreement({ graph, engine: 'onnxruntime' }, feeds, seen);
  if (divergence === undefined) return ROUNDINGS;
  return unclaimedOfExport({ graph, node: divergence.node as NodeId, values: valuesOf(graph, feeds) });
}

const told = (outputs: readonly OutputDifference[]): string =>
  outputs
    .map(({ output, why, difference }) => `${output}: ${difference ? formatDifference(difference) : why}`)
    .join('\n');

async function examineCompiled(compiled: CompiledModel, { threads }: Setting, examination: Examination): Promise<void> {
  for (const feeding of feedings) {
    const { graph } = compiled;
    const feeds = await examination.refusing('feed', () => feedsOf(graph, feeding));
    const expected = feeds && (await examination.refusing('interpret', () => interpret(graph, feeds)));
    if (expected === undefined) return;
    examination.executed(graph);
    await runs({ reference: graph, compiled, threads }, feeding, expected, examination);
  }
}

/** Another engine decides nothing about us by itself: models that it refuses are left out. */
async function examinePeer(bytes: Uint8Array, graph: Graph, examination: Examination): Promise<void> {
  await examination.refusing('peer', async () => {
    const side = await onnxRuntimeSide(bytes, 'onnxruntime', { threads: 1, graphOptimizationLevel: 'disabled' }, graph);
    try {
      const feeds = feedsOf(graph, 'usual');
      const expected = await side.run(feeds);
      const outputs = compareOutputs(expected, interpret(graph, feeds));
      if (outputs.length === 0) return;
      const { grouping } = legalize(graph, { target: 'onednn', verify: false }).certificate;
      const meaning = { graph, engine: 'onnxruntime' as const, groups: groupsOf(graph, grouping) };
      const { divergence } = agreement(meaning, feeds, (await side.observe?.(feeds)) as Observed);
      const node = divergence?.node as NodeId | undefined;
      const strayed = node && { graph, node, values: valuesOf(graph, feeds) };
      const reason = strayed && (await unclaimedOfOnnxRuntime(strayed, bytes, feeds));
      if (reason !== undefined) return examination.skip(reason);
      if (divergence) examination.found('peer', 'peer', `${divergence.ir}\n${formatDifference(divergence)}`);
    } finally {
      await side.dispose();
    }
  });
}

/** The values of a run, those of the inputs among them. */
const valuesOf = (graph: Graph, feeds: Feeds): Observed =>
  new Map([...graph.inputs.map((id) => [id, feeds[id]] as const), ...observe(graph, feeds)]);
