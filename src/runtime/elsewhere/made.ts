/** A compilation on its way from the thread that made it. */
import { deserialize, serialize } from 'node:v8';
import { certificateBy, lazily } from '../../passes/index.ts';
import { atSizesAgain, type FileAgain } from '../at_sizes.ts';
import { openOrder } from '../backends.ts';
import { type Compilation, compiledAt } from '../compile_graph.ts';
import { type CompileOptions, orderOf } from '../compile_options.ts';
import { apartFrom, heldFor, type OwnFile } from '../own_file.ts';
import type { OwnModel } from '../own_model.ts';
import { refuseUnknown } from '../refuse_unrunnable.ts';
import type { Made, Proofs, SentStages } from './protocol.ts';
import { poolsOf, Receiver, Sender } from './sent.ts';

interface Files {
  /** The file that the graph was read from. */
  readonly file?: OwnFile | undefined;
  /** The same, as it is read at sizes of a run. */
  readonly again?: FileAgain | undefined;
}

/** The message, and the memory that may change hands with it. */
export function madeOf(
  { target, strategies, graph, selected, account, atSizes }: Compilation,
  { file, again }: Files,
): { readonly made: Made; readonly moved: readonly ArrayBuffer[] } {
  const sender = new Sender();
  const proofs: Proofs = { selected: sender.graph(selected), account: sender.account(account) };
  const { sent: stages, moved } = sender.sent<SentStages>({
    graph: sender.graph(graph),
    proofs: serialize(proofs),
    hasBodies: account.bodies.length > 0,
  });
  const made = { stages, target, strategies };
  if (atSizes !== undefined && again !== undefined) {
    const { buffer } = again.bytes;
    const isMoved = buffer instanceof ArrayBuffer && buffer.byteLength === again.bytes.byteLength;
    return { made: { ...made, again }, moved: isMoved ? [...new Set([...moved, buffer])] : moved };
  }
  const own = file && moved.some((buffer) => buffer === file.bytes.buffer) ? { file } : {};
  return { made: { ...made, ...own }, moved };
}

export function modelOf({ stages, target, strategies, file, again }: Made, options: CompileOptions): OwnModel {
  const order = orderOf(options);
  const { graph: sent, proofs, hasBodies } = stages.what;
  const held = file && heldFor(sent, hasBodies, order, file);
  const pools = held ? poolsOf(stages).map(held) : poolsOf(stages);
  const graph = new Receiver(pools).graph(sent);
  const own = hasBodies || held ? undefined : file;
  const lasting = own ? pools.map((pool) => apartFrom(own, pool)) : pools;
  const certificate = lazily(() => {
    const { selected, account } = deserialize(proofs) as Proofs;
    const receiver = new Receiver(lasting);
    const [host] = openOrder(order, target);
    return certificateBy(receiver.account(account), receiver.graph(selected), host, host.byteSums);
  });
  const refuse = () => refuseUnknown(graph, openOrder(order, target));
  return {
    compiled: {
      ...{ graph, target, certificate, strategies },
      ...(again && { atSizes: compiledAt(atSizesAgain(graph, again), options, refuse) }),
    },
    ...(own && { file: own.bytes }),
  };
}
