/** Every PyTorch operator on tensors that is understood. */
import { arrangementOps } from '../aten/arrangement.ts';
import { attentionOps } from '../aten/attention.ts';
import { createOps } from '../aten/create.ts';
import { floatElementwiseOps } from '../aten/elementwise.ts';
import { floatLogicOps } from '../aten/logic.ts';
import { movementOps } from '../aten/movement.ts';
import { poolOps } from '../aten/pool.ts';
import { floatProductOps } from '../aten/products.ts';
import { quantizeOps } from '../aten/quantize.ts';
import { reduceOps } from '../aten/reduce.ts';
import { scatterOps } from '../aten/scatter.ts';
import { upsampleOps } from '../aten/upsample.ts';
import { viewOps } from '../aten/views.ts';
import { quantizationLibraryOps } from '../libraries/quantization_libraries.ts';
import { quantizedConvOps } from '../quantized/conv.ts';
import { quantizedElementwiseOps } from '../quantized/elementwise.ts';
import { quantizedEmbeddingOps } from '../quantized/embedding.ts';
import { quantizedLinearOps } from '../quantized/linear.ts';
import { quantizedNormalizationOps } from '../quantized/normalization.ts';
import { quantizedScalarOps } from '../quantized/scalar.ts';
import type { TorchOp } from './define_torch_op.ts';

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
