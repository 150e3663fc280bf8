/** Every PyTorch operator on tensors that is understood. */
import { arrangementOps } from './arrangement.ts';
import { attentionOps } from './attention.ts';
import { createOps } from './create.ts';
import type { TorchOp } from './define_torch_op.ts';
import { floatElementwiseOps } from './float_elementwise.ts';
import { floatLogicOps } from './float_logic.ts';
import { floatProductOps } from './float_products.ts';
import { movementOps } from './movement.ts';
import { poolOps } from './pool.ts';
import { quantizationLibraryOps } from './quantization_libraries.ts';
import { quantizeOps } from './quantize.ts';
import { quantizedConvOps } from './quantized_conv.ts';
import { quantizedElementwiseOps } from './quantized_elementwise.ts';
import { quantizedEmbeddingOps } from './quantized_embedding.ts';
import { quantizedLinearOps } from './quantized_linear.ts';
import { quantizedNormalizationOps } from './quantized_normalization.ts';
import { quantizedScalarOps } from './quantized_scalar.ts';
import { reduceOps } from './reduce.ts';
import { scatterOps } from './scatter.ts';
import { upsampleOps } from './upsample.ts';
import { viewOps } from './views.ts';

export const torchOps: readonly TorchOp[] = [
  ...quantizedConvOps,
  ...quantizedLinearOps,
  ...quantizedEmbeddingOps,
  ...quantizeOps,
  ...quantizationLibraryOps,
  ...quantizedElementwiseOps,
  ...quantizedScalarOps,
  ...quantizedNormalizationOps,
  ...poolOps,
  ...movementOps,
  ...arrangementOps,
  ...scatterOps,
  ...viewOps,
  ...upsampleOps,
  ...createOps,
  ...floatElementwiseOps,
  ...floatProductOps,
  ...attentionOps,
  ...reduceOps,
  ...floatLogicOps,
];

const byName = new Map<string, TorchOp[]>();
for (const op of torchOps) {
  const overloads = byName.get(op.name);
  if (overloads) overloads.push(op);
  else byName.set(op.name, [op]);
}

/** The overloads of an operator, in the order in which they are tried. */
export const findTorchOps = (name: string): readonly TorchOp[] => byName.get(name) ?? [];
