/** A compiled model, and the memory of its file, which the sessions of the model may use up. */
import type { CompiledModel } from '../codegen/index.ts';
import { type Claims, certificateOf, Prover, withSelection } from '../passes/index.ts';
import type { BackendOrder } from './backend_names.ts';
import { openOrder } from './backends.ts';
import type { Compilation } from './compile_graph.ts';
import { apartFrom, type OwnFile } from './own_file.ts';

export interface OwnModel {
  readonly compiled: CompiledModel & Pick<Compilation, 'atSizes'>;
  readonly file?: Uint8Array;
}

type Stages = Pick<Compilation, 'graph' | 'target' | 'strategies' | 'quantized' | 'corrected' | 'selected'>;

/** Proofs that nobody has asked for yet are made when the certificate is read, of weights that are read from the file again. */
export function ownModel(stages: Stages, claims: Claims, order: BackendOrder, file: OwnFile | undefined): OwnModel {
  const { graph, target, strategies } = stages;
  const graphs = [stages.quantized, stages.corrected, stages.selected];
  const [quantized, corrected, selected] = file ? apartFrom(file, graphs) : graphs;
  const [host] = openOrder(order, target);
  const prover = new Prover(host.byteSums);
  const proved = certificateOf(corrected, claims, () => prover.corrections(quantized, corrected));
  const certificate = withSelection(proved, prover, { corrected, selected }, host);
  return { compiled: { graph, target, certificate, strategies }, ...(file && { file: file.bytes }) };
}
