/** Converts the callers' tensors to tensors of the IR; an error says which input is wrong and why. */
import { inspect } from 'node:util';
import { fail } from '../diagnostics/index.ts';
import {
  type ArrayFor,
  bytesOf,
  type DType,
  dtypeOfOnnxName,
  dtypes,
  entriesOf,
  type Feeds,
  type Graph,
  type ITensor,
  namedDim,
  sizeOf,
  type TensorLike,
  viewAs,
} from '../ir/index.ts';

/** @throws UnskewError U4001 for a feed whose type, dims and data do not belong together */
export function toFeeds(feeds: Readonly<Record<string, TensorLike>>): Feeds {
  if (feeds === null || typeof feeds !== 'object') fail('U4001', 'feeds should be an object of tensors by input name');
  return Object.fromEntries(Object.entries(feeds).map(([name, feed]) => [name, toTensor(name, feed)]));
}

function toTensor(name: string, feed: TensorLike): ITensor {
  const location = { input: name };
  const dtype = dtypeOfOnnxName(feed?.type);
  if (dtype === undefined)
    fail(
      'U4001',
      `the feed '${name}' is of unknown type ${inspect(feed?.type)}`,
      location,
      'a feed has type, data and dims, as Tensor has',
    );
  const { data, dims: given } = feed;
  if (!isArrayFor(dtype, data)) {
    const what = data?.constructor?.name ?? typeof data;
    fail(
      'U4001',
      `the data of '${name}' should be a ${dtypes[dtype].storage.name} for ${dtypes[dtype].onnx}, but is a ${what}`,
      location,
    );
  }
  const dims = Array.isArray(given) ? Array.from(given) : undefined; // holes become visible
  if (dims === undefined || dims.some((d) => !Number.isSafeInteger(d) || d < 0))
    fail('U4001', `the dims of '${name}' should be sizes, but are ${inspect(given)}`, location);
  if (entriesOf(dtype, sizeOf(dims)) !== data.length)
    fail(
      'U4001',
      `the dims of '${name}', [${dims.join(', ')}], hold ${sizeOf(dims)} elements, its data has ${data.length}`,
      location,
    );
  return { dtype, shape: dims, data: dtype === 'bool' ? viewAs(dtype, bytesOf(data)) : data };
}

/** True when `data` is an array for elements of the type; arrays of another realm are. */
const isArrayFor = <D extends DType>(dtype: D, data: unknown): data is ArrayFor<D> =>
  ArrayBuffer.isView(data) && Object.getPrototypeOf(data)?.constructor?.name === dtypes[dtype].storage.name;

/**
 * The name and type of an input or output, as the model declares them. A dimension that is a string may have any size; it is the name that the
 * file gives it, or an expression.
 */
export interface ValueMetadata {
  readonly name: string;
  readonly type: string;
  readonly dims: readonly (number | string)[];
}

export const metadataOf = (graph: Graph, ids: Graph['inputs']): readonly ValueMetadata[] =>
  ids.map((id) => {
    const { dtype, shape } = graph.values[id].type;
    return {
      name: id,
      type: dtype === 'opaque' ? 'unknown' : dtypes[dtype].onnx,
      dims: shape.map((dim) => namedDim(graph, dim)),
    };
  });
