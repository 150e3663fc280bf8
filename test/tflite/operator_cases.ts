/** The single-operator models of the shared corpus (`tflite-ops`), with what LiteRT's engines answered, and what we answer. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UnskewError } from '../../src/diagnostics/index.ts';
import { importTflite } from '../../src/importers/tflite/import.ts';
import type { TfliteProfile } from '../../src/importers/tflite/profiles.ts';
import {
  dtypeOfOnnxName,
  type Graph,
  type ITensor,
  isOp,
  nodesOf,
  opaqueOp,
  tensorOfBytes,
} from '../../src/ir/index.ts';
import { sharedCorpus } from '../support/corpus.ts';

interface Recorded {
  readonly dtype: string;
  readonly dims: readonly number[];
  readonly b64: string;
}

type Answers = readonly Recorded[];
type Answer = Answers | readonly Answers[] | 'same' | { readonly fails: string } | null;

export interface OperatorCase {
  readonly id: string;
  readonly op: string;
  readonly options: { readonly kind: string };
  readonly model: string;
  readonly inputs: Answers | readonly Answers[];
  readonly ref: Answer;
  readonly builtin: Answer;
  readonly xnnpack: Answer;
  readonly xnnpack_takes?: boolean;
}

export const operatorCasesFolder = join(sharedCorpus, 'tflite-ops');

export function operatorCases(only?: string): OperatorCase[] {
  if (!existsSync(operatorCasesFolder)) return [];
  const files = readdirSync(operatorCasesFolder).filter((name) => name.endsWith('.jsonl'));
  return files
    .filter((name) => only === undefined || name === `${only}.jsonl`)
    .flatMap((name) => readFileSync(join(operatorCasesFolder, name), 'utf8').trim().split('\n'))
    .map((line): OperatorCase => JSON.parse(line));
}

/** The answers that a profile promises: those of the engine, of the next one where it has none of its own. */
export function expected(c: OperatorCase, profile: TfliteProfile): Answers | readonly Answers[] | undefined {
  const resolved = (answer: Answer) => (answer === 'same' ? c.ref : answer);
  const answer = profile === 'tflite' ? (c.ref ?? resolved(c.builtin)) : resolved(c.xnnpack);
  return Array.isArray(answer) ? answer : undefined;
}

export function tensorOfRecord({ dtype, dims, b64 }: Recorded): ITensor {
  const known = dtypeOfOnnxName(dtype);
  if (known === undefined) throw new Error(`the element type ${dtype} of the corpus`);
  return tensorOfBytes(known, dims, new Uint8Array(Buffer.from(b64, 'base64')));
}

export type Outcome =
  | { readonly status: 'equal' }
  | { readonly status: 'refused'; readonly why: string }
  | { readonly status: 'wrong'; readonly why: string };

/** Runs a graph on named tensors. */
export type Run = (graph: Graph, feeds: Record<string, ITensor>) => Promise<Record<string, ITensor>>;

/** Floats may differ by as much as sums in another order do: `slack` times the largest element. */
export async function outcomeOf(c: OperatorCase, profile: TfliteProfile, run: Run, slack = 0): Promise<Outcome> {
  const want = expected(c, profile);
  if (want === undefined) return { status: 'refused', why: 'no answer is recorded' };
  try {
    const graph = importTflite(Buffer.from(c.model, 'base64'), { file: `${c.id}.tflite`, profile });
    const carried = nodesOf(graph).find((node) => isOp(node, opaqueOp));
    if (carried) return { status: 'refused', why: graph.origin?.unsupported[0]?.reason ?? 'carried' };
    const isStateful = Array.isArray(want[0]);
    if (isStateful) return { status: 'refused', why: 'state' };
    const given = c.inputs as Answers;
    const feeds = Object.fromEntries(graph.inputs.map((id, i) => [id as string, tensorOfRecord(given[i])]));
    const results = await run(graph, feeds);
    for (const [i, id] of graph.outputs.entries()) {
      const why = difference(tensorOfRecord((want as Answers)[i]), results[id], slack);
      if (why !== undefined) return { status: 'wrong', why };
    }
    return { status: 'equal' };
  } catch (error) {
    if (error instanceof UnskewError) return { status: 'refused', why: error.message.split('\n')[0] };
    throw error;
  }
}

export function difference(want: ITensor, got: ITensor, slack: number): string | undefined {
  if (got.dtype !== want.dtype || `${got.shape}` !== `${want.shape}`)
    return `${got.dtype}[${got.shape}] instead of ${want.dtype}[${want.shape}]`;
  const [a, b] = [want.data, got.data];
  const most = slack === 0 ? 0 : Math.max(...Array.from(a as Float32Array, (x) => Math.abs(Number(x))));
  let count = 0;
  let first = -1;
  for (let i = 0; i < a.length; i++) {
    if (Object.is(a[i], b[i]) || (want.dtype === 'f32' && Math.abs(Number(a[i]) - Number(b[i])) <= slack * most))
      continue;
    if (first < 0) first = i;
    count++;
  }
  return count === 0
    ? undefined
    : `${count} of ${a.length} differ, the first at ${first}: ${b[first]} instead of ${a[first]}`;
}
