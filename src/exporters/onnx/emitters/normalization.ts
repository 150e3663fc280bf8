/** Normalizations. LayerNormalization is of version 17, GroupNormalization per channel of 21, RMSNormalization of 23. */
import { dtypes, type nnGroupNorm, type nnLayerNorm, type nnRmsNorm, tensor, type ValueId } from '../../../ir/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import { float, ints, type NodeWriter, type Written } from '../node_writer.ts';
import { byForm } from './by_form.ts';

/** Normalizations along the axes from one on. */
type Trailing = NodeEmitter<typeof nnLayerNorm | typeof nnRmsNorm>;

/** x and its parameters, all of the type of x, as ONNX requires; no number may be rounded on the way. */
function alike(e: NodeWriter): readonly string[] {
  const operands = e.node.operands.filter((id) => id !== null);
  const { dtype } = e.typeOf(operands[0]);
  const names = operands.map((id) => e.value(id));
  return operands.map((id, i) => {
    const own = e.typeOf(id).dtype;
    if (own === dtype) return names[i];
    if (dtypes[own].bits >= dtypes[dtype].bits)
      e.refuse(`its parameters are ${own}, and ONNX takes them of the type of the input alone, ${dtype}`);
    return e.cast(names[i], dtype);
  });
}

export const normalization = (e: NodeWriter): Written => byForm(e, alike(e));

/** Before version 17. */
export function layerNorm(e: NodeEmitter<typeof nnLayerNorm>): Written {
  const x = e.value(e.view.x);
  return scaleTrailing(e, e.add('Sub', [x, trailingMean(e, x)]));
}

/** Before version 23. */
export const rmsNorm = (e: NodeEmitter<typeof nnRmsNorm>): Written => scaleTrailing(e, e.value(e.view.x));

/** centred / √(mean centred² + ε)·scale + bias */
function scaleTrailing(e: Trailing, centred: string): Written {
  const { x, attrs } = e.view;
  const power = trailingMean(e, e.add('Mul', [centred, centred]));
  const root = e.add('Sqrt', [e.add('Add', [power, e.scalar(e.typeOf(x).dtype, attrs.epsilon)])]);
  const [, factor, shift] = alike(e);
  const scaled = [e.add('Div', [centred, root]), factor];
  return shift ? e.finish('Add', [e.add('Mul', scaled), shift]) : e.finish('Mul', scaled);
}

/** The mean over `axis` and all after it. */
function trailingMean(e: Trailing, values: string): string {
  const { x, attrs } = e.view;
  const axes = e
    .typeOf(x)
    .shape.map((_, axis) => axis)
    .slice(attrs.axis);
  return e.opset >= 18
    ? e.add('ReduceMean', [values, e.list(axes, 'axes')])
    : e.add('ReduceMean', [values], { axes: ints(axes) });
}

/** Before version 21: [N, C, …] as [N, G, …], every group an instance. */
export function groupNorm(e: NodeEmitter<typeof nnGroupNorm>): Written {
  const { x, scale, bias, attrs } = e.view;
  const { groups } = attrs;
  const { dtype, shape } = e.typeOf(x);
  if ([scale, bias].some((id) => e.typeOf(id).dtype !== dtype)) e.since(21, `${e.node.op} of two types`);
  const each = (value: number) => e.constant(tensor(dtype, Array(groups).fill(value), [groups]), `${e.node.id}.affine`);
  const grouped = e.add('Reshape', [e.value(x), e.list([0, groups, -1], 'shape')]);
  const normal = e.add('InstanceNormalization', [grouped, each(1), each(0)], { epsilon: float(attrs.epsilon) });
  const restored = e.add('Reshape', [normal, e.add('Shape', [e.value(x)])]);
  const perChannel = (id: ValueId) => e.alongAxis(id, 1, shape.length);
  return e.finish('Add', [e.add('Mul', [restored, perChannel(scale)]), perChannel(bias)]);
}
