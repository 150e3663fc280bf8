/** Every PyTorch operator on tensors that unskew understands. */
import { arrangementOps } from './aten/arrangement.ts';
import { attentionOps } from './aten/attention.ts';
import { binaryOps } from './aten/binary.ts';
import { castOps } from './aten/cast.ts';
import { compositionOps } from './aten/composition.ts';
import { createOps } from './aten/create.ts';
import { normalizationOps } from './aten/normalization.ts';
import { partOps } from './aten/parts.ts';
import { poolOps } from './aten/pool.ts';
import { positionOps } from './aten/positions.ts';
import { productOps } from './aten/products.ts';
import { reduceOps } from './aten/reduce.ts';
import { scatterOps } from './aten/scatter.ts';
import { shapeOps } from './aten/shape.ts';
import { unaryOps } from './aten/unary.ts';
import { upsampleOps } from './aten/upsample.ts';
import { viewOps } from './aten/views.ts';
import { affineOps } from './libraries/affine.ts';
import { decomposedOps } from './libraries/decomposed.ts';
import { perTokenOps } from './libraries/per_token.ts';
import type { TorchOp } from './operators/define_torch_op.ts';
import { quantizedConvOps } from './quantized/conv.ts';
import { quantizedElementwiseOps } from './quantized/elementwise.ts';
import { quantizedEmbeddingOps } from './quantized/embedding.ts';
import { quantizedLinearOps } from './quantized/linear.ts';
import { quantizedNormalizationOps } from './quantized/normalization.ts';
import { quantizeOps } from './quantized/quantize.ts';
import { quantizedScalarOps } from './quantized/scalar.ts';

export const torchOps: readonly TorchOp[] = [
  ...quantizedConvOps,
  ...quantizedLinearOps,
  ...quantizedEmbeddingOps,
  ...quantizedElementwiseOps,
  ...quantizedScalarOps,
  ...quantizedNormalizationOps,
  ...decomposedOps,
  ...perTokenOps,
  ...affineOps,
  ...quantizeOps,
  ...poolOps,
  ...shapeOps,
  ...partOps,
  ...positionOps,
  ...arrangementOps,
  ...scatterOps,
  ...viewOps,
  ...upsampleOps,
  ...createOps,
  ...castOps,
  ...unaryOps,
  ...binaryOps,
  ...compositionOps,
  ...productOps,
  ...normalizationOps,
  ...attentionOps,
  ...reduceOps,
];

const byName = new Map<string, TorchOp[]>();
for (const op of torchOps) {
  const overloads = byName.get(op.name);
  if (overloads) overloads.push(op);
  else byName.set(op.name, [op]);
}

/** The overloads of an operator, in the order in which they are tried. */
export const findTorchOps = (name: string): readonly TorchOp[] => byName.get(name) ?? [];
