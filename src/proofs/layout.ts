/** How the weights of products are laid out. */
import {
  dnnlConv,
  dnnlConvTranspose,
  isOp,
  type Node,
  nnConv,
  nnConvTranspose,
  qnnConv,
  qnnConvTranspose,
} from '../ir/index.ts';

/** [O, C/group, taps…] of a convolution, [C, O/group, taps…] of a transposed one, […, K, N] of a matmul. */
export type Layout =
  | { readonly kind: 'conv' | 'conv_transpose'; readonly group: number }
  | { readonly kind: 'matmul'; readonly group?: undefined };

/** Of the weights of a product. */
export function layoutOf(node: Node): Layout {
  if (isOp(node, nnConv, qnnConv, dnnlConv)) return { kind: 'conv', group: node.attrs.group };
  if (isOp(node, nnConvTranspose, qnnConvTranspose, dnnlConvTranspose))
    return { kind: 'conv_transpose', group: node.attrs.group };
  return { kind: 'matmul' };
}

export const nameOf = ({ kind, group }: Layout): string => `${kind} ${group}`;
