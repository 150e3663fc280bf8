/** The trained networks on their 360 labelled test images. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { type CorpusEntry, corpusEntries } from '../support/corpus.ts';
import { readNpy } from '../support/npy.ts';
import type { Backend } from './run_case.ts';

export interface Accuracy {
  readonly path: string;
  /** Images classified as labelled, here and when the corpus was made. */
  readonly correct: number;
  readonly recorded: number;
}

const count = 360;

export async function accuracies(
  root: string,
  backend: Backend,
  wanted: (entry: CorpusEntry) => boolean = () => true,
): Promise<readonly Accuracy[]> {
  const read = (path: string) => new Uint8Array(readFileSync(join(root, path)));
  const results: Accuracy[] = [];
  for (const entry of corpusEntries()) {
    if (entry.kind !== 'onnx' || !wanted(entry)) continue;
    const { path, net, acc_test360 } = entry as CorpusEntry & { net: string; acc_test360: number };
    const graph = importOnnx(read(path), { file: path });
    const labels = readNpy(read(`nets/${net}/test360_labels.npy`)).data;
    // one call for all: dynamic quantization takes its range from the whole call
    const { data } = (await backend(graph, { [graph.inputs[0]]: readNpy(read(`nets/${net}/test360_inputs.npy`)) }))[
      graph.outputs[0]
    ];
    const width = data.length / count;
    const classOf = (row: number) => {
      const logits = Array.from(data.subarray(row * width, (row + 1) * width) as Float32Array);
      return logits.indexOf(Math.max(...logits));
    };
    const correct = Array.from({ length: count }, (_, row) => row).filter(
      (row) => classOf(row) === Number(labels[row]),
    ).length;
    results.push({ path, correct, recorded: Math.round(acc_test360 * count) });
  }
  return results;
}
