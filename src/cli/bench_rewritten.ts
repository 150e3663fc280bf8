/** `bench --vs onnxruntime` of a model that has an operator which nothing here computes. */
import { availableParallelism } from 'node:os';
import type { NodeTime } from '../codegen/index.ts';
import type { Feeds, Graph } from '../ir/index.ts';
import type { Strategy } from '../passes/index.ts';
import { rewrittenFor } from './check_rewritten.ts';
import { unknownText } from './compare_files.ts';
import type { Source } from './files.ts';
import { publicFeeds } from './inputs.ts';
import { compare, measure, type Ratio, scheduleFor, type Timing } from './measure.ts';
import { createPeer } from './onnxruntime.ts';
import type { Terminal } from './terminal.ts';

export interface BenchedFiles {
  readonly file: string;
  readonly backend: string;
  readonly threads: number;
  readonly compileAndFirstRun: number;
  readonly timings: readonly Timing[];
  readonly ratio?: Ratio;
  readonly nodes?: readonly NodeTime[];
}

interface Benched {
  readonly feeds: Feeds;
  readonly threads: number | undefined;
  readonly strategy: Strategy | undefined;
}

/** The model that `rewrite` would write against the model itself, both in ONNX Runtime. */
export async function benchRewritten(
  source: Source,
  graph: Graph,
  { feeds: tensors, threads, strategy }: Benched,
  terminal: Terminal,
): Promise<BenchedFiles> {
  const { model, written } = rewrittenFor(source, graph, strategy, terminal);
  terminal.note(`note: ${unknownText(graph)}: onnxruntime runs the rewritten model instead`);
  const feeds = publicFeeds(tensors);
  const options = threads === undefined ? {} : { threads };
  const start = performance.now();
  const rewritten = await createPeer(written, options);
  const original = await createPeer(model, options);
  try {
    await rewritten.run(feeds);
    const firstRun = performance.now() - start;
    const contenders = [
      { name: 'onnxruntime, rewritten', run: () => rewritten.run(feeds) },
      { name: 'onnxruntime', run: () => original.run(feeds) },
    ];
    terminal.progress('measuring');
    const timings = await measure(contenders, await scheduleFor(contenders));
    return {
      file: source.path,
      backend: 'onnxruntime',
      threads: threads ?? availableParallelism(),
      compileAndFirstRun: firstRun,
      timings,
      ratio: compare(timings[0], timings[1]),
    };
  } finally {
    await rewritten.dispose();
    await original.dispose();
  }
}
