/** A compiled model, and the memory of its file, which the sessions of the model may use up. */
import { certificateBy } from '../passes/index.ts';
import type { BackendOrder } from './backend_names.ts';
import { openOrder } from './backends.ts';
import type { Compilation } from './compile_graph.ts';
import type { Opened } from './model.ts';
import { apartFrom, type OwnFile } from './own_file.ts';

export interface OwnModel {
  readonly compiled: Opened;
  readonly file?: Uint8Array;
}

/** Proofs that nobody has asked for yet are made when the certificate is read, of weights that are read from the file again. */
export function ownModel(compilation: Compilation, order: BackendOrder, file: OwnFile): OwnModel {
  const { graph, target, strategies, account, selected } = compilation;
  // bodies read their constants when they first run
  if (account.bodies.length > 0) return { compiled: compilation };
  const pool = apartFrom(file, account.quantized.pool);
  const [quantized, corrected, last] = [account.quantized, account.corrected, selected].map((stage) => ({
    ...stage,
    pool,
  }));
  const [host] = openOrder(order, target);
  const certificate = certificateBy({ ...account, quantized, corrected }, last, host, host.byteSums);
  return { compiled: { graph, target, certificate, strategies }, file: file.bytes };
}
