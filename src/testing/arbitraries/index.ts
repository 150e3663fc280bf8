/** Arbitraries of typed quantized values and graphs. Every `…Spec` takes an emphasis: arbitraries for some of its fields. */
export * from './basic.ts';
export { buildConv, type ConvAxis, type ConvSpec, convAxis, convSpec, paddedAxes, unpaddedAxes } from './conv.ts';
export { buildMatmul, type MatmulSpec, matmulSpec } from './matmul.ts';
export { type Movement, type MoveSpec, movements, moveSpec } from './movements.ts';
export { arbitraryNet, buildNet, type NetSpec } from './nets.ts';
export { type Quantization, quantization } from './quantization.ts';
export { arbitraryRoot, type Family, familiesOf, graphsFor, knownRoots } from './roots.ts';
export { type Addition, additions, buildSum, type RequantizeSpec, requantizeSpec, type SumSpec } from './sums.ts';
