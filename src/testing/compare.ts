/** Compares the meaning of two graphs on given inputs. */
import {
  constantOf,
  evaluateNode,
  type Feeds,
  type Graph,
  type ITensor,
  indicesOf,
  interpret,
  isFloat,
  isPlainProduct,
  type Node,
  numbersOf,
  tensor,
} from '../ir/index.ts';

/**
 * The allowed difference of two results. When both are absent, results must be equal down to the sign of zero; NaN
 * equals NaN.
 */
export interface Tolerance {
  /** For integers: the largest distance. */
  readonly steps?: number;
  /**
   * For floats: a fraction of the largest finite float that the first graph computes anywhere. Sums of products count
   * as sums of magnitudes, Σ|x|·|w|: their roundings are relative to it.
   */
  readonly relative?: number;
}

export interface Difference {
  readonly output: string;
  readonly index: readonly number[];
  readonly before: number | bigint;
  readonly after: number | bigint;
  /** Elements of this output that differ, and all of them. */
  readonly count: number;
  readonly size: number;
}

/** The first element at which the outputs of the graphs differ by more than is allowed. */
export function compareGraphs(
  before: Graph,
  after: Graph,
  feeds: Feeds,
  tolerance: Tolerance = {},
): Difference | undefined {
  const magnitude = new Magnitude(before, feeds);
  const expected = interpret(before, feeds, tolerance.relative === undefined ? {} : { observe: magnitude.observe });
  const found = interpret(after, feeds);
  for (const [output, tensor] of Object.entries(expected)) {
    const difference = compareTensors(tensor, found[output], (dtype) =>
      isFloat(dtype) ? (tolerance.relative ?? 0) * magnitude.largest : (tolerance.steps ?? 0),
    );
    if (difference) return { output, ...difference };
  }
  return undefined;
}

/** The largest float seen; follows the values of a graph so that products can be evaluated on magnitudes. */
class Magnitude {
  largest = 0;
  readonly #graph: Graph;
  readonly #values: Map<string, ITensor>;

  constructor(graph: Graph, feeds: Feeds) {
    this.#graph = graph;
    this.#values = new Map(Object.entries(feeds));
  }

  readonly observe = (node: Node, results: readonly ITensor[]): void => {
    node.results.forEach((id, i) => {
      this.#values.set(id, results[i]);
    });
    const seen = results[0].dtype === 'f32' && isPlainProduct(node) ? this.#evaluated(node) : results;
    for (const { dtype, data } of seen) {
      if (isFloat(dtype))
        for (const v of data) if (Number.isFinite(v)) this.largest = Math.max(this.largest, Math.abs(Number(v)));
    }
  };

  #evaluated(node: Node): readonly ITensor[] {
    const operands = node.operands.map((id) =>
      id === null ? null : (this.#values.get(id) ?? constantOf(this.#graph, id) ?? null),
    );
    return evaluateNode(
      node,
      operands.map((t) => t && tensor(t.dtype, numbersOf(t).map(Math.abs), t.shape)),
    );
  }
}

export function compareTensors(
  expected: ITensor,
  found: ITensor | undefined,
  allowed: (dtype: ITensor['dtype']) => number = () => 0,
): Omit<Difference, 'output'> | undefined {
  const { dtype, shape, data } = expected;
  if (
    found === undefined ||
    found.dtype !== dtype ||
    found.data.length !== data.length ||
    found.shape.some((dim, i) => dim !== shape[i])
  ) {
    throw new TypeError(
      `an output was ${dtype}[${shape}] and is ${found ? `${found.dtype}[${found.shape}]` : 'missing'}`,
    );
  }
  const within = allowed(dtype);
  const differs = (i: number): boolean =>
    !Object.is(data[i], found.data[i]) && !(Math.abs(Number(data[i]) - Number(found.data[i])) <= within && within > 0);
  let count = 0;
  let first = -1;
  for (let i = 0; i < data.length; i++) {
    if (!differs(i)) continue;
    if (first < 0) first = i;
    count++;
  }
  if (first < 0) return undefined;
  return {
    index: [...indicesOf(shape)][first],
    before: data[first],
    after: found.data[first],
    count,
    size: data.length,
  };
}
