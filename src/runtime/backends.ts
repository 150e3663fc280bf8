/** The back ends by name: a new one is a folder in codegen, and an entry here. */
import {
  type Backend,
  control,
  defaultTarget,
  type HeldFile,
  holdFile,
  type KernelChoice,
  type Library,
  later,
  libraryHere,
  machineHere,
  onednn,
  onnxruntime,
  reference,
  type TargetDescription,
} from '../codegen/index.ts';
import { exportPart, hasOlderPart, partRefusal } from '../exporters/index.ts';
import type { CostRow } from '../passes/index.ts';
import { loadAddon } from './addon.ts';
import { type BackendName, type BackendOrder, usualBackend } from './backend_names.ts';
import { Body } from './body.ts';
import { machineOf, readCosts } from './cost_cache.ts';
import { onnxruntimeHere } from './onnxruntime/index.ts';

interface Entry {
  /** Tells the times of single nodes. */
  readonly keepsTimes: boolean;
  /**
   * The machine that models are compiled for unless told otherwise.
   *
   * @throws UnskewError U5001 where its library cannot be loaded
   */
  here(threads: number): TargetDescription;
  /** Gives memory that ended threads have left back to the system. */
  readonly trim?: () => void;
  /** Holds a file whose memory sessions give back to the system. @param descriptor of the open file */
  readonly hold?: (bytes: Uint8Array, descriptor: number) => HeldFile;
  /** The library on which measured costs depend. @throws UnskewError U5001 */
  readonly library?: () => Library;
  /**
   * The one whose operators and capabilities models are compiled for.
   *
   * @param own costs that were measured on that machine
   */
  open(machine: TargetDescription, own?: readonly CostRow[]): Backend;
}

export const backends: Readonly<Record<BackendName, Entry>> = {
  onednn: {
    keepsTimes: true,
    here: (threads) => ({ name: 'onednn', ...machineHere(loadAddon(), threads) }),
    trim: () => loadAddon().trim(),
    hold: (bytes, descriptor) => holdFile(loadAddon(), bytes, descriptor),
    library: () => libraryHere(loadAddon()),
    open: (machine, own) => onednn(machine, loadAddon, own),
  },
  reference: {
    keepsTimes: false,
    here: (threads) => ({ ...defaultTarget(), threads }),
    open: (machine) => reference(onednn(machine, loadAddon)),
  },
};

/** The back ends on a machine, in their order: behind all others the interpreter, which computes whatever has a meaning. */
export function openOrder(
  order: BackendOrder,
  machine: TargetDescription,
  own?: readonly CostRow[],
): readonly [Backend, ...Backend[]] {
  const [first, ...others] = order;
  const host = backends[first].open(machine, own);
  const opened = others.map((name) =>
    name === 'onnxruntime'
      ? onnxruntime(host, machine.threads, onnxruntimeHere, {
          refusal: partRefusal,
          write: exportPart,
          hasOlder: hasOlderPart,
        })
      : reference(host),
  );
  // bodies are computed by all of them
  const all: readonly [Backend, ...Backend[]] = [
    host,
    control(host, (body) => new Body(body, () => all)),
    later(
      host,
      (graph) => new Body(graph, () => all.filter(({ name }) => name !== 'later')),
      others.includes('onnxruntime'),
    ),
    ...opened,
    ...(order.includes('reference') ? [] : [reference(host)]),
  ];
  return all;
}

/** The usual one for a machine of a common kind, for what does not depend on this one. Nothing is loaded before it plans. */
export const portableBackend = backends[usualBackend].open(defaultTarget());

/** The back ends on this machine. */
export const openHere = (
  order: BackendOrder,
  threads: number,
  kernels?: KernelChoice,
): readonly [Backend, ...Backend[]] =>
  openOrder(order, { ...backends[order[0]].here(threads), ...(kernels && { kernels }) });

/** The costs that were measured on this machine. */
export function costsHere(name: BackendName, threads: number): readonly CostRow[] {
  const { library } = backends[name];
  return library ? readCosts(machineOf(library(), threads)) : [];
}
