/** One side of a region at a point: the values of a graph over a ring, and arithmetic with them. */
import { assert } from '../diagnostics/index.ts';
import {
  type AnyOp,
  constantOf,
  type DType,
  type Graph,
  type ITensor,
  type Node,
  type OpKey,
  type ops,
  type Seen,
  seenAs,
  type ValueId,
} from '../ir/index.ts';
import { decomposed } from './decompose.ts';
import { picked } from './dense.ts';
import type { Grid } from './grid.ts';
import type { Marks } from './marks.ts';
import type { Ring } from './ring.ts';
import {
  type Constant,
  constantTerms,
  type Dense,
  expanded,
  product,
  type Reading,
  readingsOf,
  sampled,
  sizesOf,
  sum,
  type Terms,
  termsOfConstant,
  unsupported,
  type Value,
} from './terms.ts';
import type { Projections } from './unknown_projections.ts';

export interface EvaluationOptions {
  readonly graph: Graph;
  readonly producers: ReadonlyMap<ValueId, Node>;
  readonly grid: Grid;
  readonly ring: Ring;
  /** The unknowns. */
  readonly leaves: ReadonlyMap<ValueId, Terms>;
  readonly weights: Projections;
  /** Only refine the grid: dense values stay empty. */
  readonly learning?: boolean;
}

/**
 * Facts about a product: the coordinates of its result that are alike, and all else that decides the sum at each of
 * them.
 */
export interface Learned {
  readonly kinds: readonly (Marks | undefined)[];
  readonly reads: readonly Reading[];
  readonly sums: unknown;
}

/** The result of a node, whose operands are given as values. */
export type Evaluate<D extends AnyOp> = (seen: Seen<D, Value>, side: Side) => Value;
export type Evaluators = { readonly [K in OpKey]?: Evaluate<(typeof ops)[K]> };

/** The result of any node. */
export type Compute = (node: Node, operands: readonly (Value | undefined)[], side: Side) => Value;

/** The values of one side, and what operators on them have in common. */
export class Side {
  readonly graph: Graph;
  readonly grid: Grid;
  readonly ring: Ring;
  readonly weights: Projections;
  readonly learning: boolean;
  readonly #producers: ReadonlyMap<ValueId, Node>;
  readonly #compute: Compute;
  readonly #values: Map<ValueId, Value>;

  constructor(
    { graph, producers, grid, ring, leaves, weights, learning = false }: EvaluationOptions,
    compute: Compute,
  ) {
    this.graph = graph;
    this.grid = grid;
    this.ring = ring;
    this.weights = weights;
    this.learning = learning;
    this.#values = new Map(leaves);
    this.#producers = producers;
    this.#compute = compute;
  }

  shapeOf = (id: ValueId): readonly number[] => sizesOf(this.graph.values[id].type.shape);
  dtypeOf(id: ValueId): DType {
    const { dtype } = this.graph.values[id].type;
    return dtype === 'opaque' ? unsupported('values that are only carried') : dtype;
  }
  producer = (id: ValueId): Node | undefined => this.#producers.get(id);

  value(id: ValueId): Value {
    const known = this.#values.get(id);
    if (known) return known;
    const constant = constantOf(this.graph, id);
    const made = constant ? this.constant(constant) : this.#computed(id);
    this.#values.set(id, made);
    return made;
  }

  /** The values of an operand each. */
  seen = <D extends AnyOp>(node: Node): Seen<D, Value> => seenAs<D, Value>(node, (id) => this.value(id));

  constant = (tensor: ITensor): Constant => ({ kind: 'constant', shape: tensor.shape, tensor });

  /** The elements at the grid's positions. */
  dense(v: Value, shape: readonly number[]): Dense {
    if (v.kind === 'dense') return v;
    if (v.kind === 'mixed') {
      const [known, unknown] = [this.dense(v.known, shape), this.dense(v.unknown, shape)];
      return { ...known, data: this.ring.add(known.data, unknown.data, 1) };
    }
    if (!this.learning) {
      const at = this.grid.coordinatesOf(v.shape);
      return { kind: 'dense', shape: v.shape, at, data: sampled(v, at, this.ring) };
    }
    if (v.kind === 'constant') {
      this.grid.refineByConstant(v.tensor);
      return empty(v.shape);
    }
    const reads = readingsOf(v.terms);
    this.grid.refine(v.shape, v.marks, reads);
    // An axis along which all is alike is none
    const varies = (own: number) => v.marks[own] !== undefined || reads.some(({ slopes }) => slopes[own] !== 0);
    return empty(v.shape.map((size, own) => (varies(own) ? size : 1)));
  }

  /** The result of a product: `compute` is asked for the positions that matter. */
  atPositions(shape: readonly number[], learn: () => Learned, compute: (at: readonly Int32Array[]) => Dense): Dense {
    if (!this.learning) return compute(this.grid.coordinatesOf(shape));
    const { kinds, reads, sums } = learn();
    this.grid.refine(shape, kinds, reads);
    this.grid.note(sums);
    return empty(shape);
  }

  /** A value as a sum of terms. */
  terms(v: Value): Terms {
    if (v.kind === 'terms') return v;
    const terms =
      v.kind === 'constant' ? (termsOfConstant(v, this.ring) ?? decomposed(v.tensor, this.ring)) : undefined;
    return terms ?? unsupported('a source that is neither an unknown nor nearly constant');
  }

  add(a: Value, b: Value, shape: readonly number[], sign: 1 | -1 = 1): Value {
    let [s, t] = [this.termsAtHand(a), this.termsAtHand(b)];
    if (s && b.kind === 'constant') t ??= decomposed(b.tensor, this.ring);
    if (t && a.kind === 'constant' && !sameSizes(a.shape, shape)) s ??= decomposed(a.tensor, this.ring);
    if (s && t) return sum(expanded(s, shape, this.ring), expanded(t, shape, this.ring), sign, this.ring);
    if (a.kind === 'constant' && t && sameSizes(a.shape, shape)) {
      const unknown = sum(constantTerms(shape, 0), expanded(t, shape, this.ring), sign, this.ring);
      return { kind: 'mixed', shape, known: a, unknown };
    }
    return this.addDense(a, b, shape, sign);
  }

  /** At the positions that matter, element by element. */
  addDense = (a: Value, b: Value, shape: readonly number[], sign: 1 | -1 = 1): Dense =>
    this.#elementwise(a, b, shape, (x, y) => this.ring.add(x, y, sign));

  multiply(a: Value, b: Value, shape: readonly number[]): Value {
    const [s, t] = [this.termsAtHand(a), this.termsAtHand(b)];
    if (s && t) return product(expanded(s, shape, this.ring), expanded(t, shape, this.ring), this.ring);
    return this.#elementwise(a, b, shape, this.ring.multiply);
  }

  /** A value that is a sum of terms already, or as good as one. */
  termsAtHand(v: Value): Terms | undefined {
    return v.kind === 'terms' ? v : v.kind === 'constant' ? termsOfConstant(v, this.ring) : undefined;
  }

  #elementwise(
    a: Value,
    b: Value,
    shape: readonly number[],
    f: (x: Float64Array, y: Float64Array) => Float64Array,
  ): Dense {
    const [left, right] = [this.dense(a, shape), this.dense(b, shape)];
    if (this.learning) return { ...empty(shape), homes: this.#homesOf([left, right], shape) };
    const at = shape.map((size, axis) => {
      if (size === 1) return Int32Array.of(0);
      const own = [left, right].flatMap((v) => {
        const i = axis - (shape.length - v.shape.length);
        return i >= 0 && v.shape[i] === size ? [v.at[i]] : [];
      });
      return own.reduce((fewest, list) => (list.length < fewest.length ? list : fewest));
    });
    return { kind: 'dense', shape, at, data: f(picked(left, at), picked(right, at)) };
  }

  /** The homes of the axes of what is computed element by element. */
  #homesOf(operands: readonly Dense[], shape: readonly number[]): readonly (number | undefined)[] {
    return shape.map((size, axis) => {
      const homes = operands.flatMap((v) => {
        const own = axis - (shape.length - v.shape.length);
        return size !== 1 && v.shape[own] === size ? [this.grid.home(v, own)] : [];
      });
      this.grid.requireOne(homes);
      return homes.find((home) => home !== undefined);
    });
  }

  /** The result, of which every axis has to be the one that it was taken for. */
  result(v: Value): Dense {
    const dense = this.dense(v, this.grid.shape);
    if (this.learning)
      dense.shape.forEach((size, axis) => {
        if (size !== 1) this.grid.requireOne([axis, this.grid.home(dense, axis)]);
      });
    return dense;
  }

  #computed(id: ValueId): Value {
    const node = this.#producers.get(id);
    assert(node, `%${id} is computed by no node`);
    return this.#compute(
      node,
      node.operands.map((id) => (id === null ? undefined : this.value(id))),
      this,
    );
  }
}

const sameSizes = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((size, i) => size === b[i]);

const empty = (shape: readonly number[]): Dense => ({ kind: 'dense', shape, at: [], data: new Float64Array(0) });
