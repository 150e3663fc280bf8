/** Programs of torch.export in the corpus against PyTorch's results. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { legalize } from '../../src/codegen/legalize.ts';
import type { Graph } from '../../src/ir/graph.ts';
import { interpret } from '../../src/ir/interpret.ts';
import { compile } from '../../src/runtime/compile.ts';
import { importModel } from '../../src/runtime/import_model.ts';
import { type ITensor, Tensor } from '../../src/tensors/tensor.ts';
import { type CorpusEntry, corpusEntries } from '../support/corpus.ts';
import { readNpy } from '../support/npy.ts';

export interface ExportCase {
  readonly id: string;
  readonly file: string;
  /** Parameters that follow from the activations of a call. */
  readonly isDynamic: boolean;
  /** Test images; the first of them have expected outputs. */
  readonly images: ITensor<'f32'>;
  readonly labels: readonly number[];
  readonly expected: ITensor<'f32'>;
  /** One step of the result: of its quantization or, for a float result, 1/255 of its range. */
  readonly step: number;
  /** Images that PyTorch classified as labelled. */
  readonly correct: number;
}

/** The reference was computed in calls of so many images, which dynamic quantization depends on. */
const PER_CALL = 60;

/** Returns a case for every torch-export entry of the corpus. */
export function exportCases(root: string): readonly ExportCase[] {
  const load = (path: unknown): ITensor => readNpy(new Uint8Array(readFileSync(join(root, String(path)))));
  const caseOf = (entry: CorpusEntry): ExportCase => {
    const expected = load((entry.expected as Record<string, string>).float_output) as ITensor<'f32'>;
    const labels = Array.from(load(`nets/${entry.net}/test360_labels.npy`).data, Number);
    return {
      id: entry.path.replace(/^.*\//, ''),
      file: join(root, entry.path),
      isDynamic: String(entry.quantizer).endsWith('dyn'),
      images: load(`nets/${entry.net}/test360_inputs.npy`) as ITensor<'f32'>,
      labels,
      expected,
      step: (entry.out_scale as number | undefined) ?? (Math.max(...expected.data) - Math.min(...expected.data)) / 255,
      correct: Math.round(Number(entry.acc_test360) * labels.length),
    };
  };
  return corpusEntries()
    .filter(({ kind }) => kind === 'torch-export')
    .map(caseOf);
}

export type Run = (x: ITensor<'f32'>) => Promise<ITensor>;

export interface Models {
  /** The program as imported. */
  readonly program: Run;
  /** After grouping, by the interpreter. */
  readonly integers: Run;
  /** The same on oneDNN. */
  readonly compiled: Run;
  readonly graph: Graph;
  readonly quantized: Graph;
}

export async function modelsOf(c: ExportCase): Promise<Models> {
  const graph = await importModel(c.file);
  const { quantized } = legalize(graph, { target: 'onednn' });
  const compiled = await compile(graph, { threads: 1 });
  const [input, output] = [graph.inputs[0], graph.outputs[0]];
  const interpreted =
    (g: Graph): Run =>
    async (x) =>
      interpret(g, { [input]: x })[output];
  const fixed = graph.values[input].type.shape[0];
  const inParts = (run: Run): Run => (typeof fixed === 'number' ? (x) => inCalls(run, x, fixed) : run);
  return {
    graph,
    quantized,
    program: inParts(interpreted(graph)),
    integers: inParts(interpreted(quantized)),
    compiled: inParts(async (x) => {
      const { data, dims } = (await compiled.run({ [input]: new Tensor('float32', x.data, x.shape) }))[output];
      return { dtype: 'f32', shape: dims, data } as ITensor;
    }),
  };
}

/** Rows `from` to `to` of a batch. */
export function rows(x: ITensor<'f32'>, from: number, to: number): ITensor<'f32'> {
  const width = x.data.length / x.shape[0];
  return { dtype: 'f32', shape: x.shape.with(0, to - from), data: x.data.slice(from * width, to * width) };
}

/** The results of several calls with `count` images each, one after the other. */
async function inCalls(run: Run, x: ITensor<'f32'>, count: number): Promise<ITensor> {
  const parts: number[] = [];
  for (let i = 0; i < x.shape[0]; i += count) parts.push(...((await run(rows(x, i, i + count))).data as Float32Array));
  return { dtype: 'f32', shape: [x.shape[0], parts.length / x.shape[0]], data: Float32Array.from(parts) };
}

/** The results for the images that have expected outputs: in the calls of the reference where that matters. */
export async function resultOf(c: ExportCase, run: Run): Promise<Float32Array> {
  const count = c.expected.shape[0];
  const taken = c.isDynamic ? Math.ceil(count / PER_CALL) * PER_CALL : count;
  const x = rows(c.images, 0, taken);
  const { data } = c.isDynamic ? await inCalls(run, x, PER_CALL) : await run(x);
  return (data as Float32Array).slice(0, c.expected.data.length);
}

export interface Difference {
  /** Outputs further than 1e-4 from the reference. */
  readonly differing: number;
  /** The greatest difference in steps of the result. */
  readonly steps: number;
  /** Images of another class. */
  readonly otherClass: number;
}

export function differenceOf({ expected, step }: ExportCase, actual: Float32Array): Difference {
  let [differing, greatest] = [0, 0];
  actual.forEach((value, i) => {
    const difference = Math.abs(value - expected.data[i]);
    if (!(difference <= 1e-4)) differing++;
    greatest = Math.max(greatest, difference);
  });
  const [ours, theirs] = [classesOf(actual, expected.shape[1]), classesOf(expected.data, expected.shape[1])];
  return { differing, steps: greatest / step, otherClass: ours.filter((value, i) => value !== theirs[i]).length };
}

function classesOf(data: Float32Array, width: number): readonly number[] {
  return Array.from({ length: data.length / width }, (_, i) => {
    const logits = Array.from(data.subarray(i * width, (i + 1) * width));
    return logits.indexOf(Math.max(...logits));
  });
}

/** Images that are classified as labelled. */
export async function correctOf(c: ExportCase, run: Run): Promise<number> {
  const { data } = await inCalls(run, c.images, PER_CALL);
  const classes = classesOf(data as Float32Array, c.expected.shape[1]);
  return classes.filter((value, i) => value === c.labels[i]).length;
}
