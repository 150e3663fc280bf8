import { mobilenetV2 } from './mobilenet_v2.ts';
import type { NetOptions } from './quantized_net.ts';
import { Random } from './random.ts';
import { resnet50 } from './resnet50.ts';

export type { NetOptions };
export { mobilenetV2, resnet50 };

export const networks = { 'resnet-50': resnet50, 'mobilenet-v2': mobilenetV2 } as const;

/** A float32 [1, 3, 224, 224] input of bell-shaped noise, mean 0 and deviation 1, as the networks expect it. */
export function noiseImage(seed: number): Float32Array {
  return Float32Array.from(new Random(seed).bell(3 * 224 * 224), (v) => v / 37);
}
