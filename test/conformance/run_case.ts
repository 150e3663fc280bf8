/** Runs one case on any back end: import, feed, compare. */
import { formatDiagnostic, UnskewError } from '../../src/diagnostics/index.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { originOf } from '../../src/importers/onnx/origin.ts';
import { constantOf, type Graph, producersOf } from '../../src/ir/graph.ts';
import { interpret } from '../../src/ir/interpret.ts';
import type { ValueId } from '../../src/ir/types.ts';
import { verify } from '../../src/ir/verify.ts';
import type { ITensor } from '../../src/tensors/tensor.ts';
import { fixInputs } from '../support/onnx.ts';
import type { Case } from './cases.ts';
import { difference } from './compare.ts';

export type Backend = (
  graph: Graph,
  feeds: Readonly<Record<string, ITensor>>,
) => Record<string, ITensor> | Promise<Record<string, ITensor>>;

export const interpreter: Backend = (graph, feeds) => interpret(graph, feeds);

export type Outcome =
  | { readonly status: 'pass' }
  | { readonly status: 'unsupported' | 'fails'; readonly reason: string };

export async function runCase(c: Case, backend: Backend): Promise<Outcome> {
  try {
    const { graph, tensors } = importCase(c);
    const unsupported = originOf(graph)?.unsupported ?? [];
    if (unsupported.length > 0) {
      const reasons = [...new Set(unsupported.map(({ operator, reason }) => `${operator}: ${reason}`))];
      return { status: 'unsupported', reason: reasons.join('; ') };
    }
    const [broken] = verify(graph, 'qnn');
    if (broken) return { status: 'fails', reason: formatDiagnostic(broken) };
    const feeds = Object.fromEntries(graph.inputs.map((id, i) => [id, tensors[i]]));
    const missing = graph.inputs.filter((_, i) => tensors[i] === undefined);
    if (missing.length > 0) return { status: 'fails', reason: `no tensor for the input ${missing.join(', ')}` };
    const results = await backend(graph, feeds as Record<string, ITensor>);
    for (const expectation of c.expected()) {
      const name = graph.outputs[expectation.output];
      const wrong = difference(results[name], expectation, stepOf(graph, name));
      if (wrong !== undefined) return { status: 'fails', reason: `${expectation.reference ?? name}: ${wrong}` };
    }
    return { status: 'pass' };
  } catch (error) {
    if (!(error instanceof UnskewError)) return { status: 'fails', reason: String((error as Error).stack ?? error) };
    const { code, message } = error.diagnostics[0];
    const unsupported = code === 'U2008' || code === 'U5003';
    return { status: unsupported ? 'unsupported' : 'fails', reason: unsupported ? message : error.message };
  }
}

/**
 * Node tests give every operand as an input, also operands that must be known at import: axes, shapes, pads. Where such an
 * operand is missing, scalars, small integer inputs and lists after the first input become initializers, as in real models. /
 */
function importCase(c: Case): { readonly graph: Graph; readonly tensors: readonly (ITensor | undefined)[] } {
  const bytes = c.model();
  const graph = importOnnx(bytes, { file: c.file });
  const tensors = c.feeds();
  const reasons = originOf(graph)?.unsupported ?? [];
  if (!reasons.some(({ reason }) => reason.endsWith('while the model runs'))) return { graph, tensors };
  const fixed = tensors.map((tensor, i) => (tensor && isParameter(tensor, i) ? tensor : undefined));
  return {
    graph: importOnnx(fixInputs(bytes, fixed), { file: c.file }),
    tensors: tensors.filter((_, i) => fixed[i] === undefined),
  };
}

const isParameter = ({ dtype, shape }: ITensor, input: number): boolean =>
  shape.length === 0 || (shape.length === 1 && (input > 0 || dtype === 's64' || dtype === 's32'));

/** Operators through which a value keeps its quantization step. */
const movement = new Set(['nn.reshape', 'nn.transpose', 'nn.identity', 'nn.slice', 'nn.gather']);

/** The scale of the dequantize that makes the value; 0 for other values. */
function stepOf(graph: Graph, output: ValueId): number {
  const producers = producersOf(graph);
  for (let node = producers.get(output); node; node = producers.get(node.operands[0] as ValueId)) {
    if (node.op === 'qnn.dequantize') {
      const scale = constantOf(graph, node.operands[1]);
      return scale ? Math.max(...Array.from(scale.data as ArrayLike<number>)) : 0;
    }
    if (!movement.has(node.op)) return 0;
  }
  return 0;
}
