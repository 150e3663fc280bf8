/** Compiles a network again and again, or runs it without end, until it is terminated. */
import { parentPort, workerData } from 'node:worker_threads';
import { compile, type Model } from '../../src/index.ts';
import { batch, network } from './network.ts';

const bytes = network();
const { compiles } = workerData as { readonly compiles: boolean };
let model: Model = await compile(bytes, { threads: 2 });
parentPort?.postMessage('ready');
for (let i = 0; ; i++) {
  if (compiles) model = await compile(bytes, { threads: 1 + (i % 2) });
  await Promise.all([1, 2, 3].map((size) => model.run(batch(size + (i % 3)))));
  if (compiles) model.dispose();
}
