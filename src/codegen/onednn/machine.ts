/** The machines that oneDNN runs on. */
import type { Library } from '../backend.ts';
import type { OneDnnBinding } from './binding.ts';

export type Isa = 'avx2' | 'avx512' | 'vnni' | 'amx';

/** `onednn`: products and pools by primitives of oneDNN alone, to compare with; as exact. */
export const kernelChoices = ['auto', 'onednn'] as const;
export type KernelChoice = (typeof kernelChoices)[number];

export interface Machine {
  readonly isa: Isa;
  readonly threads: number;
  /** The major version of the library; 2 unless said. */
  readonly onednnMajor?: number;
  /** `auto` unless said. */
  readonly kernels?: KernelChoice;
}

/** The machine as oneDNN dispatches to it here and now. */
export const machineHere = ({ isa, version }: Pick<OneDnnBinding, 'isa' | 'version'>, threads: number): Machine => ({
  isa: isa === 'amx' || isa === 'vnni' || isa === 'avx512' ? isa : 'avx2',
  threads,
  onednnMajor: version.major,
});

/** The library that was found. */
export const libraryHere = ({ isa, version }: Pick<OneDnnBinding, 'isa' | 'version'>): Library => ({
  name: 'onednn',
  version: `${version.major}.${version.minor}.${version.patch}`,
  isa,
});

/** Products of 8-bit integers are added in int32; elsewhere pairs of them in int16, where they saturate. */
export const hasVnni = (isa: OneDnnBinding['isa']): boolean => isa === 'vnni' || isa === 'amx';
