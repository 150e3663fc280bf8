/** What a graph is legalized for: which forms may remain. */
export type Isa = 'avx2' | 'avx512' | 'vnni' | 'amx';

export interface Target {
  /** `symmetric`: no zero point on any convolution or matmul. `onednn`: a scalar zero point of the source is legal. */
  readonly name: 'symmetric' | 'onednn';
  readonly isa: Isa;
  readonly threads: number;
}

export const targetNames = ['symmetric', 'onednn'] as const;

export const defaultTarget = (name: Target['name'] = 'onednn'): Target => ({ name, isa: 'vnni', threads: 1 });
