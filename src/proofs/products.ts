/** Convolutions and matmuls, with zero points and without, and the accumulators of the fused operators, by definition. */
import {
  type ConvAttrs,
  dnnlConv,
  dnnlConvTranspose,
  type ITensor,
  isOp,
  layoutOf,
  type Node,
  type nnConv,
  type nnConvTranspose,
  type nnReduceSum,
  type OpWith,
  type qnnConv,
  type qnnConvTranspose,
  type qnnMatmul,
  sizeOf,
} from '../ir/index.ts';
import { reshapedTerms } from './decompose.ts';
import { channelAxis, clampsSums, type Fused, fusedAs } from './fused.ts';
import { matrixKinds, matrixProduct, matrixReadings } from './matrices.ts';
import type { Ring } from './ring.ts';
import type { Evaluate, Evaluators, Learned, Side } from './side.ts';
import {
  type Constant,
  constantTerms,
  type Dense,
  expanded,
  readAlong,
  readingsOf,
  reshaped,
  sum,
  type Terms,
  unsupported,
  type Value,
  withShape,
} from './terms.ts';
import {
  unknownWindowProduct,
  type Window,
  windowKinds,
  windowProduct,
  windowReadings,
  windowSums,
} from './windows.ts';

/** x − zx, the zero point a scalar or aligned by `shape`. */
function shifted(x: Terms, zx: Value | undefined, side: Side, shape?: readonly number[]): Terms {
  if (zx === undefined) return x;
  const zero = reshaped(side.terms(zx), sizeOf(zx.shape) === 1 ? [] : (shape ?? []), side.ring);
  return sum(x, expanded(zero, x.shape, side.ring), -1, side.ring);
}

/** The operands of a product by name; zero points and bias may be absent. */
interface Factors {
  readonly x: Value;
  readonly w: Value;
  readonly zx?: Value | undefined;
  readonly zw?: Value | undefined;
  readonly bias?: Value | undefined;
  readonly node: Node;
}

function convolution({ x, w, zx, zw, bias, node }: Factors, attrs: ConvAttrs, side: Side): Value {
  const shape = side.shapeOf(node.id);
  const window = { ...attrs, transposed: layoutOf(node).kind === 'conv_transpose', wShape: w.shape };
  const source = shifted(side.terms(x), zx, side);
  const kinds = () => ({
    kinds: windowKinds(source, window, shape),
    reads: windowReadings(source, window),
    sums: windowSums(window, source),
  });
  const { known, unknown } = filters(node, w, zw, window, side);
  const parts: Value[] = [];
  if (known) parts.push(side.atPositions(shape, kinds, (at) => windowProduct(source, known, window, shape, at, side)));
  if (unknown)
    parts.push(
      side.atPositions(
        shape,
        () => ({ ...kinds(), reads: [...kinds().reads, ...weightReadings(unknown, shape)] }),
        (at) => unknownWindowProduct(source, unknown, window, shape, at, side.ring),
      ),
    );
  const sums = parts.reduce((all, part) => side.add(all, part, shape));
  if (bias === undefined) return sums;
  const perChannel = [1, shape[1], ...shape.slice(2).map(() => 1)];
  return side.add(sums, reshaped(side.terms(bias), perChannel, side.ring), shape);
}

const conv: Evaluate<typeof nnConv | typeof nnConvTranspose | typeof qnnConv | typeof qnnConvTranspose> = (
  seen,
  side,
) => convolution(seen, seen.attrs, side);

/** Every position reads the same weights; result channels are of a kind each. */
const weightReadings = (w: Terms, shape: readonly number[]) => readAlong(readingsOf(w.terms), () => shape.map(() => 0));

/** The parts of weights: known and unknown ones, whose products are added. */
interface Parts {
  readonly known?: ITensor;
  readonly unknown?: Terms;
}

function parts(w: Value, side: Side): Parts {
  if (w.kind === 'constant') return { known: w.tensor };
  return w.kind === 'mixed' ? { known: w.known.tensor, unknown: w.unknown } : { unknown: side.terms(w) };
}

/** w − zw, zw a scalar or one per result channel. */
function filters(node: Node, w: Value, zw: Value | undefined, { transposed, group }: Window, side: Side): Parts {
  if (zw === undefined) return parts(w, side);
  if (w.kind === 'constant' && zw.kind === 'constant')
    return { known: side.weights.centred.of(layoutOf(node), w.tensor, zw.tensor) };
  const single = sizeOf(zw.shape) === 1;
  const along = single ? [] : w.shape.map((size, axis) => (axis === (transposed ? 1 : 0) ? size : 1));
  const zero =
    !single && transposed && group > 1
      ? byGroups(side.terms(zw), w.shape, group, side.ring)
      : reshaped(side.terms(zw), along, side.ring);
  return parts(side.add(w, zero, w.shape, -1), side);
}

/** [O] over weights [C, O/group, taps…]: each group's part stands at the channels of its group. */
function byGroups(zero: Terms, [channels, filters, ...taps]: readonly number[], group: number, ring: Ring): Terms {
  const single = taps.map(() => 1);
  const perGroup = reshapedTerms(zero, [group, 1, filters, ...single], ring);
  const repeated = expanded(perGroup, [group, channels / group, filters, ...single], ring);
  return reshapedTerms(repeated, [channels, filters, ...single], ring);
}

const matrices = (v: Terms, as: 'row' | 'column'): Terms =>
  v.shape.length > 1
    ? v
    : {
        ...v,
        shape: as === 'row' ? [1, v.shape[0]] : [v.shape[0], 1],
        terms: v.terms.map((t) => {
          const one = { data: Float64Array.of(1) };
          const reads = readAlong(t.reads, ([slope]) => (as === 'row' ? [0, slope] : [slope, 0]));
          return { scale: t.scale, axes: as === 'row' ? [one, t.axes[0]] : [t.axes[0], one], reads };
        }),
        marks: as === 'row' ? [undefined, v.marks[0]] : [v.marks[0], undefined],
      };

const learnedOf = (a: Terms, b: Terms | Constant, shape: readonly number[]): Learned => ({
  kinds: matrixKinds(a, b, shape),
  reads: matrixReadings(a, b, shape),
  sums: [a.shape, b.shape],
});

function matrixMultiplication({ x: a, w: b, zx: za, zw: zb, node }: Factors, side: Side): Dense {
  const shape = side.shapeOf(node.id);
  const rows = a.shape.length > 1 ? a.shape.length - 2 : -1;
  const left = matrices(shifted(side.terms(a), za, side, alongAxis(za, a.shape, rows)), 'row');
  const right = rightSide(b, zb, side);
  const full = [
    ...shape.slice(0, shape.length - (rows < 0 ? 0 : 1) - (b.shape.length > 1 ? 1 : 0)),
    left.shape[left.shape.length - 2],
    right[0].shape[right[0].shape.length - 1],
  ];
  const product = right
    .map((factor) =>
      side.atPositions(
        full,
        () => learnedOf(left, factor, full),
        (at) => matrixProduct(left, factor, full, at, side),
      ),
    )
    .reduce((all, part) => side.addDense(all, part, full));
  return dropped(product, shape, [
    ...(rows < 0 ? [full.length - 2] : []),
    ...(b.shape.length > 1 ? [] : [full.length - 1]),
  ]);
}

const matmul: Evaluate<OpWith<'a' | 'b'>> = ({ a, b, node }, side) => matrixMultiplication({ x: a, w: b, node }, side);

const quantizedMatmul: Evaluate<typeof qnnMatmul> = ({ a, b, za, zb, node }, side) =>
  matrixMultiplication({ x: a, w: b, zx: za, zw: zb, node }, side);

/** A sum along rows or columns is a product with ones. */
const reduceSum: Evaluate<typeof nnReduceSum> = ({ x, attrs: { axes, keepdims }, node }, side) => {
  const shape = side.shapeOf(node.id);
  const rank = x.shape.length;
  const axis = axes.length === 1 ? (axes[0] + rank) % rank : -1;
  if (rank < 2 || axis < rank - 2 || !keepdims || side.graph.values[node.id].type.dtype !== 's32')
    unsupported(`a sum over the axes [${axes}] of rank ${rank}`);
  const [source, size] = [side.terms(x), x.shape[axis]];
  const isRow = axis === rank - 1;
  const along = constantTerms(isRow ? [size, 1] : [1, size], 1);
  const [left, right] = isRow ? [source, along] : [along, source];
  return side.atPositions(
    shape,
    () => learnedOf(left, right, shape),
    (at) => matrixProduct(left, right, shape, at, side),
  );
};

/** A zero point [n] as a column (rows of a) or a row (columns of b); one of full rank as it is. */
const alongAxis = (z: Value | undefined, shape: readonly number[], axis: number): readonly number[] =>
  z !== undefined && z.shape.length === shape.length && shape.length > 1
    ? z.shape
    : shape.map((size, i) => (i === axis ? size : 1));

/** b − zb as matrices whose products are added. */
function rightSide(b: Value, zb: Value | undefined, side: Side): readonly (Terms | Constant)[] {
  const asMatrix = (tensor: ITensor): Constant => {
    const shape = tensor.shape.length > 1 ? tensor.shape : [tensor.shape[0], 1];
    return { kind: 'constant', shape, tensor: withShape(tensor, shape) };
  };
  if (b.kind === 'constant' && zb?.kind === 'constant')
    return [asMatrix(side.weights.centred.of({ kind: 'matmul', group: 1 }, b.tensor, zb.tensor))];
  const axis = b.shape.length > 1 ? b.shape.length - 1 : -1;
  const zero = zb && reshaped(side.terms(zb), sizeOf(zb.shape) === 1 ? [] : alongAxis(zb, b.shape, axis), side.ring);
  const { known, unknown } = parts(zero ? side.add(b, zero, b.shape, -1) : b, side);
  return [...(known ? [asMatrix(known)] : []), ...(unknown ? [matrices(unknown, 'column')] : [])];
}

/** Without the axes that vector operands do not have. */
const dropped = (v: Dense, shape: readonly number[], axes: readonly number[]): Dense =>
  axes.length === 0 ? v : { kind: 'dense', shape, at: v.at.filter((_, axis) => !axes.includes(axis)), data: v.data };

/** The accumulator of a fused operator: the sum that it rounds, or returns as s32. */
export function accumulator(fused: Fused<Value>, side: Side): Value {
  const { bias, map, row, column, node } = fused;
  const shape = side.shapeOf(node.id);
  if (clampsSums(fused)) unsupported('a clamped s32');
  const axis = channelAxis(fused, shape.length);
  const perChannel = shape.map((size, i) => (i === axis ? size : 1));
  const added = (v: Value, constant: Value | undefined, as: readonly number[]): Value =>
    constant === undefined ? v : side.add(v, shapedConstant(constant, as), shape);
  const sum = added(begun(fused, side), bias, perChannel);
  const v = added(sum, map, [...shape.slice(0, axis).map(() => 1), ...shape.slice(axis)]);
  if (row === undefined || column === undefined) return v;
  if (row.shape[axis] !== 1 && row.shape[axis] !== shape[axis]) unsupported('a row shared by groups');
  return side.add(v, side.multiply(row, shapedConstant(column, perChannel), shape), shape);
}

/** The start of a fused operator: its product, or the sum that it is given. */
function begun({ x, w, zw, attrs: { sourceZeroPoint = 0 }, node }: Fused<Value>, side: Side): Value {
  if (w === undefined) return x;
  const zx = sourceZeroPoint === 0 ? undefined : constantTerms([], side.ring.reduce(sourceZeroPoint));
  return isOp(node, dnnlConv, dnnlConvTranspose)
    ? convolution({ x, w, zx, zw, node }, node.attrs, side)
    : matrixMultiplication({ x, w, zx, zw, node }, side);
}

/** A constant in a shape of as many elements; a single one is a scalar. */
function shapedConstant(v: Value, shape: readonly number[]): Value {
  if (v.kind !== 'constant') return unsupported('a computed bias');
  const as = v.tensor.data.length === 1 ? [] : shape;
  return { kind: 'constant', shape: as, tensor: withShape(v.tensor, as) };
}

/** The s32 sum of a fused operator inside of a region; a rounded result is opaque. */
const fused = ({ node }: Pick<Fused<Value>, 'node'>, side: Side): Value => {
  const seen = fusedAs(node, (id) => side.value(id));
  return seen?.attrs.to === 's32' ? accumulator(seen, side) : unsupported('a rounding in between');
};

export const products = {
  nnConv: conv,
  qnnConv: conv,
  nnConvTranspose: conv,
  qnnConvTranspose: conv,
  nnMatmul: matmul,
  qnnMatmul: quantizedMatmul,
  nnReduceSum: reduceSum,
  dnnlConv: fused,
  dnnlConvTranspose: fused,
  dnnlMatmul: fused,
  dnnlRequantize: fused,
} satisfies Evaluators;
