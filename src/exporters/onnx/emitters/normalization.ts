/** Normalizations. LayerNormalization is of version 17, GroupNormalization per channel of 21, RMSNormalization of 23. */
import {
  dtypes,
  type nnBatchNorm,
  type nnGroupNorm,
  type nnInstanceNorm,
  type nnLayerNorm,
  type nnLrn,
  type nnRmsNorm,
  tensor,
  type ValueId,
} from '../../../ir/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import { type Attributes, float, int, ints, type NodeWriter, type Written } from '../node_writer.ts';

/** Normalizations along the axes from one on. */
type Trailing = NodeEmitter<typeof nnLayerNorm | typeof nnRmsNorm>;

const epsilonOf = ({ epsilon }: { readonly epsilon: number }): Attributes => ({ epsilon: float(epsilon) });

/** x and its parameters, all of the type of x, as ONNX requires; no number may be rounded on the way. */
function alike(e: NodeWriter, x: ValueId, ...parameters: readonly (ValueId | undefined)[]): string[] {
  const { dtype } = e.typeOf(x);
  const names = [x, ...parameters].map((id) => ({ id, name: e.value(id) }));
  return names.map(({ id, name }) => {
    const own = id === undefined ? dtype : e.typeOf(id).dtype;
    if (own === dtype) return name;
    if (dtypes[own].bits >= dtypes[dtype].bits)
      e.refuse(`its parameters are ${own}, and ONNX takes them of the type of the input alone, ${dtype}`);
    return e.cast(name, dtype);
  });
}

export function batchNorm(e: NodeEmitter<typeof nnBatchNorm>): Written {
  e.since(7, 'BatchNormalization in inference');
  const { x, scale, bias, mean, variance, attrs } = e.view;
  return e.finish('BatchNormalization', alike(e, x, scale, bias, mean, variance), epsilonOf(attrs));
}

export function instanceNorm(e: NodeEmitter<typeof nnInstanceNorm>): Written {
  const { x, scale, bias, attrs } = e.view;
  return e.finish('InstanceNormalization', alike(e, x, scale, bias), epsilonOf(attrs));
}

export function lrn(e: NodeEmitter<typeof nnLrn>): Written {
  const { size, alpha, beta, bias } = e.view.attrs;
  return e.finish('LRN', e.inputs(), { size: int(size), alpha: float(alpha), beta: float(beta), bias: float(bias) });
}

export function layerNorm(e: NodeEmitter<typeof nnLayerNorm>): Written {
  const { x, scale, bias, attrs } = e.view;
  if (e.opset >= 17) {
    const attributes = { axis: int(attrs.axis), ...epsilonOf(attrs) };
    return e.finish('LayerNormalization', alike(e, x, scale, bias), attributes);
  }
  const centred = e.add('Sub', [e.value(x), trailingMean(e, e.value(x))]);
  return scaleTrailing(e, centred, bias);
}

export function rmsNorm(e: NodeEmitter<typeof nnRmsNorm>): Written {
  const { x, scale, attrs } = e.view;
  if (e.opset >= 23)
    return e.finish('RMSNormalization', alike(e, x, scale), { axis: int(attrs.axis), ...epsilonOf(attrs) });
  return scaleTrailing(e, e.value(x));
}

/** centred / √(mean centred² + ε)·scale + bias */
function scaleTrailing(e: Trailing, centred: string, bias?: ValueId): Written {
  const { x, attrs } = e.view;
  const power = trailingMean(e, e.add('Mul', [centred, centred]));
  const root = e.add('Sqrt', [e.add('Add', [power, e.scalar(e.typeOf(x).dtype, attrs.epsilon)])]);
  const [, factor, shift] = alike(e, x, e.view.scale, bias);
  const scaled = [e.add('Div', [centred, root]), factor];
  return bias ? e.finish('Add', [e.add('Mul', scaled), shift]) : e.finish('Mul', scaled);
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
  if (e.opset >= 21) {
    const attributes = { num_groups: int(groups), ...epsilonOf(attrs) };
    return e.finish('GroupNormalization', alike(e, x, scale, bias), attributes);
  }
  const each = (value: number) => e.constant(tensor(dtype, Array(groups).fill(value), [groups]), `${e.node.id}.affine`);
  const grouped = e.add('Reshape', [e.value(x), e.list([0, groups, -1], 'shape')]);
  const normal = e.add('InstanceNormalization', [grouped, each(1), each(0)], epsilonOf(attrs));
  const restored = e.add('Reshape', [normal, e.add('Shape', [e.value(x)])]);
  const perChannel = (id: ValueId) => e.alongAxis(id, 1, shape.length);
  return e.finish('Add', [e.add('Mul', [restored, perChannel(scale)]), perChannel(bias)]);
}
