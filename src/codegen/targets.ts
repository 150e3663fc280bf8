/** Targets by name, as users give them. */
import { fail } from '../diagnostics/index.ts';
import { symmetric, type Target } from '../passes/index.ts';
import type { Machine } from './onednn/machine.ts';
import { targetOf } from './onednn/target.ts';
import { type TargetName, targetNames, usualTarget } from './target_names.ts';

const targets: Readonly<Record<TargetName, (machine: Machine) => Target>> = {
  symmetric: () => symmetric,
  onednn: (machine) => targetOf(machine),
};

/** A machine to compile for. */
export interface TargetDescription extends Machine {
  /** `symmetric`: no zero point on any convolution or matmul. `onednn`: a scalar zero point of the source is legal. */
  readonly name: TargetName;
}

export const defaultTarget = (name: TargetName = usualTarget): TargetDescription => ({ name, isa: 'vnni', threads: 1 });

/** @throws UnskewError U4002 for an unknown target */
export function resolveTarget(given: TargetName | TargetDescription): Target {
  const machine = typeof given === 'string' ? defaultTarget(given) : given;
  if (!targetNames.includes(machine.name))
    fail('U4002', `'${machine.name}' is not a target`, {}, `one of: ${targetNames.join(', ')}`);
  return targets[machine.name](machine);
}

/** The same, where a back end for that machine is there. */
export const targetFor = (machine: TargetDescription, backend: Target): Target =>
  machine.name === backend.name ? backend : resolveTarget(machine);
