/** oneDNN as a back end: its primitives, and kernels of our own for operators that it lacks. */
import type { CostRow } from '../../passes/index.ts';
import type { Backend, Planner, Region } from '../backend.ts';
import { atOnce, type Steps } from '../steps.ts';
import { whyNotRecorded } from './accepts.ts';
import type { Arenas, OneDnnBinding } from './binding.ts';
import { KeptConstants } from './kept_constants.ts';
import type { Machine } from './machine.ts';
import { type NativePlan, planningOf } from './plan.ts';
import { selectRules } from './select/select.rules.ts';
import { targetOf } from './target.ts';
import { timedKey, timesOf } from './time_plans.ts';

export type { HeldFile, OneDnnBinding, OneDnnVersion } from './binding.ts';
export { holdFile } from './held_files.ts';
export { libraryHere, machineHere } from './machine.ts';
export type { NativePlan } from './plan.ts';
export { readyPlanOf } from './ready_plan.ts';

export interface OneDnnBackend extends Backend {
  readonly plan: Planner<NativePlan>;
}

/**
 * The back end for a machine. Its plans share constants, and their sessions arenas. All decisions before a plan need no library.
 *
 * @param binding gives the addon, which plans and proofs need
 * @param own costs that were measured on this machine
 */
export const onednn = (
  machine: Machine,
  binding: () => OneDnnBinding,
  own?: readonly CostRow[],
  kept = new KeptConstants(),
): OneDnnBackend => {
  let arenas: Arenas | undefined;
  const planning = (region: Region): Steps<NativePlan> => {
    arenas ??= binding().arenas();
    return planningOf(region, binding(), machine, kept, arenas);
  };
  return {
    ...targetOf(machine, own),
    level: 'dnnl',
    selection: selectRules,
    accepts: whyNotRecorded,
    plan: Object.assign((region: Region) => atOnce(planning(region)), { inSteps: planning }),
    byteSums: ({ buffer, byteOffset, length: count }, blocks, rows, length) =>
      binding().byteSums(new Uint8Array(buffer, byteOffset, count), blocks, rows, length),
    timing: {
      keyOf: (graph) => timedKey(machine, graph),
      time: (graphs, options) => timesOf(machine, binding(), graphs, options),
    },
  };
};
