/** Sizes for the symbols of a graph, by its inputs. */
import { fail } from '../diagnostics/index.ts';
import { isAsImported, originOf } from '../importers/index.ts';
import { type Dim, type Graph, namedDim, specialize } from '../ir/index.ts';

/**
 * The graph for inputs of these shapes alone. An unchanged graph from an ONNX file is read anew: with known sizes more
 * operators are understood, and padding that depends on sizes becomes the window's own.
 *
 * @throws UnskewError U4002 when they do not fit its inputs
 */
export function bindShapes(graph: Graph, shapes: Readonly<Record<string, readonly number[]>>): Graph {
  const origin = originOf(graph);
  const isRead = origin !== undefined && isAsImported(graph, origin);
  const bindings = bindingsOf(graph, shapes, isRead);
  if (Object.keys(shapes).length === 0 || (bindings.size === 0 && !isUnranked(graph, shapes))) return graph;
  if (!isRead) return specialize(graph, bindings as ReadonlyMap<string, number>);
  // inputs that are not named keep what is bound by way of others
  const inputShapes = Object.fromEntries(
    graph.inputs
      .filter((id) => graph.values[id].type.dtype !== 'opaque' || Object.hasOwn(shapes, id))
      .map((id) => [
        id,
        Object.hasOwn(shapes, id)
          ? shapes[id]
          : graph.values[id].type.shape.map((dim) => bindings.get(String(dim)) ?? dim),
      ]),
  );
  return origin.reread({ inputShapes, ...(graph.profile && { profile: graph.profile }) });
}

const isUnranked = ({ inputs, values }: Graph, shapes: Readonly<Record<string, unknown>>): boolean =>
  inputs.some((id) => Object.hasOwn(shapes, id) && values[id].type.dtype === 'opaque');

/**
 * Sizes by symbols.
 *
 * @param mayDiffer inputs may have several for one symbol, which is undefined then: operators tell whether they fit
 */
function bindingsOf(
  graph: Graph,
  shapes: Readonly<Record<string, readonly number[]>>,
  mayDiffer: boolean,
): Map<string, number | undefined> {
  const bindings = new Map<string, number | undefined>();
  const refuse = (why: string): never => fail('U4002', `inputShapes: ${why}`);
  for (const [name, sizes] of Object.entries(shapes)) {
    const id = graph.inputs.find((input) => input === name);
    if (id === undefined) return refuse(`the model has no input '${name}'`);
    const { dtype, shape } = graph.values[id].type;
    const wrong = sizes.find((size) => !(Number.isSafeInteger(size) && size >= 0));
    if (wrong !== undefined) refuse(`'${wrong}' is not a size of '${name}'`);
    if (dtype === 'opaque') continue;
    if (shape.length !== sizes.length) refuse(`'${name}' has rank ${shape.length}, not ${sizes.length}`);
    shape.forEach((dim: Dim, axis) => {
      const known = typeof dim === 'number' ? dim : bindings.has(dim) ? bindings.get(dim) : sizes[axis];
      const isOne = known === sizes[axis];
      if (!isOne && !(mayDiffer && typeof dim === 'string'))
        refuse(
          typeof dim === 'string'
            ? `'${namedDim(graph, dim)}' cannot be both ${known} and ${sizes[axis]}`
            : `axis ${axis} of '${name}' is ${dim}, not ${sizes[axis]}`,
        );
      if (typeof dim === 'string') bindings.set(dim, isOne ? sizes[axis] : undefined);
    });
  }
  return bindings;
}
