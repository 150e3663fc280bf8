/** f32 operators, pools and casts. Where oneDNN's primitives lose NaN the kernels are ours. */
import { type Node, sizeOf, type ValueId } from '../../../ir/index.ts';
import type { Kernel } from '../kernel.ts';
import type { Recorder } from '../recorder.ts';
import type { Lowering } from './lowering.ts';
import { view } from './movement.ts';
import { three } from './reference.ts';

const isFloat = (node: Node, dtype: (id: ValueId) => string | undefined): string | undefined =>
  node.operands.every((id) => id === null || dtype(id) === 'f32') ? undefined : 'its kernel computes f32 only';

/** Bytes take the primitive, which skips padding; they have no NaN. */
export const maxPool: Lowering = {
  refuses(node, view) {
    const dtype = view.dtype(node.operands[0]);
    if (dtype === 'f32') return tooManyAxes(node);
    return dtype === 'u8' || dtype === 's8' ? undefined : `oneDNN pools no ${dtype}`;
  },
  lower: (node, r) =>
    r.dtype(node.operands[0] as ValueId) === 'f32' ? floatPool(node, r, 'max') : bytesMaxPool(node, r),
};

export const averagePool: Lowering = {
  refuses: (node, view) => tooManyAxes(node) ?? isFloat(node, view.dtype),
  lower: (node, r) =>
    floatPool(node, r, node.attrs.countIncludePad ? 'average-include-padding' : 'average-exclude-padding'),
};

const tooManyAxes = (node: Node): string | undefined =>
  (node.attrs.kernel as readonly number[]).length > 3 ? 'a window of more than three axes' : undefined;

/** Pads at the end. ceilMode lets the last window reach beyond the padding. */
function padsAtEnd(node: Node, r: Recorder): number[] {
  const { kernel, strides, pads, dilations } = node.attrs as Record<string, readonly number[]>;
  const input = r.shape(node.operands[0] as ValueId).slice(2);
  const output = r.shape(node.results[0]).slice(2);
  return output.map((o, i) =>
    Math.max((o - 1) * strides[i] + dilations[i] * (kernel[i] - 1) + 1 - input[i] - pads[i], 0),
  );
}

function bytesMaxPool(node: Node, r: Recorder): void {
  const [x] = node.operands as [ValueId];
  const [y] = node.results;
  const { kernel, strides, pads, dilations } = node.attrs as Record<string, readonly number[]>;
  const primitive = r.binding.pooling(
    {
      algorithm: 'max',
      source: r.desc(x, 'channels-last'),
      destination: r.desc(y, 'channels-last'),
      kernel,
      strides,
      dilations,
      padsBegin: pads.slice(0, kernel.length),
      padsEnd: padsAtEnd(node, r),
    },
    r.threads,
  );
  r.primitive(primitive, { source: r.use(x, 'channels-last'), destination: r.define(y, 'channels-last') });
}

function floatPool(node: Node, r: Recorder, operation: (Kernel & { readonly name: 'float-pool' })['operation']): void {
  const [x] = node.operands as [ValueId];
  const [y] = node.results;
  const { kernel, strides, pads, dilations } = node.attrs as Record<string, readonly number[]>;
  const [batch, channels, ...input] = r.shape(x);
  r.kernel(
    {
      name: 'float-pool',
      operation,
      batch,
      channels,
      input: three(input, 1),
      output: three(r.shape(y).slice(2), 1),
      kernel: three(kernel, 1),
      strides: three(strides, 1),
      dilations: three(dilations, 1),
      padsBegin: three(pads.slice(0, kernel.length), 0),
      padsEnd: three(pads.slice(kernel.length), 0), // those of the operator: they are what an average counts
    },
    { source: r.use(x, 'channels-last'), destination: r.define(y, 'channels-last') },
  );
}

/** One f32 operand, element by element; NaN stays. */
export const unary = (
  name: (Kernel & { readonly name: 'float-unary' })['function'],
  parameters: (attrs: Node['attrs']) => readonly [number, number] = () => [0, 0],
): Lowering => ({
  refuses: (node, view) => isFloat(node, view.dtype),
  lower(node, r) {
    const [x] = node.operands as [ValueId];
    const [y] = node.results;
    const layout = r.preferredLayout(x);
    const [alpha, beta] = parameters(node.attrs);
    r.kernel(
      { name: 'float-unary', function: name, alpha, beta, count: sizeOf(r.shape(x)) },
      { source: r.use(x, layout), destination: r.define(y, layout) },
    );
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
    const shape = r.shape(x);
    const axis = ((node.attrs.axis as number) + shape.length) % shape.length;
    r.kernel(
      {
        name: 'softmax',
        outer: sizeOf(shape.slice(0, axis)),
        length: shape[axis],
        inner: sizeOf(shape.slice(axis + 1)),
      },
      { source: r.use(x, 'row-major'), destination: r.define(node.results[0], 'row-major') },
    );
  },
};

const castTypes = ['u8', 's8', 's32', 'f32'] as const;
type CastType = (typeof castTypes)[number];

/** Between the types of the addon; the others, which are 16 or 64 bits wide or bool, are cast by the interpreter. */
export const cast: Lowering = {
  refuses(node, view) {
    const [from, to] = [view.dtype(node.operands[0]), node.attrs.to];
    if (from === to) return undefined;
    const isServed = [from, to].every((type) => (castTypes as readonly unknown[]).includes(type));
    return isServed ? undefined : `a cast from ${from} to ${to}`;
  },
  lower(node, r) {
    const [x] = node.operands as [ValueId];
    const [y] = node.results;
    const [from, to] = [r.dtype(x), r.dtype(y)] as [CastType, CastType];
    if (from === to) {
      view.lower(node, r);
      return;
    }
    const layout = r.preferredLayout(x);
    r.kernel(
      { name: 'cast', from, to, count: sizeOf(r.shape(x)) },
      { source: r.use(x, layout), destination: r.define(y, layout) },
    );
  },
};
