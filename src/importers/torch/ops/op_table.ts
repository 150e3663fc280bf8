/** Every PyTorch operator on tensors that is understood. */
import type { TorchOp } from './define_torch_op.ts';
import { floatElementwiseOps } from './float_elementwise.ts';
import { floatProductOps } from './float_products.ts';
import { movementOps } from './movement.ts';
import { poolOps } from './pool.ts';
import { quantizedConvOps } from './quantized_conv.ts';
import { quantizedElementwiseOps } from './quantized_elementwise.ts';
import { quantizedLinearOps } from './quantized_linear.ts';

export const torchOps: readonly TorchOp[] = [
  ...quantizedConvOps,
  ...quantizedLinearOps,
  ...quantizedElementwiseOps,
  ...poolOps,
  ...movementOps,
  ...floatElementwiseOps,
  ...floatProductOps,
];

const byName = new Map<string, TorchOp[]>();
for (const op of torchOps) {
  const overloads = byName.get(op.name);
  if (overloads) overloads.push(op);
  else byName.set(op.name, [op]);
}

/** The overloads of an operator, in the order in which they are tried. */
export const findTorchOps = (name: string): readonly TorchOp[] => byName.get(name) ?? [];
