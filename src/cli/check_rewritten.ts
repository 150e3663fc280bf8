/** `check --against onnxruntime` of a model that has an operator which nothing here computes. */

import { legalize } from '../codegen/index.ts';
import { fail } from '../diagnostics/index.ts';
import { exportOnnx } from '../exporters/index.ts';
import type { Graph } from '../ir/index.ts';
import type { Strategy } from '../passes/index.ts';
import { compareFiles, unknownOperators } from './compare_files.ts';
import type { Source } from './files.ts';
import { onnxModelOf } from './sides.ts';
import type { Terminal } from './terminal.ts';

interface Checked {
  readonly seeds: readonly number[];
  readonly threads: number | undefined;
  readonly strategy: Strategy | undefined;
}

/** True when ONNX Runtime is the only other side and unskew cannot compute some operator of the graph. */
export const isForOnnxRuntimeAlone = (graph: Graph, against: readonly string[]): boolean =>
  against.length > 0 && against.every((name) => name === 'onnxruntime') && unknownOperators(graph).length > 0;

/** The model that `rewrite` would write, for ONNX Runtime to run beside the model itself. @throws UnskewError U5003 */
export function rewrittenFor(source: Source, graph: Graph, strategy: Strategy | undefined, terminal: Terminal) {
  const { graph: symmetric, quantized } = legalize(graph, {
    ...(strategy && { strategy }),
    onProof: terminal.proving,
  });
  const model = onnxModelOf(source);
  if (typeof model === 'string')
    return fail(
      'U5003',
      'the rewritten model has to lie beside the weights of this one',
      { file: model },
      `write it first: unskew rewrite ${model} -o OUT --check`,
    );
  return { model, written: exportOnnx(symmetric), graphs: [quantized, symmetric] as const };
}

/** Compares both models. */
export async function checkRewritten(
  source: Source,
  graph: Graph,
  { strategy, threads, seeds }: Checked,
  terminal: Terminal,
) {
  const { model, written, graphs } = rewrittenFor(source, graph, strategy, terminal);
  const files = { graphs, original: graph, models: [model, written], seeds, ...(threads && { threads }) } as const;
  const verdicts = await compareFiles(files, terminal);
  return { file: source.path, seeds, agrees: verdicts.every(({ agrees }) => agrees), verdicts };
}
