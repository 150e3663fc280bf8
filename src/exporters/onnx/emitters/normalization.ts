/** Normalizations. LayerNormalization is of version 17, GroupNormalization per channel of 21, RMSNormalization of 23. */
import {
  dtypes,
  isStatic,
  type nnGroupNorm,
  type nnLayerNorm,
  type nnLrn,
  type nnRmsNorm,
  tensor,
  type ValueId,
} from '../../../ir/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import { flag, float, ints, type NodeWriter, type Written } from '../node_writer.ts';
import { byForm, partsOf } from './by_form.ts';

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

/** ONNX Runtime has LRN for windows of odd size on tensors of rank 4. */
export function localResponse(e: NodeEmitter<typeof nnLrn>): Written | undefined {
  const { x, attrs } = e.view;
  const { shape } = e.typeOf(x);
  const isOdd = attrs.size % 2 === 1;
  if (isOdd && shape.length === 4) return undefined;
  if (shape.includes(0)) return e.finish('Identity', [e.value(x)]);
  const source = e.value(x);
  const back = isStatic(shape) ? e.list(shape, 'shape') : e.add('Shape', [source]);
  if (!isOdd) return localResponseOf(e, source, back);
  const { opType, attributes } = partsOf(e);
  const rows = e.add('Reshape', [source, e.list([0, 0, -1, 1], 'shape')]);
  return e.finish('Reshape', [e.add(opType, [rows], attributes), back]);
}

/** x / (bias + α·mean)^β, `mean` the sum of the squares of the window over its size: an average pool along [N, 1, C, …] with pads of 0. */
function localResponseOf(e: NodeEmitter<typeof nnLrn>, source: string, back: string): Written {
  const { x, attrs } = e.view;
  const { dtype } = e.typeOf(x);
  const { size, alpha, beta, bias } = attrs;
  const squares = e.add('Reshape', [e.add('Mul', [source, source]), e.list([0, 0, -1], 'shape')]);
  const planes =
    e.opset >= 13
      ? e.add('Unsqueeze', [squares, e.list([1], 'axes')])
      : e.add('Unsqueeze', [squares], { axes: ints([1]) });
  const [below, above] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
  const mean = e.add('AveragePool', [planes], {
    kernel_shape: ints([size, 1]),
    pads: ints([below, 0, above, 0]),
    count_include_pad: flag(true),
  });
  const scaled = e.add('Mul', [e.add('Reshape', [mean, back]), e.scalar(dtype, alpha)]);
  const base = e.add('Add', [scaled, e.scalar(dtype, bias)]);
  return e.finish('Div', [source, e.add('Pow', [base, e.scalar(dtype, beta)])]);
}
