/** A written ONNX model beside its original: the operators that changed, and the files of weights that both read. */
import { dirname, resolve } from 'node:path';
import { type OnnxNode, openOnnx } from '../formats/onnx/index.ts';
import { bodiesOf, originOf } from '../importers/index.ts';
import type { Graph } from '../ir/index.ts';
import type { Terminal } from './terminal.ts';

/** Counts how many more of each operator the written file has than the original, in bodies of control flow too. */
export function operatorChanges(before: Graph, after: Uint8Array): Record<string, number> {
  const changes: Record<string, number> = {};
  const tally = (nodes: readonly OnnxNode[], step: number) => {
    for (const node of nodes) {
      changes[node.opType] = (changes[node.opType] ?? 0) + step;
      for (const body of bodiesOf(node)) tally(body.nodes, step);
    }
  };
  tally(openOnnx(after).graph.nodes, 1);
  tally(originOf(before)?.file.graph.nodes ?? [], -1);
  return Object.fromEntries(Object.entries(changes).filter(([, n]) => n !== 0));
}

/** Weights that stay in files of their own. */
export const externalFiles = (graph: Graph): string[] => [
  ...new Set(
    [...(originOf(graph)?.file.graph.initializers.values() ?? [])].flatMap(({ external }) => external?.location ?? []),
  ),
];

export function adviseOnExternal(files: readonly string[], model: string, output: string, terminal: Terminal): void {
  const folder = dirname(resolve(output));
  if (files.length === 0 || folder === dirname(resolve(model))) return;
  terminal.note(
    `note: ${output} reads its weights from ${files.join(', ')}: copy ${files.length === 1 ? 'it' : 'them'} from ${dirname(resolve(model))} to ${folder}`,
  );
}
