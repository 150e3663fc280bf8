/**
 * Sizes that only the values of tensors decide, as the number of elements that are not zero. The operator names a symbol for it, whose
 * size is known once the operator was evaluated.
 */
import { subDims, symbolsIn } from './dims.ts';
import { type Node, nodesOf, once } from './graph.ts';
import { opOf } from './op_table.ts';
import { type Dim, isStatic, type Shape } from './types.ts';

/** The symbol that the node decides, if it decides one. */
export function openSymbolOf(node: Node): string | undefined {
  const { openSize } = opOf(node);
  return openSize === undefined ? undefined : String(node.attrs[openSize]);
}

/** The symbols that nodes of the graph decide. */
export const openSymbols = once(
  (graph): ReadonlySet<string> => new Set(nodesOf(graph).flatMap((node) => openSymbolOf(node) ?? [])),
);

/** The symbol that follows from a size: nothing but a number is added to it. */
export function symbolTold(dim: Dim): string | undefined {
  const [symbol, ...more] = symbolsIn(dim);
  return symbol !== undefined && more.length === 0 && typeof subDims(dim, symbol) === 'number' ? symbol : undefined;
}

/** The facts that the size of an axis gives: the size has this text, and it is the symbol plus `more`. */
interface Told {
  readonly axis: number;
  readonly dim: string;
  readonly symbol: string | undefined;
  readonly more: number;
}

/** By shapes: bodies learn the sizes of the same ones with each run. */
const told = new WeakMap<Shape, readonly Told[]>();

const toldBy = (shape: Shape): readonly Told[] =>
  shape.flatMap((dim, axis) => {
    if (typeof dim === 'number') return [];
    const symbol = symbolTold(dim);
    return [{ axis, dim, symbol, more: symbol === undefined ? 0 : Number(subDims(dim, symbol)) }];
  });

/** Notes the sizes of a tensor whose shape is given in symbols: each text of a size, and the symbol in it where nothing but a number is added. */
export function learnSizes(bindings: Map<string, number>, shape: Shape, actual: readonly number[]): void {
  if (isStatic(shape)) return;
  let all = told.get(shape);
  if (all === undefined) told.set(shape, (all = toldBy(shape)));
  for (const { axis, dim, symbol, more } of all) {
    bindings.set(dim, actual[axis]);
    if (symbol !== undefined) bindings.set(symbol, actual[axis] - more);
  }
}
