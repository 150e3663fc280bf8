/** A compiled model, and the memory of its file, which the sessions of the model may use up. */
import type { CompiledModel } from '../codegen/index.ts';
import { type Graph, nodesWithBodies, withBodyGraphs } from '../ir/index.ts';
import { type Account, certificateBy } from '../passes/index.ts';
import type { BackendOrder } from './backend_names.ts';
import { openOrder } from './backends.ts';
import type { Compilation } from './compile_graph.ts';
import type { Opened } from './model.ts';
import { apartFrom, heldFor, type OfPools, type OwnFile } from './own_file.ts';

export interface OwnModel {
  readonly compiled: Opened;
  readonly file?: Uint8Array;
}

/** Proofs that nobody has asked for yet are made when the certificate is read, of weights that are read from the file again. */
export function ownModel(compilation: Compilation, order: BackendOrder, file: OwnFile): OwnModel {
  const { graph, target, strategies, account, selected } = compilation;
  const held = heldFor(graph, account.bodies.length > 0, order, file);
  if (held === undefined && account.bodies.length > 0) return { compiled: compilation };
  const apart = apartFrom(file, account.quantized.pool);
  const lasting = held ?? (() => apart);
  const [host] = openOrder(order, target);
  const certificate = certificateBy(accountIn(account, lasting), inPools(selected, lasting), host, host.byteSums);
  if (held) return { compiled: { graph: inPools(graph, held), target, certificate, strategies } };
  return { compiled: { graph, target, certificate, strategies }, file: file.bytes };
}

/** The model of a compiled file: its proofs are in it. */
export function ownCompiled(compiled: CompiledModel, order: BackendOrder, file: OwnFile | undefined): OwnModel {
  if (file === undefined) return { compiled };
  const { graph } = compiled;
  const held = heldFor(graph, nodesWithBodies(graph).length > 0, order, file);
  return held ? { compiled: { ...compiled, graph: inPools(graph, held) } } : { compiled, file: file.bytes };
}

const inPools = (graph: Graph, of: OfPools): Graph => {
  const whole = withBodyGraphs(graph, (body) => inPools(body, of));
  return { ...whole, pool: of(whole.pool) };
};

const accountIn = (account: Account, of: OfPools): Account => ({
  ...account,
  quantized: inPools(account.quantized, of),
  corrected: inPools(account.corrected, of),
  bodies: account.bodies.map((body) => ({ ...body, ...accountIn(body, of) })),
});
