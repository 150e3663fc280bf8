/** The back ends by name: a new one is a folder in codegen, and an entry here. */
import {
  type Backend,
  defaultTarget,
  type KernelChoice,
  type Library,
  libraryHere,
  machineHere,
  onednn,
  reference,
  type TargetDescription,
} from '../codegen/index.ts';
import type { CostRow } from '../passes/index.ts';
import { loadAddon } from './addon.ts';
import { machineOf, readCosts } from './cost_cache.ts';

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
   * In the order in which they are asked for a node: the last one computes what no other does.
   *
   * @param own costs that were measured on that machine
   */
  open(machine: TargetDescription, own?: readonly CostRow[]): readonly [Backend, ...Backend[]];
}

/** The one that runs models unless told otherwise comes first. */
export const backendNames = ['onednn', 'reference'] as const;
export type BackendName = (typeof backendNames)[number];
export const usualBackend = backendNames[0];

export const backends: Readonly<Record<BackendName, Entry>> = {
  onednn: {
    keepsTimes: true,
    here: (threads) => ({ name: 'onednn', ...machineHere(loadAddon(), threads) }),
    library: () => libraryHere(loadAddon()),
    open(machine, own) {
      const native = onednn(machine, loadAddon, own);
      return [native, reference(native)];
    },
  },
  reference: {
    keepsTimes: false,
    here: (threads) => ({ ...defaultTarget(), threads }),
    open: (machine) => [reference(onednn(machine, loadAddon))],
  },
};

/** The usual one for a machine of a common kind, for what does not depend on this one. Nothing is loaded before it plans. */
export const [portableBackend] = backends[usualBackend].open(defaultTarget());

/** The back ends on this machine. */
export const openHere = (name: BackendName, threads: number, kernels?: KernelChoice): readonly Backend[] =>
  backends[name].open({ ...backends[name].here(threads), ...(kernels && { kernels }) });

/** The costs that were measured on this machine. */
export function costsHere(name: BackendName, threads: number): readonly CostRow[] {
  const { library } = backends[name];
  return library ? readCosts(machineOf(library(), threads)) : [];
}
