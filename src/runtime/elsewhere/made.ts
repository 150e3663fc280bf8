/** A compilation on its way from the thread that made it. */
import { atSizesAgain, type FileAgain } from '../at_sizes.ts';
import { openOrder } from '../backends.ts';
import { type Compilation, compiledAt } from '../compile_graph.ts';
import { type CompileOptions, orderOf } from '../compile_options.ts';
import type { OwnFile } from '../own_file.ts';
import { type OwnModel, ownModel } from '../own_model.ts';
import { refuseUnknown } from '../refuse_unrunnable.ts';
import type { Made } from './protocol.ts';
import { Receiver, Sender } from './sent.ts';

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
  const { sent: stages, moved } = sender.sent({
    graph: sender.graph(graph),
    selected: sender.graph(selected),
    account: sender.account(account),
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
  const { what } = stages;
  const receiver = new Receiver(stages);
  const [graph, selected] = [what.graph, what.selected].map(receiver.graph);
  const account = receiver.account(what.account);
  const model = ownModel({ graph, selected, target, strategies, account }, order, file);
  if (again === undefined) return model;
  const refuse = () => refuseUnknown(graph, openOrder(order, target));
  return { compiled: { ...model.compiled, atSizes: compiledAt(atSizesAgain(graph, again), options, refuse) } };
}
