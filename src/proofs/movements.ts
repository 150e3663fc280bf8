/** Operators that move elements or change their type: exact on any integer they may hold. */
import {
  clampSlice,
  dtypes,
  isFloat,
  isStatic,
  type nnCast,
  type nnConcat,
  type nnGather,
  type nnPad,
  type nnRecentre,
  type nnSlice,
  type nnTranspose,
  numbersOf,
  type OpWith,
  shiftTo,
  viewOf,
} from '../ir/index.ts';
import { reshapedTerms } from './decompose.ts';
import { type Marks, marked, positions } from './marks.ts';
import type { Evaluate, Evaluators, Side } from './side.ts';
import {
  constantTerms,
  type Dense,
  expanded,
  ones,
  range,
  readAlong,
  reshaped,
  sum,
  type Term,
  type Terms,
  unsupported,
  type Vector,
} from './terms.ts';

/** Casts of integers to wider ones and to floats, and of floats with integers back (range.ts bounds those integers). */
const cast: Evaluate<typeof nnCast> = ({ x, attrs: { to }, node }, side) => {
  const from = side.dtypeOf(viewOf<typeof nnCast>(node).x);
  const widens = dtypes[to].min <= dtypes[from].min && dtypes[to].max >= dtypes[from].max;
  const carried = isFloat(from) && (to === 's32' || to === 's64' || isFloat(to));
  return widens || carried ? x : unsupported(`a cast from ${from} to ${to}`);
};

const recentre: Evaluate<typeof nnRecentre> = ({ x, attrs, node }, side) => {
  const shape = side.shapeOf(node.id);
  const by = constantTerms(shape, side.ring.reduce(shiftTo(attrs.to)));
  return sum(side.terms(x), by, 1, side.ring);
};

const mapped = (
  v: Terms,
  shape: readonly number[],
  axes: (term: Term) => readonly Vector[],
  marks: Terms['marks'],
  along = (slopes: readonly number[]) => slopes,
): Terms => ({
  kind: 'terms',
  shape,
  terms: v.terms.map((term) => ({ scale: term.scale, axes: axes(term), reads: readAlong(term.reads, along) })),
  marks,
});

/** Outside of x the result holds `value`, 0 when absent: pad(x) + value·(1 − inside). */
const pad: Evaluate<typeof nnPad> = ({ x, value, attrs: { pads, mode }, node }, side) => {
  if (!isStatic(pads)) return unsupported('padding by sizes');
  if (mode !== 'constant') unsupported(`padding by ${mode}`);
  if (pads.some((p) => p < 0)) unsupported('negative pads');
  const [source, shape] = [side.terms(x), side.shapeOf(node.id)];
  const grown = (v: Vector, axis: number): Vector => {
    if (v.data.length === shape[axis]) return v;
    const data = new Float64Array(shape[axis]);
    data.set(v.data, pads[axis]);
    return { data };
  };
  const marks = shape.map((size, axis) => {
    if (source.shape[axis] === size) return source.marks[axis];
    const own = source.marks[axis];
    return marked(size, (i) => {
      const at = i - pads[axis];
      return at >= 0 && at < source.shape[axis] ? `inside ${own?.[at]}` : 'outside';
    });
  });
  const padded = mapped(source, shape, (term) => term.axes.map(grown), marks);
  if (value === undefined) return padded;
  const filler = expanded(reshaped(side.terms(value), [], side.ring), shape, side.ring);
  const inside = {
    ...filler,
    terms: filler.terms.map((t) => ({ ...t, axes: source.shape.map((n, i) => grown(ones(n), i)) })),
  };
  return { ...sum(sum(padded, filler, 1, side.ring), inside, -1, side.ring), marks };
};

/** An operator that moves the elements of one operand. */
type OfOne = Evaluate<OpWith<'x'>>;

const expand: OfOne = ({ x, node }, side) => {
  const shape = side.shapeOf(node.id);
  if (x.kind !== 'dense') return expanded(side.terms(x), shape, side.ring);
  // adding 0 broadcasts
  return side.add(x, constantTerms(shape, 0), shape);
};

/**
 * Positions along an axis that was moved all count as different: classes are of positions of the result, and on the
 * side without the move equal coordinates mean other elements.
 */
const moved = (v: Terms, axis: number): Marks | undefined =>
  v.shape[axis] === 1 ? undefined : positions(v.shape[axis]);

const transpose: Evaluate<typeof nnTranspose> = ({ x, attrs: { perm }, node }, side) => {
  const source = side.terms(x);
  return mapped(
    source,
    side.shapeOf(node.id),
    (t) => perm.map((i) => t.axes[i]),
    perm.map((i, to) => (i === to ? source.marks[i] : moved(source, i))),
    (slopes) => perm.map((i) => slopes[i]),
  );
};

/** Row-major reshapes; dense values are split and joined along axes known as a whole. */
const reshape: OfOne = ({ x, node }, side) => {
  const shape = side.shapeOf(node.id);
  if (x.kind === 'dense') return reshapedDense(x, shape, side);
  return reshapedTerms(side.terms(x), shape, side.ring);
};

function reshapedDense(x: Dense, shape: readonly number[], side: Side): Dense {
  if (side.learning) {
    const homes = side.grid.refineByReshape(x, shape);
    return { ...x, shape, homes };
  }
  const at: Int32Array[] = [];
  let [from, to] = [0, 0];
  while (from < x.shape.length || to < shape.length) {
    const [firstFrom, firstTo] = [from, to];
    let [p, q] = [x.shape[from++] ?? 1, shape[to++] ?? 1];
    while (p !== q) {
      if (p < q) p *= x.shape[from++];
      else q *= shape[to++];
    }
    const lists = x.at.slice(firstFrom, from);
    const long = lists.filter((_, i) => x.shape[firstFrom + i] !== 1);
    const sizes = shape.slice(firstTo, to);
    if (sizes.filter((n) => n !== 1).length === 1 && long.length === 1)
      at.push(...sizes.map((n) => (n === 1 ? Int32Array.of(0) : long[0])));
    else if (lists.every((list, i) => list.length === x.shape[firstFrom + i])) at.push(...sizes.map(range));
    else unsupported('a reshape of positions that are not all known');
  }
  return { kind: 'dense', shape, at: at.slice(0, shape.length), data: x.data };
}

/** The index of each element along one axis; the others stay. */
function indexed(v: Terms, axis: number, indices: readonly number[]): Terms {
  const shape = v.shape.map((size, i) => (i === axis ? indices.length : size));
  const take = ({ data }: Vector): Vector => ({ data: Float64Array.from(indices, (i) => data[i]) });
  return mapped(
    v,
    shape,
    (t) => t.axes.map((a, i) => (i === axis ? take(a) : a)),
    v.marks.map((m, i) => (i === axis ? positions(indices.length) : m)),
  );
}

const gather: Evaluate<typeof nnGather> = ({ x, indices, attrs }, side) => {
  const source = side.terms(x);
  const axis = (attrs.axis + source.shape.length) % source.shape.length;
  if (indices.kind !== 'constant' || indices.shape.length !== 1)
    return unsupported('indices that are not a constant list');
  const size = source.shape[axis];
  const list = numbersOf(indices.tensor);
  if (!list.every((i) => i < size && i >= -size)) return unsupported('indices beyond their axis');
  return indexed(
    source,
    axis,
    list.map((i) => (i + size) % size),
  );
};

/** Each axis as its positions in the source. */
const slice: Evaluate<typeof nnSlice> = ({ x, attrs: { starts, ends, axes, steps } }, side) => {
  if (!isStatic(starts) || !isStatic(ends)) return unsupported('a slice between sizes');
  return axes.reduce((v, given, i) => {
    const axis = (given + v.shape.length) % v.shape.length;
    const { first, count } = clampSlice(v.shape[axis], starts[i], ends[i], steps[i]);
    return indexed(
      v,
      axis,
      Array.from({ length: count }, (_, at) => first + at * steps[i]),
    );
  }, side.terms(x));
};

/** Each part among zeros, added up. */
const concat: Evaluate<typeof nnConcat> = ({ xs, attrs, node }, side) => {
  const shape = side.shapeOf(node.id);
  const axis = (attrs.axis + shape.length) % shape.length;
  let offset = 0;
  const grown = xs.map((part) => {
    const v = side.terms(part);
    const at = offset;
    offset += v.shape[axis];
    const place = (a: Vector): Vector => {
      const data = new Float64Array(shape[axis]);
      data.set(a.data, at);
      return { data };
    };
    return mapped(
      v,
      shape,
      (t) => t.axes.map((a, i) => (i === axis ? place(a) : a)),
      v.marks.map((m, i) => (i === axis ? positions(shape[axis]) : m)),
    );
  });
  return grown.reduce((all, part) => sum(all, part, 1, side.ring));
};

const identity: OfOne = ({ x }) => x;

export const movements = {
  nnIdentity: identity,
  nnCast: cast,
  nnRecentre: recentre,
  nnPad: pad,
  nnExpand: expand,
  nnReshape: reshape,
  nnTranspose: transpose,
  nnGather: gather,
  nnSlice: slice,
  nnConcat: concat,
} satisfies Evaluators;
