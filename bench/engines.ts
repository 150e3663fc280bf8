/** The networks of the benchmark on their engines, and one engine alone in a process of its own. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { createPeer, type Peer } from '../src/cli/onnxruntime.ts';
import { importOnnx } from '../src/importers/onnx/import.ts';
import type { Graph } from '../src/ir/index.ts';
import { compileGraph } from '../src/runtime/compile_graph.ts';
import { Model } from '../src/runtime/model.ts';
import { type Contender, measure, type Schedule, type Timing } from './measure.ts';
import { type NetOptions, networks, noiseImage } from './models/index.ts';

export type NetworkName = keyof typeof networks;

export interface Subject {
  readonly network: NetworkName;
  readonly options: NetOptions;
  readonly threads: number;
}

export const feedOf = (input: string) => ({
  [input]: { type: 'float32', data: noiseImage(7), dims: [1, 3, 224, 224] },
});

/** unskew as people call it, and without the way to another thread and back. */
export const ourContenders = (model: Model, feeds: ReturnType<typeof feedOf>): Contender[] => [
  { name: 'run', run: () => model.run(feeds) },
  { name: 'runSync', run: () => model.runSync(feeds) },
];

export const peerContender = (peer: Peer, feeds: ReturnType<typeof feedOf>): Contender => ({
  name: 'onnxruntime',
  run: () => peer.run(feeds),
});

export const modelOf = (graph: Graph, threads: number): Model =>
  new Model(compileGraph(graph, { threads }), { threads });

interface Alone extends Subject {
  readonly engine: 'unskew' | 'onnxruntime';
  readonly schedule: Schedule;
}

/** Timings of one engine in a process that has never seen the other: of `run` and `runSync`, or of onnxruntime. */
export function measureAlone(alone: Alone): Timing[] {
  const { stdout, status, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', fileURLToPath(import.meta.url), JSON.stringify(alone)],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`${alone.engine} alone: ${stderr}`);
  return JSON.parse(stdout) as Timing[];
}

async function timeAlone({ network, options, threads, engine, schedule }: Alone): Promise<Timing[]> {
  const bytes = networks[network](options);
  const graph = importOnnx(bytes, { file: network });
  const feeds = feedOf(graph.inputs[0]!);
  return measure(
    engine === 'unskew'
      ? ourContenders(modelOf(graph, threads), feeds)
      : [peerContender(await createPeer(bytes, { threads }), feeds)],
    schedule,
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  console.log(JSON.stringify(await timeAlone(JSON.parse(process.argv[2]!) as Alone)));
