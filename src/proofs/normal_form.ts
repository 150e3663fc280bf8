/**
 * Integer expressions in normal form:
 *
 *   Σ coefficient · (a product of one source with one tensor of weights)  +  Σ a vector along one axis  +  a number
 *
 * all modulo 2^32. Equal forms are equal for all sources, and for all sizes: nothing is evaluated. A source x − z becomes
 * two products, of x and of 1 (which pads cut off like x), so a zero point ends up in a coefficient. What has no such
 * form, and forms that differ, are left to evaluation; see identity.ts.
 */
import {
  biasOf,
  constantOf,
  dnnlConv,
  type Graph,
  type ITensor,
  isFused,
  isOp,
  isProduct,
  isStatic,
  isTensorOf,
  layoutOf,
  type Node,
  nnAdd,
  nnConv,
  nnNeg,
  nnPad,
  nnRecentre,
  nnSub,
  qnnConv,
  type Shape,
  sameShape,
  shiftTo,
  type ValueId,
  type View,
  viewOf,
} from '../ir/index.ts';
import { channelAxis, clampsSums, fusedOf, multiplied } from './fused.ts';
import { identityOf } from './remember.ts';
import { withShape } from './terms.ts';
import type { Weights } from './weights.ts';

/** factor · a vector along an axis, which is counted from the last. */
interface Line {
  readonly factor: number;
  readonly axis: number;
  readonly values: Int32Array | Float64Array;
}

interface Form {
  /** The products by a key of their source, weights and attributes. */
  readonly products: ReadonlyMap<string, Product>;
  readonly lines: readonly Line[];
  readonly number: number;
}

interface Product {
  readonly coefficient: number;
  /** The product of 1 with weights when no pad cuts it off: the sums of the weights, by result channel. */
  readonly sums?: () => Line;
}

/** x + shift for an unknown x and, when it was padded, the number outside of it. */
interface Source {
  readonly leaf: ValueId;
  readonly shift: number;
  /** The pads of the spatial axes, in the order of convolutions. */
  readonly pads?: readonly number[];
  readonly outside?: number;
}

/** The subject of a form: a graph, and the compared value or accumulator of a fused operator. */
export interface Expression {
  readonly graph: Graph;
  readonly root: Node | undefined;
  readonly sum: ValueId | undefined;
}

/** Counts the compared constants when both have a normal form, and the same one; else undefined. */
export function sameForms(sides: readonly Expression[], weights: Weights): { readonly constants: number } | undefined {
  const [before, after] = sides.map((side) => new Forms(side, weights).compared());
  if (before === undefined || after === undefined) return undefined;
  const [a, b] = [withSums(before, after), withSums(after, before)];
  const keys = new Set([...a.products.keys(), ...b.products.keys()]);
  for (const key of keys) if (a.products.get(key)?.coefficient !== b.products.get(key)?.coefficient) return undefined;
  return sameConstants(added(a, b, -1));
}

/** A sum of vectors along different axes is 0 when each of them is constant, and these constants add up to 0. */
function sameConstants({ lines, number }: Form): { readonly constants: number } | undefined {
  let [sum, constants] = [number, 1];
  for (const axis of new Set(lines.map((line) => line.axis))) {
    const own = lines.filter((line) => line.axis === axis);
    const length = own[0].values.length;
    const first = elementOf(own, 0);
    for (let i = 1; i < length; i++) if (elementOf(own, i) !== first) return undefined;
    sum += length > 0 ? first : 0;
    constants += length;
  }
  return (sum | 0) === 0 ? { constants } : undefined;
}

function elementOf(lines: readonly Line[], i: number): number {
  let sum = 0;
  for (let k = 0; k < lines.length; k++) sum = (sum + Math.imul(lines[k].factor, lines[k].values[i])) | 0;
  return sum;
}

/** Sums of weights in the place of products that the other side does not have. */
function withSums(form: Form, other: Form): Form {
  let out: Form = { ...form, products: new Map() };
  const kept = new Map<string, Product>();
  for (const [key, product] of form.products) {
    if (product.coefficient === 0) continue;
    if (product.sums && other.products.get(key)?.coefficient !== product.coefficient)
      out = added(out, { ...empty, lines: [product.sums()] }, product.coefficient);
    else kept.set(key, product);
  }
  return { ...out, products: kept };
}

const empty: Form = { products: new Map(), lines: [], number: 0 };

/** a + factor·b */
function added(a: Form, b: Form, factor: number): Form {
  const products = new Map(a.products);
  for (const [key, product] of b.products) {
    const coefficient = ((products.get(key)?.coefficient ?? 0) + Math.imul(factor, product.coefficient)) | 0;
    products.set(key, { ...product, coefficient });
  }
  const lines = b.lines.map((line) => ({ ...line, factor: Math.imul(factor, line.factor) }));
  return { products, lines: [...a.lines, ...lines], number: (a.number + Math.imul(factor, b.number)) | 0 };
}

class Forms {
  readonly #side: Expression;
  readonly #weights: Weights;

  constructor(side: Expression, weights: Weights) {
    this.#side = side;
    this.#weights = weights;
  }

  compared(): Form | undefined {
    const { root, sum } = this.#side;
    return sum ? this.#of(sum) : root && (isFused(root) ? this.#fused(root) : this.#of(root.id));
  }

  /** A node has the id of its first result, and all that have a form have one. */
  #producer = (id: ValueId): Node | undefined => this.#side.graph.nodes[id];
  #shape = (id: ValueId): Shape => this.#side.graph.values[id].type.shape;

  #of(id: ValueId): Form | undefined {
    const node = this.#producer(id);
    if (node === undefined || this.#side.graph.values[id].type.dtype !== 's32') return undefined;
    const operand = (own: ValueId): Form | undefined => {
      const constant = constantOf(this.#side.graph, own);
      if (constant) return this.#constant(constant, this.#shape(id));
      return sameShape(this.#shape(own), this.#shape(id)) ? this.#of(own) : undefined;
    };
    if (isOp(node, nnAdd, nnSub)) {
      const seen = viewOf<typeof nnAdd | typeof nnSub>(node);
      const [a, b] = [operand(seen.a), operand(seen.b)];
      return a && b && added(a, b, isOp(node, nnSub) ? -1 : 1);
    }
    if (isOp(node, nnNeg)) {
      const a = operand(viewOf<typeof nnNeg>(node).x);
      return a && added(empty, a, -1);
    }
    if (isFused(node)) return this.#fused(node);
    return isProduct(node) ? this.#product(node) : undefined;
  }

  /** The sum that a fused operator rounds, or returns as s32: its product, bias and map. */
  #fused(node: Node): Form | undefined {
    const fused = fusedOf(node);
    if (fused === undefined || clampsSums(fused)) return undefined;
    const { x, w, bias, map, row, column } = fused;
    const shape = this.#shape(node.id);
    const axis = channelAxis(fused, shape.length);
    if (row || column) return undefined;
    let form = w ? this.#product(node) : this.#of(x);
    for (const id of [bias, map]) {
      if (!id || form === undefined) continue;
      const constant = constantOf(this.#side.graph, id);
      if (constant === undefined) return undefined;
      const inPlace = shape.map((_, i) => (i === axis ? constant.data.length : 1));
      const line = this.#constant(id === bias ? withShape(constant, inPlace) : constant, shape);
      form = line && added(form, line, 1);
    }
    return form;
  }

  /** A constant that varies along one axis at most, broadcast to a shape. */
  #constant(constant: ITensor, shape: Shape): Form | undefined {
    const long = constant.shape.flatMap((size, axis) => (size === 1 ? [] : [constant.shape.length - 1 - axis]));
    if (!isTensorOf(constant, 's32') || constant.shape.length > shape.length || long.length > 1) return undefined;
    const values = constant.data;
    if (long.length === 0) return { ...empty, number: values[0] };
    const [axis] = long;
    return shape[shape.length - 1 - axis] === values.length
      ? { ...empty, lines: [{ factor: 1, axis, values }] }
      : undefined;
  }

  #scalar(id: ValueId): number | undefined {
    const constant = constantOf(this.#side.graph, id);
    return constant?.data.length === 1 && constant.dtype !== 'f32' ? Number(constant.data[0]) : undefined;
  }

  #source(id: ValueId): Source | undefined {
    if (this.#side.graph.inputs.includes(id)) return { leaf: id, shift: 0 };
    const node = this.#producer(id);
    if (!isOp(node, nnRecentre, nnPad)) return undefined;
    const source = this.#source(viewOf<typeof nnRecentre | typeof nnPad>(node).x);
    if (source === undefined) return undefined;
    if (isOp(node, nnPad)) return this.#padded(source, viewOf<typeof nnPad>(node));
    const by = shiftTo(node.attrs.to);
    const { outside } = source;
    return { ...source, shift: source.shift + by, ...(outside !== undefined && { outside: outside + by }) };
  }

  #padded(source: Source, { value, attrs: { pads, mode } }: View<typeof nnPad>): Source | undefined {
    const rank = pads.length / 2;
    const outside = value ? this.#scalar(value) : 0;
    if (!isStatic(pads)) return undefined;
    const isSpatial = pads.every((p, i) => (i % rank >= 2 ? p >= 0 : p === 0));
    if (source.pads || outside === undefined || mode !== 'constant' || !isSpatial) return undefined;
    if (pads.every((p) => p === 0)) return source; // otherwise its products of 1 would be those of x itself
    return { ...source, pads: [...pads.slice(2, rank), ...pads.slice(rank + 2)], outside };
  }

  /** Σ (x − zx)·(w − zw) of known weights and scalar zx. */
  #product(node: Node): Form | undefined {
    const { x, w, zx: zero, zw, sourceZeroPoint } = multiplied(node);
    const zx = zero ? this.#scalar(zero) : sourceZeroPoint;
    const zeros = constantOf(this.#side.graph, zw);
    const [source, known] = [this.#source(x), constantOf(this.#side.graph, w)];
    if (source === undefined || known === undefined || zx === undefined) return undefined;
    if ((zw && !zeros) || biasOf(node)) return undefined;
    const layout = layoutOf(node);
    const weights = zeros ? this.#weights.centred.of(layout, known, zeros) : known;
    const { kind } = layout;
    const { strides, pads, dilations, group, outputPadding } = node.attrs;
    const isPadded = source.pads !== undefined;
    if (isPadded && (kind !== 'conv' || padsAny(node))) return undefined;
    // A product of 1 depends on its bounds: pads, and the sizes of the source.
    const key = (from: ValueId, cut: unknown): string =>
      [
        kind,
        strides,
        cut,
        dilations,
        group,
        outputPadding,
        `@${identityOf(weights)}`,
        this.#shape(from),
        this.#shape(node.id),
      ].join(' ');
    const sums = this.#sumsOf(node, weights);
    const own = key(source.leaf, source.pads ?? pads);
    const inside = source.shift - zx;
    const outside = (source.outside ?? zx) - zx;
    // Σ (x + inside)·w over the taps inside, plus Σ outside·w over the taps in the pads: all taps less those inside.
    return {
      ...empty,
      products: new Map<string, Product>([
        [`${own} %${source.leaf}`, { coefficient: 1 }],
        [`${own} 1`, { coefficient: inside - outside, ...(sums && !isPadded && { sums }) }],
        ...(isPadded ? [[`${key(x, pads)} 1`, { coefficient: outside, ...(sums && { sums }) }] as const] : []),
      ]),
    };
  }

  /** Undefined where pads cut taps off, and where there is more than one matrix. */
  #sumsOf(node: Node, w: ITensor): Product['sums'] {
    const rank = this.#shape(node.id).length;
    const layout = layoutOf(node);
    if (layout.kind === 'matmul') {
      if (w.shape.length !== 2 || this.#shape(multiplied(node).x).length < 2) return undefined;
      return () => ({ factor: 1, axis: 0, values: this.#weights.signed(w, layout).total });
    }
    if (layout.kind !== 'conv' || padsAny(node)) return undefined;
    return () => ({ factor: 1, axis: rank - 2, values: this.#weights.signed(w, layout).total });
  }
}

/** True when a convolution is padded. */
const padsAny = (node: Node): boolean => isOp(node, nnConv, qnnConv, dnnlConv) && node.attrs.pads.some((p) => p !== 0);
