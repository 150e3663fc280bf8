/**
 * Names of sizes that several inputs share, as CLIP's texts and images share `batch`. ONNX has them equal; ONNX Runtime does not look, and
 * runs models whose operators do not need it. Inputs of parts of a graph that meet in products of matrices alone have sizes of their own
 * here, unless an operator relates these.
 */
import type { OnnxGraph } from '../../formats/onnx/index.ts';
import { type Graph, type Node, nodesOf, symbolsIn, symbolsRead, type ValueId } from '../../ir/index.ts';
import { bodiesOf } from './node_checks.ts';

/** Operators that join parts without making their sizes one: the other axes of their operands stay apart. */
const products: ReadonlySet<string> = new Set([
  'MatMul',
  'Gemm',
  'Einsum',
  'QLinearMatMul',
  'FusedMatMul',
  'FusedGemm',
]);

/** Parts of a graph. */
export interface Parts {
  readonly ofInput: ReadonlyMap<string, number>;
  /** Names of sizes that several parts have, with these parts. */
  readonly ofName: ReadonlyMap<string, ReadonlySet<number>>;
}

/**
 * Undefined where each name of a size belongs to one part.
 *
 * @param order of the nodes, each behind those that it reads
 */
export function partsOf(graph: OnnxGraph, order: () => readonly number[]): Parts | undefined {
  const inputs = graph.inputs.filter(({ name }) => !graph.initializers.has(name));
  const named = inputs.flatMap(({ name, type }) => {
    const dims = type?.kind === 'tensor' ? (type.dims ?? []) : [];
    return [...new Set(dims.filter((dim) => typeof dim === 'string'))].map((dim) => ({ name, dim }));
  });
  // bodies name sizes of the graph around them
  const areShared = new Set(named.map(({ dim }) => dim)).size < named.length;
  if (!areShared || graph.nodes.some((node) => bodiesOf(node).length > 0)) return undefined;
  const names = inputs.map(({ name }) => name);
  const ofInput = meeting(graph, names, order());
  const ofName = new Map<string, Set<number>>();
  for (const { name, dim } of named) ofName.set(dim, (ofName.get(dim) ?? new Set()).add(ofInput.get(name) as number));
  for (const [dim, parts] of ofName) if (parts.size === 1) ofName.delete(dim);
  return ofName.size === 0 ? undefined : { ofInput, ofName };
}

/** Inputs whose values meet elsewhere than in a product are of one part. */
function meeting(
  { nodes }: OnnxGraph,
  inputs: readonly string[],
  order: readonly number[],
): ReadonlyMap<string, number> {
  const first = inputs.map((_, i) => i);
  const partOf = (i: number): number => {
    let part = i;
    while (first[part] !== part) part = first[part] = first[first[part]];
    return part;
  };
  const behind = new Map<string, readonly number[]>(inputs.map((name, i) => [name, [i]]));
  for (const index of order) {
    const { opType, inputs: operands, outputs } = nodes[index];
    const known = operands.flatMap((name) => (behind.has(name) ? [behind.get(name) as readonly number[]] : []));
    const parts = [...new Set(known.flat().map(partOf))];
    const isJoint = known.length > 1 && !products.has(opType);
    if (isJoint) for (const part of parts) first[part] = parts[0];
    if (known.length > 0) for (const name of outputs) behind.set(name, isJoint ? [parts[0]] : parts);
  }
  return new Map(inputs.map((name, i) => [name, partOf(i)]));
}

/**
 * True where no operator relates sizes that share a name.
 *
 * @param parted the symbols of each name
 */
export function areApart(graph: Graph, parted: readonly (readonly string[])[]): boolean {
  const nameOf = new Map(parted.flatMap((symbols, i) => symbols.map((symbol) => [symbol, i] as const)));
  const isMixed = (symbols: readonly string[]): boolean => {
    const own = [...new Set(symbols)].flatMap((symbol) => nameOf.get(symbol) ?? []);
    return new Set(own).size < own.length;
  };
  const symbolsOf = (id: ValueId | null) => (id === null ? [] : graph.values[id].type.shape.flatMap(symbolsIn));
  const areRelated = (node: Node): boolean => {
    const read = symbolsRead(graph, node);
    return read.length > 0 && isMixed([...read, ...node.operands.flatMap(symbolsOf)]);
  };
  const { unsupported = [] } = graph.origin ?? {};
  return (
    !unsupported.some(({ dependsOnSizes }) => dependsOnSizes) &&
    !Object.values(graph.values).some(({ type }) => type.shape.some((dim) => isMixed(symbolsIn(dim)))) &&
    !nodesOf(graph).some(areRelated)
  );
}
