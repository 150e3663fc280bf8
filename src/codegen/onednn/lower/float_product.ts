/** Convolutions of floats by the kernel whose sums are the interpreter's: where a quantization lies behind, or a weight is not finite. */

import {
  copyStrided,
  isOp,
  layoutOf,
  type nnConv,
  nnConvTranspose,
  type ProductLayout,
  sizeOf,
  stridesOf,
  tensor,
  type ValueId,
  type View,
  weightsLayout,
} from '../../../ir/index.ts';
import type { Kernel } from '../kernel.ts';
import type { Buffer, Recorder } from '../recorder.ts';
import { three } from './reference.ts';

type Product = Omit<Kernel & { readonly name: 'float-product' }, 'name'>;

export function recordConvProduct({ x, w, bias, y, attrs, node }: View<typeof nnConv>, r: Recorder): void {
  const transposed = isOp(node, nnConvTranspose);
  const [batch, channels, ...input] = r.shape(x);
  const [, outputs, ...output] = r.shape(y);
  const kernel = r.shape(w).slice(2);
  const product: Product = {
    batch,
    channels,
    outputs,
    groups: attrs.group,
    input: three(input, 1),
    output: three(output, 1),
    kernel: three(kernel, 1),
    strides: three(attrs.strides, 1),
    dilations: three(attrs.dilations, 1),
    padsBegin: three(attrs.pads.slice(0, kernel.length), 0),
    transposed,
  };
  r.kernel(
    { name: 'float-product', ...product },
    {
      source: r.use(x, 'channels-last'),
      weights: tapsOfChannels(r, w, layoutOf(node)),
      bias: bias && r.use(bias, 'row-major'),
      destination: r.define(y, 'channels-last'),
    },
  );
}

/** The weights as [groups, channels, taps, outputs], whichever way the operator has them. */
function tapsOfChannels(r: Recorder, w: ValueId, of: ProductLayout): Buffer {
  const { sizes, steps } = weightsLayout(of, r.shape(w));
  const axes = ['group', 'channel', 'tap', 'filter'] as const;
  const [shape, strides] = [sizes, steps].map((by) => axes.map((axis) => by[axis]));
  if (!r.isConstant(w)) return copied(r, w, shape, strides);
  const constant = r.constantOf(w, 'f32');
  const data = new Float32Array(constant.data.length);
  copyStrided(shape, constant.data, { offset: 0, strides }, data, { offset: 0, strides: stridesOf(shape) });
  return r.data(tensor('f32', data));
}

function copied(r: Recorder, id: ValueId, shape: readonly number[], sourceStrides: readonly number[]): Buffer {
  const destination = r.scratch(4 * sizeOf(shape));
  r.kernel(
    {
      name: 'copy',
      elementBytes: 4,
      shape,
      sourceStrides,
      destinationStrides: stridesOf(shape),
      sourceOffset: 0,
      destinationOffset: 0,
    },
    { source: r.use(id, 'row-major'), destination },
  );
  return destination;
}
