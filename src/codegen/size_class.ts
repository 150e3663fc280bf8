/**
 * Sizes of one class: the same sizes of a graph are equal to each other, to 0, to 1 and to sizes that are known. Layouts, broadcasting and the
 * choice of kernels ask whether sizes are equal, and so give plans of one form for a class.
 */
import { type AttrValue, bindDim, type Dim, type Graph, opOf, type Shape } from '../ir/index.ts';

export type Sizes = ReadonlyMap<string, number>;

export class SizeClasses {
  /** Every size that occurs, as a number or an expression. */
  readonly #dims: readonly Dim[];

  constructor(graph: Graph) {
    const dims = new Set<Dim>([0, 1]);
    for (const { type } of Object.values(graph.values)) for (const dim of type.shape) dims.add(dim);
    for (const node of Object.values(graph.nodes))
      for (const dim of dimsOfAttrs(opOf(node).attrs, node.attrs)) dims.add(dim);
    this.#dims = [...dims];
  }

  /** The value of every size, in one order; undefined where an expression has none. */
  valuesAt(sizes: Sizes): Float64Array | undefined {
    const values = new Float64Array(this.#dims.length);
    for (const [at, dim] of this.#dims.entries()) {
      const value = bindDim(dim, sizes);
      if (typeof value !== 'number') return undefined;
      values[at] = value;
    }
    return values;
  }

  /** The class of sizes, as a text; undefined where an expression has no value. */
  of(sizes: Sizes): string | undefined {
    const values = this.valuesAt(sizes);
    if (values === undefined) return undefined;
    const firsts = new Map<number, number>();
    const pattern: number[] = [];
    for (const [at, value] of values.entries()) {
      const first = firsts.get(value);
      if (first === undefined) firsts.set(value, at);
      else pattern.push(at, first);
    }
    return pattern.join(' ');
  }
}

const dimsOfAttrs = (
  specs: Readonly<Record<string, { readonly kind: string }>>,
  attrs: Readonly<Record<string, AttrValue>>,
): Dim[] =>
  Object.entries(attrs).flatMap(([name, value]) => (specs[name]?.kind === 'dims' ? [...(value as Shape)] : []));
