import { type NetOptions, QuantizedNet } from './quantized_net.ts';

/** Input channels, output channels, input size, kernel, stride, groups. */
type Layer = readonly [number, number, number, number, number, number];

/** Convolutions of other networks than the two benchmarked: VGG, ResNet-18, ResNeXt, EfficientNet, Inception, ShuffleNet. */
const LAYERS: readonly Layer[] = [
  [3, 64, 224, 3, 1, 1],
  [64, 64, 112, 3, 1, 1],
  [128, 128, 112, 3, 1, 1],
  [256, 256, 56, 3, 1, 1],
  [512, 512, 28, 3, 1, 1],
  [512, 512, 14, 3, 1, 1],
  [64, 128, 56, 3, 2, 1],
  [128, 256, 28, 3, 2, 1],
  [32, 64, 28, 5, 1, 1],
  [48, 128, 14, 5, 1, 1],
  [32, 32, 112, 3, 1, 1],
  [32, 64, 112, 3, 2, 1],
  [16, 16, 32, 3, 1, 1],
  [64, 64, 8, 3, 1, 1],
  [128, 128, 56, 3, 1, 32],
  [256, 256, 28, 3, 1, 32],
  [512, 512, 14, 3, 1, 32],
  [240, 240, 28, 1, 1, 3],
  [96, 96, 112, 5, 2, 96],
  [240, 240, 28, 5, 1, 240],
  [480, 480, 14, 5, 1, 480],
  [672, 672, 14, 5, 2, 672],
  [1152, 1152, 7, 5, 1, 1152],
];

/** Each layer behind a 1x1 convolution that makes its channels: one model per layer, whose layer is called `layer`. */
export const layerZoo = (options: NetOptions): Uint8Array[] =>
  LAYERS.map(([inputs, channels, size, kernel, stride, groups], i) => {
    const net = new QuantizedNet({ ...options, seed: options.seed + i });
    const image = net.input(size);
    const x = inputs === 3 ? image : net.conv('before', image, { channels: inputs, kernel: 1, relu: true });
    return net.finish(`zoo_${i}`, size, net.conv('layer', x, { channels, kernel, stride, groups, relu: true }));
  });
