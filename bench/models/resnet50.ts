import { type Activation, type NetOptions, QuantizedNet } from './quantized_net.ts';

/** Blocks per stage; the bottlenecks of stage i are 64 * 2^i channels wide and 4 times that at their ends. */
const STAGES = [3, 4, 6, 3];

/**
 * ResNet-50 v1.5 (stride in the 3x3 convolution of a bottleneck) with batch normalization folded and random weights:
 * 53 convolutions, 16 residual additions, 25.5 million weights. float32 [1, 3, 224, 224] to float32 [1, 1000].
 */
export function resnet50(options: NetOptions): Uint8Array {
  const net = new QuantizedNet(options);
  let x = net.conv('conv1', net.input(224), { channels: 64, kernel: 7, stride: 2, relu: true });
  x = net.maxPool('maxpool', x);
  for (const [stage, blocks] of STAGES.entries())
    for (let block = 0; block < blocks; block++)
      x = bottleneck(
        net,
        `layer${stage + 1}.${block}`,
        x,
        64 * 2 ** stage,
        block === 0 && stage > 0 ? 2 : 1,
        block === 0,
      );
  x = net.flatten('flatten', net.globalAveragePool('avgpool', x));
  return net.finish('resnet50', 224, net.fullyConnected('fc', x, 1000));
}

function bottleneck(
  net: QuantizedNet,
  name: string,
  x: Activation,
  width: number,
  stride: number,
  project: boolean,
): Activation {
  const shortcut = project
    ? net.conv(`${name}.downsample`, x, { channels: 4 * width, kernel: 1, stride, relu: false })
    : x;
  let y = net.conv(`${name}.conv1`, x, { channels: width, kernel: 1, relu: true });
  y = net.conv(`${name}.conv2`, y, { channels: width, kernel: 3, stride, relu: true });
  y = net.conv(`${name}.conv3`, y, { channels: 4 * width, kernel: 1, relu: false });
  return net.add(`${name}.add`, y, shortcut, true);
}
