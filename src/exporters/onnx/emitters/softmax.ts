/** Softmax. Before version 13 it flattened all axes from the given one on, which along the last one is the same. */
import { int, ints, type NodeEmitter, type Written } from '../node_emitter.ts';

export function softmax(opType: string) {
  return (e: NodeEmitter): Written => {
    const rank = e.type(0).shape.length;
    const axis = e.attr<number>('axis');
    const parts = lastAxisSoftmax(e, opType, e.input(0), axis < 0 ? axis + rank : axis);
    if (parts.perm === undefined) return e.finish(parts.opType, parts.inputs, parts.attributes);
    return e.finish('Transpose', [e.add(parts.opType, parts.inputs, parts.attributes)], { perm: ints(parts.perm) });
  };
}

/** The node along an axis, or along the last one between two Transposes. */
export function lastAxisSoftmax(e: NodeEmitter, opType: string, x: string, axis: number) {
  const rank = e.type(0).shape.length;
  if (e.opset >= 13 || axis === rank - 1)
    return { opType, inputs: [x], attributes: { axis: int(axis) }, perm: undefined, after: (y: string) => y };
  const perm = Array.from({ length: rank }, (_, i) => (i === axis ? rank - 1 : i === rank - 1 ? axis : i));
  const swapped = e.add('Transpose', [x], { perm: ints(perm) });
  const after = (y: string) => e.add('Transpose', [y], { perm: ints(perm) });
  return { opType, inputs: [swapped], attributes: { axis: int(rank - 1) }, perm, after };
}
