/** Models for the sizes of their feeds: a model that is read for known sizes is understood better, and planned once. */

import { type Feeds, type Graph, type ITensor, isStatic } from '../ir/index.ts';
import { type ImportValues, openSource, type Source } from './files.ts';
import { feedsFor, type InputOptions, readTensors, type Sizes, withShapes } from './inputs.ts';
import { randomFeeds } from './random.ts';
import type { Reading } from './read_input.ts';
import type { Terminal } from './terminal.ts';

const shapesOf = (feeds: Readonly<Record<string, ITensor>>): Record<string, readonly number[]> =>
  Object.fromEntries(Object.entries(feeds).map(([name, { shape }]) => [name, shape]));

const isOpen = (graph: Graph): boolean =>
  graph.inputs.some((id) => graph.values[id].type.dtype === 'opaque' || !isStatic(graph.values[id].type.shape));

/** The source, its graph for the sizes of the tensors, and the tensors. @throws UnskewError as openSource and feedsFor do */
export async function openWithFeeds(
  path: string,
  values: ImportValues & InputOptions & Sizes,
  terminal: Reading & Pick<Terminal, 'tell'>,
): Promise<{ readonly source: Source; readonly graph: Graph; readonly feeds: Feeds }> {
  let read: Readonly<Record<string, ITensor>> | undefined;
  const sizes = async () => {
    // Names in archives are identifiers of Python: they contain no =.
    read = await readTensors(values.input, [], terminal);
    return shapesOf(read);
  };
  const source = await openSource(path, { ...values, sizes }, terminal);
  const given = read ?? (await readTensors(values.input, source.graph.inputs, terminal));
  const unranked = source.graph.inputs.some((id) => source.graph.values[id].type.dtype === 'opaque' && given[id]);
  const open = withShapes(unranked ? await source.sized(shapesOf(given)) : source.graph, values);
  const feeds = feedsFor(open, given, values.random);
  return { source, feeds, graph: isOpen(open) ? await source.sized(shapesOf(feeds)) : open };
}

/** The graph of a source for the given sizes; missing ones get the sizes of random inputs. */
export async function sizedGraph(source: Source, values: Sizes): Promise<Graph> {
  const open = withShapes(source.graph, values);
  const isUnknown = open.inputs.some((id) => open.values[id].type.dtype === 'opaque');
  return isUnknown || !isOpen(open) ? open : source.sized(shapesOf(randomFeeds(open, 1)));
}
