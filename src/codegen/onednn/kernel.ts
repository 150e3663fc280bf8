import type { ConvolutionKernel } from './kernels/convolution_kernel.ts';
import type { ElementwiseKernel } from './kernels/elementwise_kernel.ts';
import type { FloatKernel } from './kernels/float_kernel.ts';
import type { MovementKernel } from './kernels/movement_kernel.ts';
import type { QuantizedKernel } from './kernels/quantized_kernel.ts';
import type { RowKernel } from './kernels/row_kernel.ts';

export { type CastType, type ChannelSlice, castTypes, type NativeType, nativeTypes } from './kernels/native_types.ts';
export type { ByteSumOrProduct } from './kernels/quantized_kernel.ts';

/**
 * The kernels that oneDNN lacks; native/kernels implements them. Tensors are dense; `outer × channels × inner` is the row-major view of a tensor around its
 * channel axis (channels-last: inner = 1; per-tensor parameters: channels = 1). Arguments are source and destination
 * unless said; [?] marks optional ones. Each has a scalar twin in native/ that the tests compare it with.
 */
export type Kernel = ConvolutionKernel | ElementwiseKernel | FloatKernel | MovementKernel | QuantizedKernel | RowKernel;
