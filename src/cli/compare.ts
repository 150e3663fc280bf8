/** Compares two runs of a model and finds the first node at which they differ. */
import { type Feeds, type Graph, type ITensor, interpret, type Loc, type ValueId, valueId } from '../ir/index.ts';

export interface Difference {
  /** The first element that differs. */
  readonly index: readonly number[];
  readonly expected: number | bigint;
  readonly found: number | bigint;
  /** Elements that differ. */
  readonly count: number;
  readonly size: number;
  /** The largest difference. */
  readonly largest: number;
}

/** Undefined when the tensors are equal, element for element, NaN with NaN. */
export const difference = (expected: ITensor, found: ITensor): Difference | undefined =>
  differenceWhere(expected, found, () => false);

/** Finds the elements that differ and that `allowed` does not accept, given their index and distance. */
export function differenceWhere(
  expected: ITensor,
  found: ITensor,
  allowed: (i: number, distance: number) => boolean,
): Difference | undefined {
  const [a, b] = [expected.data, found.data];
  let first = -1;
  let count = 0;
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    if (a[i] === b[i] || (Number.isNaN(a[i]) && Number.isNaN(b[i]))) continue;
    const distance = Math.abs(Number(a[i]) - Number(b[i]));
    if (allowed(i, distance)) continue;
    if (first < 0) first = i;
    count++;
    if (!(distance <= largest)) largest = distance;
  }
  if (first < 0) return undefined;
  return { index: indexOf(first, expected.shape), expected: a[first], found: b[first], count, size: a.length, largest };
}

export function indexOf(flat: number, shape: readonly number[]): number[] {
  const index = new Array<number>(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = flat % shape[axis];
    flat = Math.floor(flat / shape[axis]);
  }
  return index;
}

export const sameType = (a: ITensor, b: ITensor): boolean =>
  a.dtype === b.dtype && a.shape.length === b.shape.length && a.shape.every((dim, i) => dim === b.shape[i]);

export type Tensors = Readonly<Record<string, ITensor>>;

/** A difference of one output: an element, or the reason why elements cannot be compared. */
export interface OutputDifference {
  readonly output: string;
  readonly why?: string;
  readonly difference?: Difference;
}

export function compareOutputs(expected: Tensors, found: Tensors): OutputDifference[] {
  return Object.entries(expected).flatMap(([output, tensor]): OutputDifference[] => {
    const other = found[output];
    if (other === undefined) return [{ output, why: 'the output is missing' }];
    if (!sameType(tensor, other)) {
      const show = ({ dtype, shape }: ITensor) => `${dtype}[${shape}]`;
      return [{ output, why: `it is ${show(other)} and should be ${show(tensor)}` }];
    }
    const differs = difference(tensor, other);
    return differs ? [{ output, difference: differs }] : [];
  });
}

/** The first node, in the order of the first graph, whose value differs between two graphs. */
export interface Divergence extends Difference {
  readonly node: string;
  readonly location: Loc;
  /** The node as textual IR. */
  readonly ir: string;
}

/** Values by id; a rewritten graph keeps the names of the values that it computes. */
export type Observed = ReadonlyMap<ValueId, ITensor>;

export const observed = (values: Tensors): Observed =>
  new Map(Object.entries(values).map(([name, tensor]) => [valueId(name), tensor]));

/** Everything that a graph computes, by the interpreter. */
export function observe(graph: Graph, feeds: Feeds): Map<ValueId, ITensor> {
  const values = new Map<ValueId, ITensor>();
  interpret(graph, feeds, {
    observe: (node, results) => node.results.forEach((id, i) => void values.set(id, results[i])),
  });
  return values;
}

/** `[0, 3, 1, 1]: 17, should be 16` and how much else. */
export function formatDifference({ index, expected, found, count, size, largest }: Difference): string {
  return `first at [${index.join(', ')}]: ${found}, should be ${expected}; ${count} of ${size} elements differ, by up to ${largest}`;
}
