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
  constantOf,
  dnnlMatmul,
  dnnlRequantize,
  type Graph,
  type ITensor,
  isFused,
  isOp,
  isQuantizedProduct,
  type Node,
  nnPad,
  nnRecentre,
  nnSub,
  productKind,
  type Shape,
  sameShape,
  type ValueId,
} from '../../ir/index.ts';
import { identityOf } from './remember.ts';
import { withShape } from './terms.ts';
import type { Layout, Weights } from './weights.ts';

/** factor · a vector along an axis, which is counted from the last. */
interface Line {
  readonly factor: number;
  readonly axis: number;
  readonly values: Int32Array | Float64Array;
}

interface Form {
  /** By what is multiplied and how. */
  readonly products: ReadonlyMap<string, Product>;
  readonly lines: readonly Line[];
  readonly number: number;
}

interface Product {
  readonly coefficient: number;
  /** Of 1 with weights, where no pad cuts it off: the sums of the weights, by result channel. */
  readonly sums?: () => Line;
}

/** x + shift for a value x that is not computed here, and where it has been padded, the number that is outside of it. */
interface Source {
  readonly leaf: ValueId;
  readonly shift: number;
  /** Of the spatial axes, as convolutions have them. */
  readonly pads?: readonly number[];
  readonly outside?: number;
}

/** What forms are of: a graph, and the value or the fused operator's accumulator that is compared. */
export interface Expression {
  readonly graph: Graph;
  readonly root: Node | undefined;
  readonly sum: ValueId | undefined;
}

/** Whether both have a normal form, and the same one; how many constants were compared. */
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
    const operand = (i: number): Form | undefined => {
      const own = node.operands[i] as ValueId;
      const constant = constantOf(this.#side.graph, own);
      if (constant) return this.#constant(constant, this.#shape(id));
      return sameShape(this.#shape(own), this.#shape(id)) ? this.#of(own) : undefined;
    };
    switch (node.op) {
      case 'nn.add':
      case 'nn.sub': {
        const [a, b] = [operand(0), operand(1)];
        return a && b && added(a, b, isOp(node, nnSub) ? -1 : 1);
      }
      case 'nn.neg': {
        const a = operand(0);
        return a && added(empty, a, -1);
      }
      case 'dnnl.conv':
      case 'dnnl.conv_transpose':
      case 'dnnl.matmul':
      case 'dnnl.requantize':
        return this.#fused(node);
      default:
        return productKind(node) !== undefined ? this.#product(node) : undefined;
    }
  }

  /** What a fused operator rounds, or returns to s32: its product, bias and map. */
  #fused(node: Node): Form | undefined {
    const { to, low, high } = node.attrs as { to: string; low: number; high: number };
    if (to === 's32' && (low > -(2 ** 31) || high < 2 ** 31 - 1)) return undefined;
    const isSum = isOp(node, dnnlRequantize);
    const shape = this.#shape(node.id);
    const axis = isOp(node, dnnlMatmul) ? shape.length - 1 : Number(node.attrs.axis ?? 1);
    if (isSum && node.operands.slice(3, 5).some((id) => id)) return undefined;
    const [bias, map] = node.operands.slice(isSum ? 1 : 2, isOp(node, dnnlMatmul) ? 3 : isSum ? 3 : 4);
    let form = isSum ? this.#of(node.operands[0] as ValueId) : this.#product(node);
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
    if (constant.dtype !== 's32' || constant.shape.length > shape.length || long.length > 1) return undefined;
    const values = constant.data as Int32Array;
    if (long.length === 0) return { ...empty, number: values[0] };
    const [axis] = long;
    return shape[shape.length - 1 - axis] === values.length
      ? { ...empty, lines: [{ factor: 1, axis, values }] }
      : undefined;
  }

  #scalar(id: ValueId | null | undefined): number | undefined {
    const constant = constantOf(this.#side.graph, id);
    return constant?.data.length === 1 && constant.dtype !== 'f32' ? Number(constant.data[0]) : undefined;
  }

  #source(id: ValueId): Source | undefined {
    if (this.#side.graph.inputs.includes(id)) return { leaf: id, shift: 0 };
    const node = this.#producer(id);
    if (!isOp(node, nnRecentre, nnPad)) return undefined;
    const source = this.#source(node.operands[0] as ValueId);
    if (source === undefined || isOp(node, nnPad)) return source && this.#padded(source, node);
    const by = node.attrs.to === 's8' ? -128 : 128;
    const { outside } = source;
    return { ...source, shift: source.shift + by, ...(outside !== undefined && { outside: outside + by }) };
  }

  #padded(source: Source, { attrs, operands }: Node): Source | undefined {
    const { pads, mode } = attrs as { pads: readonly number[]; mode: string };
    const rank = pads.length / 2;
    const outside = operands[1] ? this.#scalar(operands[1]) : 0;
    const isSpatial = pads.every((p, i) => (i % rank >= 2 ? p >= 0 : p === 0));
    if (source.pads || outside === undefined || mode !== 'constant' || !isSpatial) return undefined;
    if (pads.every((p) => p === 0)) return source; // its products of 1 would be those of x itself
    return { ...source, pads: [...pads.slice(2, rank), ...pads.slice(rank + 2)], outside };
  }

  /** Σ (x − zx)·(w − zw) of known weights and scalar zx. */
  #product(node: Node): Form | undefined {
    const [x, w, third, zw] = node.operands;
    const [fused, isQuantized] = [isFused(node), isQuantizedProduct(node)];
    const zx = fused ? Number(node.attrs.sourceZeroPoint) : isQuantized && third ? this.#scalar(third) : 0;
    const zeros = isQuantized && zw ? constantOf(this.#side.graph, zw) : undefined;
    const [source, known] = [this.#source(x as ValueId), constantOf(this.#side.graph, w)];
    if (source === undefined || known === undefined || zx === undefined) return undefined;
    const isBiased = !isQuantized && !fused && third;
    if ((isQuantized && zw && !zeros) || isBiased) return undefined;
    const weights = zeros ? this.#weights.centred.of(node, known, zeros) : known;
    const kind = productKind(node);
    const { strides, pads, dilations, group, outputPadding } = node.attrs;
    const isPadded = source.pads !== undefined;
    if (isPadded && (kind !== 'conv' || (pads as readonly number[]).some((p) => p !== 0))) return undefined;
    // A product of 1 depends on what it is cut off by: pads, and the sizes of the source.
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
    // Σ over the taps inside of (x + inside)·w, and over those in the pads of outside·w: all of them less those inside.
    return {
      ...empty,
      products: new Map<string, Product>([
        [`${own} %${source.leaf}`, { coefficient: 1 }],
        [`${own} 1`, { coefficient: inside - outside, ...(sums && !isPadded && { sums }) }],
        ...(isPadded
          ? [[`${key(x as ValueId, pads)} 1`, { coefficient: outside, ...(sums && { sums }) }] as const]
          : []),
      ]),
    };
  }

  /** Undefined where pads cut taps off, and where there is more than one matrix. */
  #sumsOf(node: Node, w: ITensor): Product['sums'] {
    const rank = this.#shape(node.id).length;
    if (productKind(node) === 'matmul') {
      if (w.shape.length !== 2 || this.#shape(node.operands[0] as ValueId).length < 2) return undefined;
      return () => ({ factor: 1, axis: 0, values: this.#weights.signed(w, { kind: 'matmul' }).total });
    }
    if (productKind(node) !== 'conv' || (node.attrs.pads as readonly number[]).some((p) => p !== 0)) return undefined;
    const layout: Layout = { kind: 'conv', group: Number(node.attrs.group) };
    return () => ({ factor: 1, axis: rank - 2, values: this.#weights.signed(w, layout).total });
  }
}
