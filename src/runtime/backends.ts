/** The back ends by name: a new one is a folder in codegen, and an entry here. */
import {
  type Backend,
  defaultTarget,
  type KernelChoice,
  type Library,
  libraryHere,
  machineHere,
  onednn,
  onnxruntime,
  reference,
  type TargetDescription,
} from '../codegen/index.ts';
import { fail } from '../diagnostics/index.ts';
import { exportPart, partRefusal } from '../exporters/index.ts';
import type { CostRow } from '../passes/index.ts';
import { loadAddon } from './addon.ts';
import { machineOf, readCosts } from './cost_cache.ts';
import { onnxruntimeFile, onnxruntimeHere } from './onnxruntime/index.ts';

interface Entry {
  /** Tells the times of single nodes. */
  readonly keepsTimes: boolean;
  /**
   * The machine that models are compiled for unless told otherwise.
   *
   * @throws UnskewError U5001 where its library cannot be loaded
   */
  here(threads: number): TargetDescription;
  /** The library on which measured costs depend. @throws UnskewError U5001 */
  readonly library?: () => Library;
  /**
   * The one whose operators and capabilities models are compiled for.
   *
   * @param own costs that were measured on that machine
   */
  open(machine: TargetDescription, own?: readonly CostRow[]): Backend;
}

/** Those that a model can be compiled for. The one that runs models unless told otherwise comes first. */
export const backendNames = ['onednn', 'reference'] as const;
export type BackendName = (typeof backendNames)[number];
export const usualBackend = backendNames[0];

/** ONNX Runtime computes what others leave over, and no model is compiled for it. */
export const allBackendNames = [...backendNames, 'onnxruntime'] as const;
export type AnyBackendName = (typeof allBackendNames)[number];

export const backends: Readonly<Record<BackendName, Entry>> = {
  onednn: {
    keepsTimes: true,
    here: (threads) => ({ name: 'onednn', ...machineHere(loadAddon(), threads) }),
    library: () => libraryHere(loadAddon()),
    open: (machine, own) => onednn(machine, loadAddon, own),
  },
  reference: {
    keepsTimes: false,
    here: (threads) => ({ ...defaultTarget(), threads }),
    open: (machine) => reference(onednn(machine, loadAddon)),
  },
};

/** The order in which back ends are asked for a node; the first one is compiled for. */
export type BackendOrder = readonly [BackendName, ...AnyBackendName[]];

/** ONNX Runtime where it is installed, unless a back end was named. */
export const usualOrder = (): BackendOrder =>
  onnxruntimeFile() === undefined ? [usualBackend] : [usualBackend, 'onnxruntime'];

/** @throws UnskewError U4002 for names that are none, twice, or in an order that does not work; U5001 where one is not installed */
export function checkedOrder(names: readonly string[]): BackendOrder {
  const [first, ...others] = names;
  const unknown = names.find((name) => !allBackendNames.some((known) => known === name));
  if (unknown !== undefined)
    fail('U4002', `'${unknown}' is not a backend`, {}, `one of: ${allBackendNames.join(', ')}`);
  if (first === undefined || first === 'onnxruntime')
    fail(
      'U4002',
      'the first backend is the one that models are compiled for',
      {},
      `one of: ${backendNames.join(', ')}`,
    );
  if (new Set(names).size < names.length || (first === 'reference' && others.includes('onednn')))
    fail(
      'U4002',
      `the backends ${names.join(', ')} are no order`,
      {},
      'the interpreter computes everything, so that nothing is left for onednn behind it',
    );
  if (others.includes('onnxruntime')) onnxruntimeHere();
  return names as BackendOrder;
}

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
      ? onnxruntime(host, machine.threads, onnxruntimeHere, { refusal: partRefusal, write: exportPart })
      : reference(host),
  );
  return order.includes('reference') ? [host, ...opened] : [host, ...opened, reference(host)];
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
