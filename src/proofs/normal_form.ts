/**
 * Integer expressions in normal form:
 *
 *   Σ coefficient · (a product of one source with one tensor of weights)  +  Σ a vector along one axis  +  a number
 *
 * all modulo 2^32. Equal forms are equal for all sources, and for all sizes: nothing is evaluated. A source x − z becomes
 * two products, of x and of 1 (which pads cut off like x), so a zero point ends up in a coefficient; one that the run computes is
 * a source of its own, which has the same number everywhere. A window sum times a number for each filter is a product with that
 * number in the place of every weight, and goes into other weights:
 *
 *   conv(x, w) − z[o]·conv(x, 1) = conv(x, w − z[o])
 *
 * What has no such form, and forms that differ, are left to evaluation; see identity.ts.
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
  nnMul,
  nnNeg,
  nnPad,
  nnRecentre,
  nnSub,
  numbersOf,
  type ProductLayout,
  qnnConv,
  type Shape,
  sameShape,
  shiftTo,
  tensor,
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
  /** The products by their place and weights. */
  readonly products: ReadonlyMap<string, Product>;
  readonly lines: readonly Line[];
  readonly number: number;
}

interface Product {
  readonly coefficient: number;
  /** Its source, attributes and shapes. */
  readonly place: string;
  readonly layout: ProductLayout;
  readonly weights: Filters;
  /** The product of 1 with weights when no pad cuts it off: the sums of the weights, by result channel. */
  readonly sums?: (weights: ITensor) => Line;
}

/** A tensor, or one number for all weights of a filter. */
type Filters = { readonly tensor: ITensor } | { readonly numbers: ITensor };

const keyOf = ({ place, weights }: Pick<Product, 'place' | 'weights'>): string =>
  `${place} @${identityOf('tensor' in weights ? weights.tensor : weights.numbers)}`;

/** x + shift for an unknown x and, when it was padded, the number outside of it. */
interface Source {
  readonly leaf: ValueId;
  readonly shift: number;
  /** The pads of the spatial axes, in the order of convolutions. */
  readonly pads?: readonly number[];
  readonly outside?: number;
}

/** A zero point: a known number, and perhaps one of the run that is added to it. */
interface Zero {
  readonly number: number;
  readonly leaf?: ValueId;
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
    const { sums, weights } = product;
    if (sums && 'tensor' in weights && other.products.get(key)?.coefficient !== product.coefficient)
      out = added(out, { ...empty, lines: [sums(weights.tensor)] }, product.coefficient);
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
    const form = sum ? this.#of(sum) : root && (isFused(root) ? this.#fused(root) : this.#of(root.id));
    return form && this.#centred(form);
  }

  /** c·conv(x, w) − c·conv(x, z[o]) as c·conv(x, w − z[o]); undefined where numbers of filters are left over. */
  #centred(form: Form): Form | undefined {
    const products = new Map(form.products);
    for (const [key, one] of form.products) {
      if (!('numbers' in one.weights)) continue;
      products.delete(key);
      if (one.coefficient === 0) continue;
      const isOther = (other: Product) =>
        other.place === one.place && ((other.coefficient + one.coefficient) | 0) === 0 && 'tensor' in other.weights;
      const [otherKey, other] = [...products].find(([, product]) => isOther(product)) ?? [];
      if (otherKey === undefined || other === undefined || !('tensor' in other.weights)) return undefined;
      const tensor = this.#weights.centred.of(other.layout, other.weights.tensor, one.weights.numbers);
      const made = { ...other, weights: { tensor } };
      const known = products.get(keyOf(made))?.coefficient ?? 0;
      products.delete(otherKey);
      products.set(keyOf(made), { ...made, coefficient: (known + other.coefficient) | 0 });
    }
    return { ...form, products };
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
    if (isOp(node, nnMul)) {
      const { a, b } = viewOf<typeof nnMul>(node);
      return this.#spread(a, b, this.#shape(id)) ?? this.#spread(b, a, this.#shape(id));
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
    let form = w ? this.#product(node) : this.#of(x);
    if (row && column) {
      const spread = this.#spread(row, column, shape);
      form = form && spread && added(form, spread, 1);
    }
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

  #zero(id: ValueId): Zero | undefined {
    const number = this.#scalar(id);
    if (number !== undefined) return { number };
    if (!this.#shape(id).every((size) => size === 1)) return undefined;
    const source = this.#source(id);
    return source && { number: source.shift, leaf: source.leaf };
  }

  /** Sums of windows, with or without a constant, times a number for each filter. */
  #spread(sums: ValueId, numbers: ValueId, shape: Shape): Form | undefined {
    const node = this.#producer(sums);
    const factors = this.#perFilter(numbers, shape);
    if (node === undefined || factors === undefined) return undefined;
    if (!isOp(node, nnAdd, nnSub)) return this.#spreadProduct(node, factors, shape);
    const { a, b } = viewOf<typeof nnAdd | typeof nnSub>(node);
    const [product, terms] = [this.#producer(a), this.#perFilter(b, shape)];
    const form = product && terms && this.#spreadProduct(product, factors, shape);
    const values = factors.map((factor, o) => Math.imul(factor, terms?.[o] ?? 0));
    const line = { factor: 1, axis: shape.length - 2, values };
    return form && added(form, { ...empty, lines: [line] }, isOp(node, nnSub) ? -1 : 1);
  }

  /** conv(x, 1)·numbers[o], one filter of ones for all result channels or for each: the weights are the numbers. */
  #spreadProduct(node: Node, numbers: Int32Array, shape: Shape): Form | undefined {
    if (!isOp(node, nnConv, qnnConv, dnnlConv) || !isBare(node)) return undefined;
    if (this.#side.graph.values[node.id].type.dtype !== 's32') return undefined;
    const { w, zw } = multiplied(node);
    const ones = constantOf(this.#side.graph, w);
    const [batch, channels, ...spatial] = this.#shape(node.id);
    const isOnes = !zw && ones?.shape[0] === node.attrs.group && numbersOf(ones).every((v) => v === 1);
    const isSpread = (channels === 1 || channels === shape[1]) && sameShape([batch, shape[1], ...spatial], shape);
    if (!isOnes || !isSpread || !numbers.every((v) => v >= -128 && v <= 127)) return undefined;
    return this.#product(node, { numbers: tensor('s8', numbers, [numbers.length]) }, shape);
  }

  /** A constant with a number for each channel of a shape, or with one for all. */
  #perFilter(id: ValueId, shape: Shape): Int32Array | undefined {
    const constant = constantOf(this.#side.graph, id);
    const channels = shape[1];
    if (constant === undefined || !isTensorOf(constant, 's32') || typeof channels !== 'number') return undefined;
    const { data } = constant;
    if (data.length === 1) return new Int32Array(channels).fill(data[0]);
    const long = constant.shape.findIndex((size) => size !== 1);
    const isAlong = data.length === channels && constant.shape.length - long === shape.length - 1;
    return isAlong ? data : undefined;
  }

  /**
   * Σ (x − zx)·(w − zw) of known weights and one zx for all; of other weights, and of as many result channels as `shape` has,
   * where they are given.
   */
  #product(node: Node, given?: Filters, shape = this.#shape(node.id)): Form | undefined {
    const { x, w, zx: zero, zw, sourceZeroPoint } = multiplied(node);
    const zx = zero ? this.#zero(zero) : { number: sourceZeroPoint };
    const zeros = constantOf(this.#side.graph, zw);
    const [source, known] = [this.#source(x), constantOf(this.#side.graph, w)];
    if (source === undefined || known === undefined || zx === undefined) return undefined;
    if ((zw && !zeros) || biasOf(node)) return undefined;
    const layout = layoutOf(node);
    const weights = given ?? { tensor: zeros ? this.#weights.centred.of(layout, known, zeros) : known };
    const { kind } = layout;
    const { strides, pads, dilations, group, outputPadding } = node.attrs;
    const isPadded = source.pads !== undefined;
    if (isPadded && (kind !== 'conv' || padsAny(node))) return undefined;
    // A product of 1 depends on its bounds: pads, and the sizes of the source.
    const placeOf = (from: ValueId, cut: unknown): string =>
      [kind, strides, cut, dilations, group, outputPadding, this.#shape(from), shape].join(' ');
    const sums = this.#sumsOf(node, known);
    const own = placeOf(source.leaf, source.pads ?? pads);
    const inside = source.shift - zx.number;
    const outside = (source.outside ?? zx.number) - zx.number;
    const all = isPadded ? placeOf(x, pads) : own;
    // Σ (x + inside)·w over the taps inside, plus Σ outside·w over the taps in the pads: all taps less those inside; less a zero point
    // of the run, which is not taken from the pads of the product itself
    const products: Product[] = [
      { coefficient: 1, place: `${own} %${source.leaf}`, layout, weights },
      { coefficient: inside - outside, place: `${own} 1`, layout, weights, ...(sums && !isPadded && { sums }) },
      ...(isPadded ? [{ coefficient: outside, place: `${all} 1`, layout, weights, ...(sums && { sums }) }] : []),
      ...(zx.leaf === undefined ? [] : [{ coefficient: -1, place: `${all} everywhere %${zx.leaf}`, layout, weights }]),
    ];
    return { ...empty, products: new Map(products.map((product) => [keyOf(product), product])) };
  }

  /** Undefined where pads cut taps off, and where there is more than one matrix. */
  #sumsOf(node: Node, { shape }: ITensor): Product['sums'] {
    const rank = this.#shape(node.id).length;
    const layout = layoutOf(node);
    if (layout.kind === 'matmul') {
      if (shape.length !== 2 || this.#shape(multiplied(node).x).length < 2) return undefined;
      return (w) => ({ factor: 1, axis: 0, values: this.#weights.signed(w, layout).total });
    }
    if (layout.kind !== 'conv' || padsAny(node)) return undefined;
    return (w) => ({ factor: 1, axis: rank - 2, values: this.#weights.signed(w, layout).total });
  }
}

/** True for a product to which nothing is added. */
function isBare(node: Node): boolean {
  if (!isFused(node)) return biasOf(node) === undefined;
  const fused = fusedOf(node);
  return fused !== undefined && !clampsSums(fused) && !fused.bias && !fused.map && !fused.row;
}

/** True when a convolution is padded. */
const padsAny = (node: Node): boolean => isOp(node, nnConv, qnnConv, dnnlConv) && node.attrs.pads.some((p) => p !== 0);
