import { type Activation, type NetOptions, QuantizedNet } from './quantized_net.ts';

/** Sandler et al. 2018, table 2: expansion, output channels, blocks, stride of the first block. */
const STAGES = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;

/**
 * MobileNetV2 1.0 with batch normalization folded, ReLU6 folded into the quantized ranges and random weights:
 * 52 convolutions (17 depthwise), 10 residual additions. float32 [1, 3, 224, 224] to float32 [1, 1000].
 */
export function mobilenetV2(options: NetOptions): Uint8Array {
  const net = new QuantizedNet(options);
  let x = net.conv('stem', net.input(224), { channels: 32, kernel: 3, stride: 2, relu: true });
  let index = 0;
  for (const [expansion, channels, blocks, stride] of STAGES)
    for (let block = 0; block < blocks; block++)
      x = invertedResidual(net, `block${++index}`, x, expansion, channels, block === 0 ? stride : 1);
  x = net.conv('head', x, { channels: 1280, kernel: 1, relu: true });
  x = net.flatten('flatten', net.globalAveragePool('avgpool', x));
  return net.finish('mobilenet_v2', 224, net.fullyConnected('fc', x, 1000));
}

function invertedResidual(
  net: QuantizedNet,
  name: string,
  x: Activation,
  expansion: number,
  channels: number,
  stride: number,
): Activation {
  const inputs = x.dims[1]!;
  const hidden = expansion * inputs;
  const expanded = expansion === 1 ? x : net.conv(`${name}.expand`, x, { channels: hidden, kernel: 1, relu: true });
  const filtered = net.conv(`${name}.depthwise`, expanded, {
    channels: hidden,
    kernel: 3,
    stride,
    groups: hidden,
    relu: true,
  });
  const projected = net.conv(`${name}.project`, filtered, { channels, kernel: 1, relu: false });
  return stride === 1 && inputs === channels ? net.add(`${name}.add`, projected, x, false) : projected;
}
