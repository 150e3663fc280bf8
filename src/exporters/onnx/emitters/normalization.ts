/** Normalizations. LayerNormalization is of version 17, GroupNormalization per channel of 21, RMSNormalization of 23. */
import { dtypes, tensor } from '../../../ir/index.ts';
import { float, int, ints, type NodeEmitter, type Written } from '../node_emitter.ts';

const epsilonOf = (e: NodeEmitter) => ({ epsilon: float(e.attr<number>('epsilon')) });

/** The operands, all of the type of the first: ONNX asks for that, and no number may be rounded on the way. */
function alike(e: NodeEmitter): string[] {
  const { dtype } = e.type(0);
  return e.inputs().map((name, i) => {
    if (name === '' || e.type(i).dtype === dtype) return name;
    if (dtypes[e.type(i).dtype].bytes >= dtypes[dtype].bytes)
      e.refuse(`its parameters are ${e.type(i).dtype}, and ONNX takes them of the type of the input alone, ${dtype}`);
    return e.cast(name, dtype);
  });
}

export function batchNorm(e: NodeEmitter): Written {
  e.since(7, 'BatchNormalization in inference');
  return e.finish('BatchNormalization', alike(e), epsilonOf(e));
}

export const instanceNorm = (e: NodeEmitter): Written => e.finish('InstanceNormalization', alike(e), epsilonOf(e));

export const lrn = (e: NodeEmitter): Written =>
  e.finish('LRN', e.inputs(), {
    size: int(e.attr('size')),
    alpha: float(e.attr<number>('alpha')),
    beta: float(e.attr<number>('beta')),
    bias: float(e.attr<number>('bias')),
  });

export function layerNorm(e: NodeEmitter): Written {
  const axis = e.attr<number>('axis');
  if (e.opset >= 17) return e.finish('LayerNormalization', alike(e), { axis: int(axis), ...epsilonOf(e) });
  const centred = e.add('Sub', [e.input(0), trailingMean(e, e.input(0))]);
  return scaleTrailing(e, centred);
}

export function rmsNorm(e: NodeEmitter): Written {
  const axis = e.attr<number>('axis');
  if (e.opset >= 23) return e.finish('RMSNormalization', alike(e), { axis: int(axis), ...epsilonOf(e) });
  return scaleTrailing(e, e.input(0));
}

/** x / √(mean x² + ε)·scale + bias */
function scaleTrailing(e: NodeEmitter, x: string): Written {
  const { dtype } = e.type(0);
  const power = trailingMean(e, e.add('Mul', [x, x]));
  const root = e.add('Sqrt', [e.add('Add', [power, e.scalar(dtype, e.attr<number>('epsilon'))])]);
  const [, scale, bias] = alike(e);
  const scaled = [e.add('Div', [x, root]), scale];
  if (bias) return e.finish('Add', [e.add('Mul', scaled), bias]);
  return e.finish('Mul', scaled);
}

/** The mean over `axis` and all after it. */
function trailingMean(e: NodeEmitter, x: string): string {
  const rank = e.type(0).shape.length;
  const axis = e.attr<number>('axis');
  const axes = Array.from({ length: rank }, (_, i) => i).slice(axis);
  return e.opset >= 18
    ? e.add('ReduceMean', [x, e.list(axes, 'axes')])
    : e.add('ReduceMean', [x], { axes: ints(axes) });
}

/** Before version 21: [N, C, …] as [N, G, …], every group an instance. */
export function groupNorm(e: NodeEmitter): Written {
  const { dtype, shape } = e.type(0);
  if (e.node.operands.some((id) => id && e.typeOf(id).dtype !== dtype)) e.since(21, `${e.node.op} of two types`);
  const groups = e.attr<number>('groups');
  if (e.opset >= 21) return e.finish('GroupNormalization', alike(e), { num_groups: int(groups), ...epsilonOf(e) });
  const each = (value: number) => e.constant(tensor(dtype, Array(groups).fill(value), [groups]), `${e.node.id}.affine`);
  const grouped = e.add('Reshape', [e.input(0), e.list([0, groups, -1], 'shape')]);
  const normal = e.add('InstanceNormalization', [grouped, each(1), each(0)], epsilonOf(e));
  const restored = e.add('Reshape', [normal, e.add('Shape', [e.input(0)])]);
  const perChannel = (index: number) => e.alongAxis(e.node.operands[index]!, 1, shape.length);
  return e.finish('Add', [e.add('Mul', [restored, perChannel(1)]), perChannel(2)]);
}
