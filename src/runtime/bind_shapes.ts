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
  const bindings = bindingsOf(graph, shapes);
  if (bindings.size === 0 && !isUnranked(graph, shapes)) return graph;
  const origin = originOf(graph);
  if (origin === undefined || !isAsImported(graph, origin)) return specialize(graph, bindings);
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

function bindingsOf(graph: Graph, shapes: Readonly<Record<string, readonly number[]>>): Map<string, number> {
  const bindings = new Map<string, number>();
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
      const known = typeof dim === 'string' ? (bindings.get(dim) ?? sizes[axis]) : dim;
      if (known !== sizes[axis])
        refuse(
          typeof dim === 'string'
            ? `'${namedDim(graph, dim)}' cannot be both ${known} and ${sizes[axis]}`
            : `axis ${axis} of '${name}' is ${dim}, not ${sizes[axis]}`,
        );
      if (typeof dim === 'string') bindings.set(dim, sizes[axis]);
    });
  }
  return bindings;
}
