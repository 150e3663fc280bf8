/** What a graph is legalized for: which forms may remain. */
export type Isa = 'avx2' | 'avx512' | 'vnni' | 'amx';

export interface Target {
  /** `symmetric`: no zero point on any convolution or matmul. `onednn`: a scalar zero point of the source is legal. */
  readonly name: 'symmetric' | 'onednn';
  readonly isa: Isa;
  readonly threads: number;
  /** The major version of the library; 2 unless said. */
  readonly onednnMajor?: number;
}

export const targetNames = ['symmetric', 'onednn'] as const;

export const defaultTarget = (name: Target['name'] = 'onednn'): Target => ({ name, isa: 'vnni', threads: 1 });

/** Without VNNI oneDNN halves s8 weights against s8 sources and loses bits: such targets are fed u8. */
export const needsUnsignedSource = (target: Target): boolean =>
  target.name === 'onednn' && (target.isa === 'avx2' || target.isa === 'avx512');

/** Deconvolutions of oneDNN 2.x take 2.7 to 7.5 times as long over s8 sources as over u8 ones. */
export const prefersUnsignedTransposed = (target: Target): boolean =>
  target.name === 'onednn' && (needsUnsignedSource(target) || (target.onednnMajor ?? 2) < 3);
