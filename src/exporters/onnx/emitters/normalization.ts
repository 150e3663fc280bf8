/** Normalizations. LayerNormalization is of version 17, GroupNormalization per channel of 21, RMSNormalization of 23. */
import { tensor } from '../../../ir/index.ts';
import { float, int, ints, type NodeEmitter, type Written } from '../node_emitter.ts';

const epsilonOf = (e: NodeEmitter) => ({ epsilon: float(e.attr<number>('epsilon')) });

export function batchNorm(e: NodeEmitter): Written {
  e.since(7, 'BatchNormalization in inference');
  return e.finish('BatchNormalization', e.inputs(), epsilonOf(e));
}

export const instanceNorm = (e: NodeEmitter): Written => e.finish('InstanceNormalization', e.inputs(), epsilonOf(e));

export const lrn = (e: NodeEmitter): Written =>
  e.finish('LRN', e.inputs(), {
    size: int(e.attr('size')),
    alpha: float(e.attr<number>('alpha')),
    beta: float(e.attr<number>('beta')),
    bias: float(e.attr<number>('bias')),
  });

export function layerNorm(e: NodeEmitter): Written {
  const axis = e.attr<number>('axis');
  if (e.opset >= 17) return e.finish('LayerNormalization', e.inputs(), { axis: int(axis), ...epsilonOf(e) });
  const centred = e.add('Sub', [e.input(0), trailingMean(e, e.input(0))]);
  return scaleTrailing(e, centred);
}

export function rmsNorm(e: NodeEmitter): Written {
  const axis = e.attr<number>('axis');
  if (e.opset >= 23) return e.finish('RMSNormalization', e.inputs(), { axis: int(axis), ...epsilonOf(e) });
  return scaleTrailing(e, e.input(0));
}

/** x / √(mean x² + ε)·scale + bias */
function scaleTrailing(e: NodeEmitter, x: string): Written {
  const { dtype } = e.type(0);
  const power = trailingMean(e, e.add('Mul', [x, x]));
  const root = e.add('Sqrt', [e.add('Add', [power, e.scalar(dtype, e.attr<number>('epsilon'))])]);
  const scaled = [e.add('Div', [x, root]), e.input(1)];
  if (e.has(2)) return e.finish('Add', [e.add('Mul', scaled), e.input(2)]);
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
  const groups = e.attr<number>('groups');
  if (e.opset >= 21) return e.finish('GroupNormalization', e.inputs(), { num_groups: int(groups), ...epsilonOf(e) });
  const each = (value: number) => e.constant(tensor(dtype, Array(groups).fill(value), [groups]), `${e.node.id}.affine`);
  const grouped = e.add('Reshape', [e.input(0), e.list([0, groups, -1], 'shape')]);
  const normal = e.add('InstanceNormalization', [grouped, each(1), each(0)], epsilonOf(e));
  const restored = e.add('Reshape', [normal, e.add('Shape', [e.input(0)])]);
  const perChannel = (index: number) => e.alongAxis(e.node.operands[index]!, 1, shape.length);
  return e.finish('Add', [e.add('Mul', [restored, perChannel(1)]), perChannel(2)]);
}
