/** Softmax. Before version 13 it flattened all axes from the given one on, which along the last one is the same. */
import type { nnLogSoftmax, nnSoftmax } from '../../../ir/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import { int, ints, type NodeWriter, type Written } from '../node_writer.ts';
import { formOf } from './by_form.ts';

export function softmax(e: NodeEmitter<typeof nnSoftmax | typeof nnLogSoftmax>): Written | undefined {
  const { x, attrs } = e.view;
  const rank = e.typeOf(x).shape.length;
  const axis = attrs.axis < 0 ? attrs.axis + rank : attrs.axis;
  const { opType, inputs, attributes, perm } = lastAxisSoftmax(e, formOf(e).onnx.opType, e.value(x), rank, axis);
  return perm && e.finish('Transpose', [e.add(opType, inputs, attributes)], { perm: ints(perm) });
}

/** The node along an axis, or along the last one between two Transposes. */
export function lastAxisSoftmax(e: NodeWriter, opType: string, x: string, rank: number, axis: number) {
  if (e.opset >= 13 || axis === rank - 1)
    return { opType, inputs: [x], attributes: { axis: int(axis) }, perm: undefined, after: (y: string) => y };
  const perm = Array.from({ length: rank }, (_, i) => (i === axis ? rank - 1 : i === rank - 1 ? axis : i));
  const swapped = e.add('Transpose', [x], { perm: ints(perm) });
  const after = (y: string) => e.add('Transpose', [y], { perm: ints(perm) });
  return { opType, inputs: [swapped], attributes: { axis: int(rank - 1) }, perm, after };
}
