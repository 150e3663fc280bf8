/** The class of a layer: the properties that the costs of its ways depend on. */
import {
  geometryOf,
  isStatic,
  layoutOf,
  type Node,
  type ProductKind,
  type Shape,
  sizeOf,
  windowOf,
} from '../../ir/index.ts';

export interface LayerClass {
  readonly kind: ProductKind;
  /** One input channel per group. */
  readonly depthwise: boolean;
  readonly padded: boolean;
  readonly groups: number;
  /** Weights per filter and input channel: 9 for a 3x3 kernel. */
  readonly taps: number;
  /** Product of the strides of all axes. */
  readonly stride: number;
  /** All groups together; the inner size of a matmul. Undefined, as below, when the size is symbolic. */
  readonly inputChannels: number | undefined;
  readonly outputChannels: number | undefined;
  /** Output positions of one image; the rows of a matmul. */
  readonly positions: number | undefined;
}

/** The class of a quantized product of source `x` and weights `w`, with result `y`. */
export function layerClass(node: Node, x: Shape, w: Shape, y: Shape): LayerClass {
  const { pads, strides } = windowOf(node);
  const { kind, group } = layoutOf(node);
  const { sourceAxis, channelAxis } = geometryOf(kind);
  const size = (shape: Shape): number | undefined => (isStatic(shape) ? sizeOf(shape) : undefined);
  const known = (dim: number | string | undefined): number | undefined => (typeof dim === 'number' ? dim : undefined);
  const isMatmul = kind === 'matmul';
  return {
    kind,
    depthwise: group > 1 && known(x[1]) === group,
    padded: pads.some((p) => p > 0),
    groups: group,
    taps: isMatmul ? 1 : (size(w.slice(2)) ?? 1),
    stride: strides.reduce((a, b) => a * b, 1),
    inputChannels: known(x[sourceAxis(x.length)]),
    outputChannels: known(y[channelAxis(y.length)]),
    positions: size(isMatmul ? y.slice(0, -1) : y.slice(2)),
  };
}
