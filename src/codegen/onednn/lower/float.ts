/** f32 operators and pools that oneDNN has. */
import type { Node, ValueId } from '../../../ir/index.ts';
import type { Recorder } from '../recorder.ts';
import type { Lowering } from './lowering.ts';

const isFloat = (node: Node, dtype: (id: ValueId) => string | undefined): string | undefined =>
  node.operands.every((id) => id === null || dtype(id) === 'f32') ? undefined : 'oneDNN has it for f32 only';

/** Windows with the element types that primitives take; what padding reads is skipped. */
export const maxPool: Lowering = {
  refuses(node, view) {
    const dtype = view.dtype(node.operands[0]);
    if (dtype !== 'u8' && dtype !== 's8' && dtype !== 'f32') return `oneDNN pools no ${dtype}`;
    return undefined;
  },
  lower: (node, r) => lowerPool(node, r, 'max'),
};

export const averagePool: Lowering = {
  refuses(node, view) {
    const { dilations, ceilMode } = node.attrs as { dilations: readonly number[]; ceilMode: boolean };
    if (dilations.some((d) => d !== 1)) return 'a dilated average pool';
    return ceilMode ? 'an average pool with ceil_mode' : isFloat(node, view.dtype);
  },
  lower: (node, r) =>
    lowerPool(node, r, node.attrs.countIncludePad ? 'average-include-padding' : 'average-exclude-padding'),
};

function lowerPool(
  node: Node,
  r: Recorder,
  algorithm: 'max' | 'average-include-padding' | 'average-exclude-padding',
): void {
  const [x] = node.operands as [ValueId];
  const [y] = node.results;
  const { kernel, strides, pads, dilations } = node.attrs as Record<string, readonly number[]>;
  const rank = kernel.length;
  const input = r.shape(x).slice(2);
  const output = r.shape(y).slice(2);
  // ceil_mode lets the last window reach beyond the padding: say so in pads.
  const padsEnd = output.map((o, i) =>
    Math.max((o - 1) * strides[i] + dilations[i] * (kernel[i] - 1) + 1 - input[i] - pads[i], 0),
  );
  const primitive = r.binding.pooling(
    {
      algorithm,
      source: r.desc(x, 'channels-last'),
      destination: r.desc(y, 'channels-last'),
      kernel,
      strides,
      dilations,
      padsBegin: pads.slice(0, rank),
      padsEnd,
    },
    r.threads,
  );
  r.primitive(primitive, { source: r.use(x, 'channels-last'), destination: r.define(y, 'channels-last') });
}

/** One f32 operand, element by element. */
export const eltwise = (
  algorithm: string,
  parameters: (attrs: Node['attrs']) => readonly [number, number] = () => [0, 0],
): Lowering => ({
  refuses: (node, view) =>
    isFloat(node, view.dtype) ?? (view.shape(node.results[0]).length === 0 ? 'a scalar' : undefined),
  lower(node, r) {
    const [x] = node.operands as [ValueId];
    const [y] = node.results;
    const layout = r.preferredLayout(x);
    const [alpha, beta] = parameters(node.attrs);
    const primitive = r.binding.eltwise(algorithm, alpha, beta, r.desc(x, layout), r.threads);
    r.primitive(primitive, { source: r.use(x, layout), destination: r.define(y, layout) });
  },
});

/** Two f32 operands with broadcasting of the second; the first has the result's shape. */
export const binary = (algorithm: string, commutative: boolean): Lowering => ({
  refuses(node, view) {
    const [a, b] = node.operands as [ValueId, ValueId];
    const shape = view.shape(node.results[0]);
    const whole = (id: ValueId) =>
      view.shape(id).length === shape.length && view.shape(id).every((d, i) => d === shape[i]);
    if (shape.length === 0 || shape.length > 5) return 'a scalar, or more than five axes';
    if (!whole(a) && !(commutative && whole(b))) return 'both operands are broadcast';
    return isFloat(node, view.dtype);
  },
  lower(node, r) {
    const [a, b] = node.operands as [ValueId, ValueId];
    const [y] = node.results;
    const shape = r.shape(y);
    const isWhole = (id: ValueId) => r.shape(id).length === shape.length && r.shape(id).every((d, i) => d === shape[i]);
    const [whole, other] = isWhole(a) ? [a, b] : [b, a];
    const layout = isWhole(other) || sizeIsOne(r.shape(other)) ? r.preferredLayout(whole) : 'row-major';
    const dims = [...Array(shape.length - r.shape(other).length).fill(1), ...r.shape(other)];
    const otherLayout = isWhole(other) ? layout : 'row-major';
    const primitive = r.binding.binary(
      algorithm,
      r.desc(whole, layout),
      r.binding.desc('f32', dims, otherLayout),
      r.desc(y, layout),
      r.threads,
    );
    r.primitive(primitive, {
      source: r.use(whole, layout),
      source1: r.use(other, otherLayout),
      destination: r.define(y, layout),
    });
  },
});

const sizeIsOne = (shape: readonly number[]): boolean => shape.every((d) => d === 1);

export const softmax: Lowering = {
  refuses: (node, view) => isFloat(node, view.dtype),
  lower(node, r) {
    const [x] = node.operands as [ValueId];
    const rank = r.shape(x).length;
    const axis = ((node.attrs.axis as number) + rank) % rank;
    const primitive = r.binding.softmax(axis, r.desc(x, 'row-major'), r.threads);
    r.primitive(primitive, { source: r.use(x, 'row-major'), destination: r.define(node.results[0], 'row-major') });
  },
};

/** s32 → f32 is a dequantize with scale 1. */
export const castToFloat: Lowering = {
  refuses(node, view) {
    const from = view.dtype(node.operands[0]);
    return (from === 's32' || from === 'u8' || from === 's8') && node.attrs.to === 'f32'
      ? undefined
      : `a cast from ${from} to ${node.attrs.to}`;
  },
  lower(node, r) {
    const [x] = node.operands as [ValueId];
    const layout = r.preferredLayout(x);
    const count = r.shape(x).reduce((p, d) => p * d, 1);
    r.kernel(
      { name: 'dequantize', type: r.dtype(x) as 'u8' | 's8' | 's32', outer: 1, channels: 1, inner: count },
      {
        source: r.use(x, layout),
        scale: r.data({ dtype: 'f32', shape: [1], data: Float32Array.of(1) }),
        destination: r.define(node.results[0], layout),
      },
    );
  },
};
