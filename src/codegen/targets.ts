/** Targets by name, as users give them. */
import { fail } from '../diagnostics/index.ts';
import { symmetric, type Target } from '../passes/index.ts';
import type { Machine } from './onednn/machine.ts';
import { targetOf } from './onednn/target.ts';

export type { Isa } from './onednn/machine.ts';

/** The zero points that may remain for each of them. */
export const targetDocs = {
  symmetric: 'no zero point on any convolution or matmul',
  onednn: 'one of the source',
} as const;

export type TargetName = keyof typeof targetDocs;
export const targetNames = ['symmetric', 'onednn'] as const satisfies readonly TargetName[];

/** A machine to compile for. */
export interface TargetDescription extends Machine {
  /** `symmetric`: no zero point on any convolution or matmul. `onednn`: a scalar zero point of the source is legal. */
  readonly name: TargetName;
}

/** The one that models are compiled for. */
export const usualTarget = 'onednn';

export const defaultTarget = (name: TargetName = usualTarget): TargetDescription => ({ name, isa: 'vnni', threads: 1 });

/** @throws UnskewError U4002 for an unknown target */
export function resolveTarget(given: TargetName | TargetDescription): Target {
  if (typeof given !== 'string') return given.name === 'symmetric' ? symmetric : targetOf(given);
  if (!targetNames.includes(given))
    fail('U4002', `there is no target '${given}'`, {}, `one of: ${targetNames.join(', ')}`);
  return resolveTarget(defaultTarget(given));
}

/** The same, where a back end for that machine is there. */
export const targetFor = (machine: TargetDescription, backend: Target): Target =>
  machine.name === backend.name ? backend : resolveTarget(machine);
