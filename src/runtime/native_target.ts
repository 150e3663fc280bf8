/** This machine as a target, and the costs of corrections on it. */
import type { OneDnnBinding } from '../codegen/onednn/binding.ts';
import { type CostModel, costModel } from '../passes/cost/model.ts';
import type { Isa, Target } from '../passes/target.ts';
import type { ByteSums } from '../proofs/index.ts';
import { machineOf, readCosts } from './cost_cache.ts';

/** The target that oneDNN dispatches to on this machine. */
export const nativeTarget = (binding: Pick<OneDnnBinding, 'isa' | 'version'>, threads: number): Target => ({
  name: 'onednn',
  isa: isaOf(binding),
  threads,
  onednnMajor: binding.version.major,
});

/** The costs measured on this machine, else the shipped ones. */
export const nativeCosts = (binding: Pick<OneDnnBinding, 'isa' | 'version'>, target: Target): CostModel =>
  costModel(target, readCosts(machineOf(binding, target.threads)));

const isaOf = ({ isa }: Pick<OneDnnBinding, 'isa'>): Isa =>
  isa === 'amx' || isa === 'vnni' || isa === 'avx512' ? isa : 'avx2';

/** Sums over weights, for proofs, by the addon: several times as fast as in TypeScript. */
export const nativeByteSums =
  (binding: Pick<OneDnnBinding, 'byteSums'>): ByteSums =>
  ({ buffer, byteOffset, length: count }, blocks, rows, length) =>
    binding.byteSums(new Uint8Array(buffer, byteOffset, count), blocks, rows, length);
