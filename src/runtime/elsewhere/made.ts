/** A compilation on its way from the thread that made it. */
import type { BackendOrder } from '../backend_names.ts';
import type { Compilation } from '../compile_graph.ts';
import type { OwnFile } from '../own_file.ts';
import { type OwnModel, ownModel } from '../own_model.ts';
import type { Made } from './protocol.ts';
import { Receiver, Sender } from './sent.ts';

/** The message, and the memory that may change hands with it. @param file the file that the graph was read from */
export function madeOf(
  { target, strategies, graph, selected, account }: Compilation,
  file?: OwnFile,
): { readonly made: Made; readonly moved: readonly ArrayBuffer[] } {
  const sender = new Sender();
  const { sent: stages, moved } = sender.sent({
    graph: sender.graph(graph),
    selected: sender.graph(selected),
    account: sender.account(account),
  });
  const own = file && moved.some((buffer) => buffer === file.bytes.buffer) ? { file } : {};
  return { made: { stages, target, strategies, ...own }, moved };
}

export function modelOf({ stages, target, strategies, file }: Made, order: BackendOrder): OwnModel {
  const { what } = stages;
  const receiver = new Receiver(stages);
  const [graph, selected] = [what.graph, what.selected].map(receiver.graph);
  return ownModel({ graph, selected, target, strategies, account: receiver.account(what.account) }, order, file);
}
