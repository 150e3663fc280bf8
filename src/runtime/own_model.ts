/** A compiled model, and the memory of its file, which the sessions of the model may use up. */
import type { CompiledModel } from '../codegen/index.ts';
import { certificateBy } from '../passes/index.ts';
import type { BackendOrder } from './backend_names.ts';
import { openOrder } from './backends.ts';
import type { Compilation } from './compile_graph.ts';
import { apartFrom, type OwnFile } from './own_file.ts';

export interface OwnModel {
  readonly compiled: CompiledModel & Pick<Compilation, 'atSizes'>;
  readonly file?: Uint8Array;
}

type Stages = Pick<Compilation, 'graph' | 'target' | 'strategies' | 'account' | 'selected'>;

/** Proofs that nobody has asked for yet are made when the certificate is read, of weights that are read from the file again. */
export function ownModel(stages: Stages, order: BackendOrder, file: OwnFile | undefined): OwnModel {
  const { graph, target, strategies, account, selected } = stages;
  const [host] = openOrder(order, target);
  // bodies read their constants when they first run
  const own = account.bodies.length === 0 ? file : undefined;
  const graphs = [account.quantized, account.corrected, selected];
  const [quantized, corrected, last] = own ? apartFrom(own, graphs) : graphs;
  const certificate = certificateBy({ ...account, quantized, corrected }, last, host, host.byteSums);
  return { compiled: { graph, target, certificate, strategies }, ...(own && { file: own.bytes }) };
}
