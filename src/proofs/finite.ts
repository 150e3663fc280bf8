/** Regions without sums of products: tables and additions of bytes, and movements. */

import { assert } from '../diagnostics/index.ts';
import {
  atChannel,
  type ByteType,
  constantOf,
  dtypes,
  evaluateNode,
  type Graph,
  type ITensor,
  isByteType,
  isOp,
  newArray,
  qnnLut,
  qnnPairLut,
  sizeOf,
  type TensorType,
  topologicalOrder,
  typeOf,
  type ValueId,
} from '../ir/index.ts';
import type { Obligation, Witness } from './obligation.ts';
import { haveTrait, type Region } from './region.ts';
import { range, sizesOf } from './terms.ts';

/** Undefined when the region is neither. `region` has known sizes. */
export function checkFinite(region: Region): Obligation | undefined {
  const sides = [region.before, region.after];
  if (sides.every((graph) => haveTrait(graph, 'movement', 'identity'))) return checkMovement(region);
  if (!sides.every((graph) => haveTrait(graph, 'elementwise') && hasScalarConstants(graph))) return undefined;
  const types = region.leaves.map((id) => typeOf(region.before, id));
  return types.length <= 2 && types.every(isOfBytes) ? checkAllBytes(region, types) : undefined;
}

const isOfBytes = (type: TensorType): type is TensorType<ByteType> => isByteType(type.dtype);

/** A known table counts as one: its element is chosen by the values alone. */
const hasScalarConstants = (graph: Graph): boolean =>
  Object.values(graph.nodes).every((node) =>
    node.operands.every((id, i) => {
      const t = constantOf(graph, id);
      if (isOp(node, qnnLut) && i === 1) return t?.data.length === 256;
      if (isOp(node, qnnPairLut) && i === 2) return t?.data.length === 65536;
      return t === undefined || t.data.length === 1;
    }),
  );

/** Checks all values of one byte, or all pairs of two; `types`: of the leaves. */
function checkAllBytes(region: Region, types: readonly TensorType<ByteType>[]): Obligation {
  const cases = 256 ** region.leaves.length;
  const rank = region.leaves.reduce((most, id) => Math.max(most, typeOf(region.before, id).shape.length), 1);
  const shape = [...Array<number>(rank - 1).fill(1), cases];
  const feeds = new Map<ValueId, ITensor>();
  region.leaves.forEach((id, position) => {
    const { dtype } = types[position];
    const data = newArray(dtype, cases);
    const { min } = dtypes[dtype];
    for (let i = 0; i < cases; i++) data[i] = min + (position === 0 ? i & 255 : i >> 8);
    feeds.set(id, { dtype, shape, data });
  });
  const what = 'both sides are the same function of bytes';
  const method = `all ${cases} inputs`;
  const [before, after] = [region.before, region.after].map((graph) => evaluateAll(graph, feeds, region.root));
  // A side that reads no byte is one element for all of them.
  const of = ({ data }: ITensor, i: number) => atChannel<number | bigint>(data, i);
  const at = range(cases).findIndex((i) => !Object.is(of(before, i), of(after, i)));
  if (at < 0) return { kind: 'identity', what, method, verdict: 'proved' };
  const inputs = Object.fromEntries(
    [...feeds].map(([id, { dtype, data }]) => {
      const own = sizesOf(typeOf(region.before, id).shape);
      const size = sizeOf(own);
      return [
        id,
        {
          type: dtype,
          shape: own,
          fill: { value: Number(data[at]) },
          ...(size <= 64 && { data: Array<number>(size).fill(Number(data[at])) }),
        },
      ];
    }),
  );
  const witness: Witness = {
    inputs,
    output: region.root,
    index: typeOf(region.before, region.root).shape.map(() => 0),
    before: Number(of(before, at)),
    after: Number(of(after, at)),
  };
  return { kind: 'identity', what, method, verdict: { refuted: witness } };
}

/** Equal constants are one negative label each; 0, which pads fill with, is itself. */
class Labels {
  readonly #known = new Map<string, number>([['0', 0]]);

  of(value: number | bigint): number {
    const text = Object.is(value, -0) ? '-0' : String(value);
    const label = this.#known.get(text) ?? -this.#known.size;
    this.#known.set(text, label);
    return label;
  }

  constant = ({ shape, data }: ITensor): ITensor => ({
    dtype: 'f64',
    shape,
    data: Float64Array.from<number | bigint>(data, (v) => this.of(v)),
  });
}

/** Movements treat all elements alike, so one input whose elements are all different stands for every input. */
function checkMovement(region: Region): Obligation | undefined {
  const what = 'both sides move the same elements to the same places';
  let label = 1;
  const feeds = new Map<ValueId, ITensor>();
  for (const id of region.leaves) {
    const shape = sizesOf(typeOf(region.before, id).shape);
    feeds.set(id, { dtype: 'f64', shape, data: Float64Array.from({ length: sizeOf(shape) }, () => label++) });
  }
  if (label > 2 ** 24) return undefined;
  const labels = new Labels();
  const [before, after] = [region.before, region.after].map((graph) =>
    evaluateAll(graph, feeds, region.root, labels.constant),
  );
  const same = before.data.length === after.data.length && before.data.every((v, i) => v === after.data[i]);
  const method = 'an input of elements that are all different';
  if (same) return { kind: 'identity', what, method, verdict: 'proved' };
  return { kind: 'identity', what, method, verdict: { open: 'elements end in different places' } };
}

/** `labelled`: replaces each constant during the evaluation. */
function evaluateAll(
  graph: Graph,
  feeds: ReadonlyMap<ValueId, ITensor>,
  root: ValueId,
  labelled = (t: ITensor): ITensor => t,
): ITensor {
  const values = new Map(feeds);
  const constant = (id: ValueId): ITensor | null => {
    const t = constantOf(graph, id);
    return t === undefined ? null : labelled(t);
  };
  for (const node of topologicalOrder(graph).order) {
    const results = evaluateNode(
      node,
      node.operands.map((id) => (id === null ? null : (values.get(id) ?? constant(id)))),
    );
    node.results.forEach((id, i) => {
      values.set(id, results[i]);
    });
  }
  const result = values.get(root) ?? constant(root);
  assert(result, `%${root} has no value`);
  return result;
}
