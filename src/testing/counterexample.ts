/** A refuted rewrite: an error to read, and files to replay it. */

import { systemReason, UnskewError } from '../diagnostics/index.ts';
import { exportOnnx } from '../exporters/index.ts';
import { type Feeds, formatType, type Graph, type ITensor, numbersOf, print } from '../ir/index.ts';
import { platform } from '../platform/index.ts';
import type { Difference } from './compare.ts';
import { npy } from './npy.ts';

export interface Refutation {
  /** The rule, or another subject of the check. */
  readonly name: string;
  /** The equation that does not hold. */
  readonly law: string;
  readonly before: Graph;
  /** Absent when the rewrite itself failed. */
  readonly after?: Graph;
  readonly feeds: Feeds;
  /** The first element that differs, or why there is nothing to compare. */
  readonly difference: Difference | string;
  /** The draw that found it. */
  readonly draws: string;
}

/** Thrown by the checks: the smallest graph and inputs that were found to refute the law. */
export class CounterexampleError extends Error {
  override readonly name = 'CounterexampleError';
  readonly refutation: Refutation;
  /** The folder of the files. */
  readonly folder: string;

  constructor(refutation: Refutation, folder: string) {
    super(`${describe(refutation)}\n${written(refutation, folder)}`);
    this.refutation = refutation;
    this.folder = folder;
  }
}

/** A folder that cannot be written hides no counterexample. */
function written(refutation: Refutation, folder: string): string {
  try {
    return `written to ${folder}: ${write(refutation, folder).join(', ')}`;
  } catch (error) {
    return `nothing could be written to ${folder}: ${systemReason(error)}`;
  }
}

export function describe({ name, law, before, after, feeds, difference, draws }: Refutation): string {
  return [
    `${name} is refuted: ${law}`,
    '',
    'before',
    indented(print(before)),
    ...(after ? ['after', indented(print(after))] : []),
    'inputs',
    ...Object.entries(feeds).map(([id, t]) => `  ${id}: ${formatType(t)} = ${formatContents(t)}`),
    '',
    typeof difference === 'string' ? difference : formatDifference(difference),
    draws,
  ].join('\n');
}

const indented = (text: string): string => text.replace(/^(?=.)/gm, '  ');

export const formatDifference = ({ output, index, before, after, count, size }: Difference): string =>
  `first difference: %${output}[${index}] is ${before} before and ${after} after (${count} of ${size} elements differ)`;

const SHOWN = 64;

function formatContents(t: ITensor): string {
  const items = t.dtype === 's64' || t.dtype === 'u64' ? Array.from(t.data, String) : numbersOf(t).map(String);
  return items.length <= SHOWN
    ? `[${items.join(', ')}]`
    : `[${items.slice(0, SHOWN).join(', ')}, … ${items.length} elements]`;
}

/** The names of the files written. */
function write({ before, after, feeds }: Refutation, folder: string): string[] {
  const model = onnxOf(before);
  const files = {
    'before.qir': print(before),
    ...(after && { 'after.qir': print(after) }),
    ...(model && { 'before.onnx': model }),
    ...Object.fromEntries(Object.entries(feeds).map(([id, t]) => [`${id.replace(/[^\w.-]/g, '_')}.npy`, npy(t)])),
  };
  platform.writeFiles(folder, files);
  return Object.keys(files);
}

/** For other runtimes; undefined for a graph that ONNX cannot express. */
function onnxOf(graph: Graph): Uint8Array | undefined {
  try {
    return exportOnnx(graph);
  } catch (error) {
    if (error instanceof UnskewError) return undefined;
    throw error;
  }
}
