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
import { runsOf } from './runs.ts';

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
  | { readonly status: 'last bits'; readonly why: string }
  | { readonly status: 'refused'; readonly why: string }
  | { readonly status: 'wrong'; readonly why: string };

/** Runs a graph on named tensors. */
export type Run = (
  graph: Graph,
  feeds: Readonly<Record<string, ITensor>>,
) => Promise<Readonly<Record<string, ITensor>>>;

export const graphOf = (c: OperatorCase, profile: TfliteProfile): Graph =>
  importTflite(Buffer.from(c.model, 'base64'), { file: `${c.id}.tflite`, profile, state: 'inputs-and-outputs' });

/** Runs one after the other; cases without state have one. */
export const stepsOf = (records: Answers | readonly Answers[]): readonly Answers[] =>
  records.every((record) => Array.isArray(record)) ? (records as readonly Answers[]) : [records as Answers];

/** The inputs of every run by their names. */
export const inputsOfRuns = (c: OperatorCase, graph: Graph): readonly Record<string, ITensor>[] =>
  stepsOf(c.inputs).map((given) =>
    Object.fromEntries(given.map((record, i) => [graph.inputs[i] as string, tensorOfRecord(record)])),
  );

/** Floats whose last bits differ: LiteRT adds in an order of its own. */
export const inAnotherOrder = ({ options: { kind } }: OperatorCase): boolean => kind === 'f32';

/** Floats that differ by no more than sums in another order do, `slack` times the largest element, differ in last bits. */
export async function outcomeOf(c: OperatorCase, profile: TfliteProfile, run: Run, slack = 0): Promise<Outcome> {
  const want = expected(c, profile);
  if (want === undefined) return { status: 'refused', why: 'no answer is recorded' };
  try {
    const graph = graphOf(c, profile);
    const carried = nodesOf(graph).find((node) => isOp(node, opaqueOp));
    if (carried) return { status: 'refused', why: graph.origin?.unsupported[0]?.reason ?? 'carried' };
    const results = await runsOf(graph, inputsOfRuns(c, graph), (feeds) => run(graph, feeds));
    const differenceBy = (most: number): string | undefined => {
      for (const [step, answers] of stepsOf(want).entries()) {
        for (const [i, answer] of answers.entries()) {
          const why = difference(tensorOfRecord(answer), results[step][graph.outputs[i]], most);
          if (why !== undefined) return `run ${step + 1}: ${why}`;
        }
      }
      return undefined;
    };
    const why = differenceBy(0);
    if (why === undefined) return { status: 'equal' };
    return { status: slack > 0 && differenceBy(slack) === undefined ? 'last bits' : 'wrong', why };
  } catch (error) {
    if (error instanceof UnskewError) return { status: 'refused', why: error.message.split('\n')[0] };
    throw error;
  }
}

export function difference(want: ITensor, got: ITensor, slack: number): string | undefined {
  // LiteRT reports a scalar as a vector of one element
  const shape = got.shape.length === 0 ? [1] : got.shape;
  if (got.dtype !== want.dtype || (`${got.shape}` !== `${want.shape}` && `${shape}` !== `${want.shape}`))
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
