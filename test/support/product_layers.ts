/** Quantized layers of every kind that ONNX has, small, for placing them anywhere in a model: from `v` to `y`, both f32 [1,1,4,4]. */
import { tensor } from '../../src/ir/index.ts';
import type { ModelInitializer, ModelNode } from './onnx.ts';

const number = (name: string, type: 'f32' | 'u8' | 's8', value: number): ModelInitializer => ({
  name,
  tensor: tensor(type, [value], []),
});
const signed = [1, -2, 3, -4, 5, -6, 7, -8, 9, 1, 2, 3, 4, 5, 6, 7];
const unsigned = signed.map((w) => 120 + 7 * w);

/** `zero`: the zero point of activations. */
export const productConstants = (zero: number): ModelInitializer[] => [
  number('sx', 'f32', 0.05),
  number('zx', 'u8', zero),
  number('sw', 'f32', 0.02),
  number('zw', 's8', 0),
  number('zu', 'u8', zero),
  number('sy', 'f32', 0.3),
  number('zy', 'u8', zero),
  { name: 'wc', tensor: tensor('s8', signed.slice(0, 9), [1, 1, 3, 3]) },
  { name: 'wm', tensor: tensor('s8', signed, [4, 4]) },
  { name: 'uc', tensor: tensor('u8', unsigned.slice(0, 9), [1, 1, 3, 3]) },
  { name: 'um', tensor: tensor('u8', unsigned, [4, 4]) },
  { name: 's4', tensor: tensor('f32', [0.01, 0.02, 0.03, 0.04], [4]) },
  {
    name: 'z4',
    tensor: tensor(
      'u8',
      [0, 1, 2, 3].map((i) => (zero === 0 ? 0 : zero + 5 * i)),
      [4],
    ),
  },
  { name: 'flat', tensor: tensor('s64', [4n, 4n] as never, [2]) },
  { name: 'whole', tensor: tensor('s64', [1n, 1n, 4n, 4n] as never, [4]) },
];

const pads = { pads: [1, 1, 1, 1] };
const quantize: ModelNode = { op: 'QuantizeLinear', inputs: ['v', 'sx', 'zx'], outputs: ['q'] };
export const dequantized: ModelNode[] = [
  quantize,
  { op: 'DequantizeLinear', inputs: ['q', 'sx', 'zx'], outputs: ['d'] },
];
export const weights = (name: string, zero = 'zw'): ModelNode => ({
  op: 'DequantizeLinear',
  inputs: [name, 'sw', zero],
  outputs: ['dw'],
});
const scaled: ModelNode[] = [
  { op: 'Cast', inputs: ['s'], outputs: ['f'], attrs: { to: 1 } },
  { op: 'Mul', inputs: ['f', 'sy'], outputs: ['y'] },
];
const requantized = (value: string): ModelNode[] => [
  { op: 'QuantizeLinear', inputs: [value, 'sy', 'zy'], outputs: ['r'] },
  { op: 'DequantizeLinear', inputs: ['r', 'sy', 'zy'], outputs: ['y'] },
];
const layer = (op: string, inputs: readonly string[], output: string, attrs = {}): ModelNode => ({
  op,
  inputs,
  outputs: [output],
  name: 'layer',
  attrs,
});
const dequantize: ModelNode = { op: 'DequantizeLinear', inputs: ['r', 'sy', 'zy'], outputs: ['y'] };

/** The node of the product is called `layer`. */
export const productLayers: Readonly<Record<string, readonly ModelNode[]>> = {
  QLinearConv: [quantize, layer('QLinearConv', ['q', 'sx', 'zx', 'wc', 'sw', 'zw', 'sy', 'zy'], 'r', pads), dequantize],
  'QLinearConv of u8 weights': [
    quantize,
    layer('QLinearConv', ['q', 'sx', 'zx', 'uc', 'sw', 'zu', 'sy', 'zy'], 'r', pads),
    dequantize,
  ],
  QLinearMatMul: [quantize, layer('QLinearMatMul', ['q', 'sx', 'zx', 'um', 'sw', 'zu', 'sy', 'zy'], 'r'), dequantize],
  ConvInteger: [quantize, layer('ConvInteger', ['q', 'wc', 'zx'], 's', pads), ...scaled],
  MatMulInteger: [quantize, layer('MatMulInteger', ['q', 'wm', 'zx'], 's'), ...scaled],
  'MatMulInteger of u8 weights': [quantize, layer('MatMulInteger', ['q', 'um', 'zx', 'zu'], 's'), ...scaled],
  'MatMulInteger, quantized by the run': [
    { op: 'DynamicQuantizeLinear', inputs: ['v'], outputs: ['q', 'sq', 'zq'] },
    layer('MatMulInteger', ['q', 'wm', 'zq'], 's'),
    ...scaled,
  ],
  'Conv between Q and DQ': [...dequantized, weights('wc'), layer('Conv', ['d', 'dw'], 'c', pads), ...requantized('c')],
  'ConvTranspose between Q and DQ': [
    ...dequantized,
    weights('uc', 'zu'),
    layer('ConvTranspose', ['d', 'dw'], 'c', pads),
    ...requantized('c'),
  ],
  'Gemm between Q and DQ': [
    ...dequantized,
    weights('um', 'zu'),
    { op: 'Reshape', inputs: ['d', 'flat'], outputs: ['m'] },
    layer('Gemm', ['m', 'dw'], 'g', { transB: 1 }),
    { op: 'Reshape', inputs: ['g', 'whole'], outputs: ['c'] },
    ...requantized('c'),
  ],
  'Gemm of scales along the axis that is summed over': [
    ...dequantized,
    { op: 'DequantizeLinear', inputs: ['um', 's4', 'z4'], outputs: ['dw'], attrs: { axis: 1 } },
    { op: 'Reshape', inputs: ['d', 'flat'], outputs: ['m'] },
    layer('Gemm', ['m', 'dw'], 'g', { transB: 1 }),
    { op: 'Reshape', inputs: ['g', 'whole'], outputs: ['y'] },
  ],
  'MatMul of two activations': [...dequantized, layer('MatMul', ['d', 'd'], 'c'), ...requantized('c')],
  'MatMul with a float result': [...dequantized, weights('wm'), layer('MatMul', ['d', 'dw'], 'y')],
};
