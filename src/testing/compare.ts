/** Whether two graphs mean the same on given inputs. */
import { type Feeds, type Graph, type ITensor, interpret, isFloat } from '../ir/index.ts';
import { indicesOf } from '../ir/ops/conv_geometry.ts';

/** How much two results may differ. Neither: not at all, down to the sign of zero; NaN equals NaN. */
export interface Tolerance {
  /** For integers: by that many. */
  readonly steps?: number;
  /** For floats: by that fraction of the largest finite float that the first graph computes anywhere. */
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
  let largest = 0;
  const observe = (_node: unknown, results: readonly ITensor[]): void => {
    if (tolerance.relative === undefined) return;
    for (const { dtype, data } of results)
      if (isFloat(dtype))
        for (const v of data) if (Number.isFinite(v)) largest = Math.max(largest, Math.abs(Number(v)));
  };
  const expected = interpret(before, feeds, { observe });
  const found = interpret(after, feeds);
  for (const [output, tensor] of Object.entries(expected)) {
    const difference = compareTensors(tensor, found[output], (dtype) =>
      isFloat(dtype) ? (tolerance.relative ?? 0) * largest : (tolerance.steps ?? 0),
    );
    if (difference) return { output, ...difference };
  }
  return undefined;
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
