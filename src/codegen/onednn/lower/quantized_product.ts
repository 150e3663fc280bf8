/** Integer products that selection left alone: their zero points, or both of their sides, are known at run time only. */
import {
  type dnnlScaledConv,
  type dnnlScaledMatmul,
  elementsOf,
  isByteType,
  type qnnConv,
  type qnnMatmul,
  type ValueId,
  type View,
} from '../../../ir/index.ts';
import type { Recorder } from '../recorder.ts';
import type { GraphView, Lowering } from './lowering.ts';
import { bareEnd, recordOurConvolution, recordOurMatmul, recordOurMatrices } from './our_products.ts';
import { referenceConv } from './reference.ts';

type Questions = Pick<GraphView, 'shape' | 'constant'>;

const isScalar = (id: ValueId | undefined, graph: Questions): boolean =>
  id === undefined || elementsOf(graph.shape(id)) === 1;

/** The source zero point as a number where it is known, else as an operand of the kernel. */
function sourceZeroPoint(id: ValueId | undefined, r: Recorder): { sourceZeroPoint?: number; operand?: ValueId } {
  if (id === undefined) return { sourceZeroPoint: 0 };
  return r.isConstant(id) ? { sourceZeroPoint: r.scalar(id) } : { operand: id };
}

/** Our convolution kernels take constant weights over one or two axes. */
const isWindow = ({ w, zw }: Pick<View<typeof qnnConv>, 'w' | 'zw'>, graph: Questions): boolean => {
  const rank = graph.shape(w).length;
  return [w, zw].every((id) => id === undefined || graph.constant(id) !== undefined) && (rank === 3 || rank === 4);
};

export const quantizedConv: Lowering<typeof qnnConv> = {
  refuses: (view, graph) => (isWindow(view, graph) ? undefined : referenceConv.refuses?.(view, graph)),
  lower(view, r) {
    if (!isWindow(view, r)) {
      referenceConv.lower(view, r);
      return;
    }
    recordConvolution(view, r);
  },
};

function recordConvolution(
  view: View<typeof qnnConv> | View<typeof dnnlScaledConv>,
  r: Recorder,
  floats?: View<typeof dnnlScaledConv>,
): void {
  const { zx, w, attrs } = view;
  const { operand, ...zeroPoint } = sourceZeroPoint(zx, r);
  const by = attrs.group > 1 && r.shape(w)[1] === 1 ? 'depthwise' : 'onednn';
  recordOurConvolution({ ...view, zx: operand }, { ...attrs, ...bareEnd, ...zeroPoint, by }, r, floats);
}

export const scaledConv: Lowering<typeof dnnlScaledConv> = {
  refuses: (view, graph) => (isWindow(view, graph) ? undefined : 'weights that the run computes, or over three axes'),
  lower: (view, r) => recordConvolution(view, r, view),
};

/** True for a product with one matrix that is known. */
function hasKnownMatrix({ b, zb }: Pick<View<typeof qnnMatmul>, 'b' | 'zb'>, graph: Questions): boolean {
  const [matrix, zeros] = [graph.constant(b), graph.constant(zb)];
  if (matrix?.shape.length !== 2 || (zb && zeros === undefined)) return false;
  return zeros === undefined || zeros.data.length === 1 || zeros.data.length === matrix.shape[1];
}

type Matmul = View<typeof qnnMatmul> | View<typeof dnnlScaledMatmul>;

function whyNotMultiplied(view: Matmul, graph: GraphView): string | undefined {
  const { a, b, za, zb } = view;
  if (![a, b].every((id) => isByteType(graph.dtype(id)))) return `a product of ${graph.dtype(a)} and ${graph.dtype(b)}`;
  if (!isScalar(za, graph)) return 'its source has a zero point for each row';
  if (hasKnownMatrix(view, graph)) return undefined;
  if ([a, b].some((id) => graph.shape(id).length < 2)) return 'a vector beside a matrix of the run';
  return isScalar(zb, graph) ? undefined : 'it has a zero point for each column of a matrix of the run';
}

function recordProduct(view: Matmul, r: Recorder, floats?: View<typeof dnnlScaledMatmul>): void {
  if (!hasKnownMatrix(view, r)) {
    recordOurMatrices(view, r, floats);
    return;
  }
  const { operand, ...zeroPoint } = sourceZeroPoint(view.za, r);
  recordOurMatmul({ ...view, za: operand }, { ...bareEnd, ...zeroPoint }, r, floats);
}

export const quantizedMatmul: Lowering<typeof qnnMatmul> = {
  refuses: whyNotMultiplied,
  lower: (view, r) => recordProduct(view, r),
};

export const scaledMatmul: Lowering<typeof dnnlScaledMatmul> = {
  refuses: whyNotMultiplied,
  lower: (view, r) => recordProduct(view, r, view),
};
