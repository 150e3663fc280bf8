/**
 * A process that judges layers: for one instruction set, which oneDNN takes from DNNL_MAX_CPU_ISA, or for the meaning and ONNX
 * Runtime. Jobs come as messages, answers go back as messages, and when the process dies it dies of the job it was given last.
 */
import { loadAddon } from '../../src/runtime/addon.ts';
import { judgeCompiled, judgeMeaning, type Outcome } from './judge.ts';
import { type Kind, layerOf } from './kind.ts';
import { kinds } from './kinds/index.ts';

export interface Job {
  readonly kind: string;
  readonly seed: number;
  readonly what: 'meaning' | 'compiled';
}
export interface Answer {
  readonly outcomes: readonly Outcome[];
}

const isa = process.argv[2];
process.send?.({ isa: loadAddon().isa });
if (isa === 'sse41') loadAddon().setKernelIsa('scalar');
process.on('message', async ({ kind, seed, what }: Job) => {
  const found = kinds.find(({ name }) => name === kind) as Kind;
  const layer = layerOf(found, seed);
  const outcomes = what === 'meaning' ? await judgeMeaning(layer) : [await judgeCompiled(layer, isa)];
  process.send?.({ outcomes } satisfies Answer);
});
process.on('disconnect', () => process.exit());
