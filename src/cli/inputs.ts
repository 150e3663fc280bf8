/** Inputs of a model: shapes and tensors from the command line. */
import { fail, UnskewError } from '../diagnostics/index.ts';
import { Context, readTensor as readTensorProto, Source as TensorSource } from '../formats/onnx/index.ts';
import { looksLike, type OtherFormat, signatureOf } from '../formats/other/index.ts';
import { tensorOf, Unsupported } from '../importers/index.ts';
import {
  checkFeeds,
  type Feeds,
  type Graph,
  type ITensor,
  specialize,
  type TensorLike,
  toPublic,
} from '../ir/index.ts';
import { bindShapes } from '../runtime/index.ts';
import { readNpy } from './npy.ts';
import { splitPairs } from './options.ts';
import { randomFeeds } from './random.ts';
import { type Reading, readInput, shownPath } from './read_input.ts';
import { UsageError } from './usage_error.ts';

/** `1,3,224,224`; nothing between the commas of a scalar. */
export function readShapes(shapes: ReadonlyMap<string, string>): Record<string, readonly number[]> {
  const read = (name: string, text: string): readonly number[] => {
    const sizes = text.split(/[,x]/).map((size) => (/^\d{1,15}$/.test(size) ? Number(size) : Number.NaN));
    if (sizes.some(Number.isNaN))
      throw new UsageError(`--shape ${name}: '${text}' is not a list of sizes`, 'write it like: --shape x=1,3,224,224');
    return sizes;
  };
  return Object.fromEntries([...shapes].map(([name, text]) => [name, read(name, text)]));
}

export interface Sizes {
  readonly shape: ReadonlyMap<string, string>;
  readonly batch?: number | undefined;
}

/**
 * The graph with the symbols of its inputs bound: by --shape, and the first dimension of each input by --batch.
 *
 * @throws UnskewError U4002 for an input that the graph does not have, or sizes that do not fit
 */
export function withShapes(graph: Graph, { shape, batch }: Sizes): Graph {
  const bound = shape.size === 0 ? graph : bindShapes(graph, readShapes(shape));
  if (batch === undefined) return bound;
  const symbols = new Map<string, number>();
  for (const id of bound.inputs) {
    const [first] = bound.values[id].type.shape;
    if (typeof first === 'string') symbols.set(first, batch);
    else if (first !== batch)
      fail(
        'U4002',
        `the batch of the input '${id}' is ${first ?? 'not there: it is a scalar'} and cannot be ${batch}`,
        { input: id },
        'export the model with a dynamic first dimension',
      );
  }
  return specialize(bound, symbols);
}

export interface InputOptions {
  /** `NAME=FILE` */
  readonly input: readonly string[];
  readonly random: number | undefined;
}

/** The tensors of --input by name; `known` are names of inputs. @throws UnskewError U1… for a wrong file */
export async function readTensors(
  input: readonly string[],
  known: readonly string[],
  terminal: Reading,
): Promise<Readonly<Record<string, ITensor>>> {
  const given = new Map<string, ITensor>();
  for (const [name, path] of splitPairs(input, known))
    given.set(name, readTensor(await readInput(path, terminal), shownPath(path)));
  return Object.fromEntries(given);
}

/**
 * Tensors for all inputs: the given ones, and random ones when there is a seed, of the sizes that the given ones carry.
 *
 * @throws UnskewError U4001 for an input that is missing, unknown or does not fit
 */
export function feedsFor(graph: Graph, given: Readonly<Record<string, ITensor>>, random: number | undefined): Feeds {
  const feeds = random === undefined ? given : { ...randomFeeds(boundBy(graph, given), random), ...given };
  const missing = graph.inputs.filter((id) => !Object.hasOwn(feeds, id)); // an input may be called 'constructor'
  if (missing.length > 0 && Object.keys(feeds).every((name) => graph.inputs.some((id) => id === name)))
    fail(
      'U4001',
      `${missing.map((id) => `'${id}'`).join(', ')} ${missing.length === 1 ? 'is an input without a tensor' : 'are inputs without tensors'}`,
      { input: missing[0] },
      `give one with --input ${missing[0]}=FILE.npy, or random ones with --random SEED`,
    );
  checkFeeds(graph, feeds);
  return feeds;
}

/** The graph with the symbols bound that some tensors settle. */
function boundBy(graph: Graph, given: Readonly<Record<string, ITensor>>): Graph {
  const bindings = new Map<string, number>();
  for (const id of graph.inputs) {
    const sizes = Object.hasOwn(given, id) ? given[id].shape : [];
    graph.values[id].type.shape.forEach((dim, axis) => {
      if (typeof dim === 'string' && sizes[axis] !== undefined) bindings.set(dim, sizes[axis]);
    });
  }
  return specialize(graph, bindings);
}

/** A .npy file, or a TensorProto (.pb) as in ONNX's test data; told by content. */
function readTensor(bytes: Uint8Array, path: string): ITensor {
  if (bytes[0] === 0x93) return readNpy(bytes, path);
  refuseOther(signatureOf(bytes), path);
  try {
    const whole = { at: 0, start: 0, end: bytes.length };
    return tensorOf(readTensorProto(Context.of(new TensorSource(bytes, path, undefined)), whole));
  } catch (error) {
    if (error instanceof UnskewError) refuseOther(looksLike(bytes, path), path);
    if (!(error instanceof Unsupported)) throw error;
    return fail('U2006', `this tensor cannot be read: ${error.message}`, { file: path });
  }
}

function refuseOther(found: OtherFormat | undefined, file: string): void {
  const hint = 'give a .npy file, as np.save(path, array) writes it, or a TensorProto (.pb)';
  if (found !== undefined) fail('U1002', `this is not a tensor: it is ${found.what}`, { file }, hint);
}

/** The tensors in the form of the public API. */
export const publicFeeds = (feeds: Feeds): Record<string, TensorLike> =>
  Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, toPublic(tensor)]));
