/**
 * Infers whose arithmetic an archive follows. It does not say so; its layers do, as far as PyTorch's own configurations
 * of quantization differ:
 *
 *   configuration   weights      activations
 *   x86, fbgemm     by channel   128 integers (`reduce_range`): zero points up to 127
 *   onednn          by channel   256 integers
 *   qnnpack         by tensor    256 integers
 */
import type { Diagnostic, Location } from '../../../diagnostics/index.ts';
import type { ScalarType, TensorQuantization } from '../../../formats/torch/index.ts';
import { type TorchProfile, torchProfiles } from './engine.ts';

/** Facts about the layers of an archive that suggest its profile. */
export class ProfileEvidence {
  /** Products of quantized tensors whose source has parameters of its own. */
  layers = 0;
  dynamicLayers = 0;
  perChannel = false;
  hasWeightZeroPoints = false;
  signedSources = false;
  /** The greatest zero point of an unsigned tensor. */
  greatestZeroPoint = 0;
  /** Made by `optimize_for_mobile`, or with byte code for phones. */
  isMobile = false;
  /** The code is of PyTorch before 1.13. */
  isOld = false;

  layer(source: ScalarType, weights: TensorQuantization): void {
    this.layers++;
    this.signedSources ||= source.dtype === 's8';
    this.perChannel ||= weights.kind === 'per-channel';
    const zeroPoints = weights.kind === 'per-tensor' ? [weights.zeroPoint] : weights.zeroPoints;
    this.hasWeightZeroPoints ||= zeroPoints.some((zeroPoint) => zeroPoint !== 0);
  }

  activation(type: ScalarType, zeroPoint: number): void {
    if (type.dtype === 'u8') this.greatestZeroPoint = Math.max(this.greatestZeroPoint, zeroPoint);
  }

  get isEmpty(): boolean {
    return this.layers === 0 && this.dynamicLayers === 0;
  }
}

export interface AssumedProfile {
  readonly profile: TorchProfile;
  readonly reason: string;
}

const GREATEST_OF_REDUCED_RANGE = 127;

/** The profile, and the reason for it. */
export function assumedProfile(seen: ProfileEvidence): AssumedProfile {
  const isWhole = seen.greatestZeroPoint > GREATEST_OF_REDUCED_RANGE;
  if (seen.signedSources)
    return { profile: 'torch-qnnpack', reason: 'its activations are signed, which QNNPACK alone takes' };
  if (seen.isMobile) return { profile: 'torch-qnnpack', reason: 'it is made for phones, where QNNPACK is the engine' };
  if (seen.layers > 0 && isWhole && (!seen.perChannel || seen.hasWeightZeroPoints))
    return { profile: 'torch-qnnpack', reason: looksLike('qnnpack', seen) };
  if (seen.layers > 0 && isWhole) return { profile: 'torch-onednn', reason: looksLike('onednn', seen) };
  if (seen.isOld)
    return { profile: 'torch-fbgemm', reason: 'its code is of PyTorch before 1.13, whose default was fbgemm' };
  const isReduced = seen.layers > 0 && seen.perChannel && seen.greatestZeroPoint > 0;
  return {
    profile: 'torch-x86',
    reason: isReduced ? looksLike('x86', seen) : 'nothing in it tells, and x86 is the default of PyTorch',
  };
}

function looksLike(configuration: string, { perChannel, hasWeightZeroPoints, greatestZeroPoint }: ProfileEvidence) {
  const weights = `weights by ${perChannel ? 'channel' : 'tensor'}${hasWeightZeroPoints ? ' with zero points' : ''}`;
  return `${weights} and zero points up to ${greatestZeroPoint} are what PyTorch's configuration for ${configuration} makes`;
}

/** The note to users. */
export const profileNote = ({ profile, reason }: AssumedProfile, location: Location): Diagnostic => ({
  code: 'U4003',
  severity: 'note',
  message: `the archive does not say whose arithmetic it follows; '${profile}' is taken: ${reason}`,
  location,
  hint: `another one of ${torchProfiles.join(', ')}: { profile } in the API, --profile NAME on the command line`,
});
