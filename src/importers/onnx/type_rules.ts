/**
 * Rules for the types of results: the standard's shape inference, as far as it determines the rank. Sizes that it does
 * not determine are left open.
 */
import { type Dim, type Elements, isStatic, maxDims } from '../../ir/index.ts';
import { type DType, dtypeOfOnnxCode } from '../../tensors/index.ts';

/** An undefined dimension has an unknown size; a type without dimensions has an unknown rank. */
export interface PartialType {
  readonly dtype?: DType | undefined;
  readonly dims?: readonly (Dim | undefined)[] | undefined;
}

/** A node as the rules see it. */
export interface TypedNode {
  readonly outputs: number;
  readonly inputs: number;
  /** The type of an input, without anything where it is absent or nothing is known. */
  input(index: number): PartialType;
  /** The elements of an input where they are known before the model runs. */
  elements(index: number): Elements | undefined;
  int(name: string): number | undefined;
  ints(name: string): readonly number[] | undefined;
  text(name: string): string | undefined;
  /** The element type of a tensor. */
  tensorType(name: string): DType | undefined;
  /** The outputs that a body declares. */
  body(name: string): readonly PartialType[] | undefined;
}

export type Rule = (node: TypedNode) => readonly PartialType[];
export type Dims = PartialType['dims'];

/** Larger ranks come from wrong models, and count as unknown. */
const MOST_AXES = 64;
export const unknown = (rank: number): Dims =>
  Number.isInteger(rank) && rank >= 0 && rank <= MOST_AXES ? Array(rank).fill(undefined) : undefined;
export const one =
  (type: (node: TypedNode) => PartialType): Rule =>
  (node) => [type(node)];

/** Every output is like an input. */
export const like =
  (index = 0): Rule =>
  (node) =>
    Array.from({ length: node.outputs }, () => node.input(index));
/** The rank and the element type of an input, its sizes open. */
export const resized = one((node) => {
  const { dtype, dims } = node.input(0);
  return { dtype, dims: dims && unknown(dims.length) };
});
/** Like `resized`, with the first two sizes kept, as windows do. */
export const windowed: Rule = (node) => {
  const { dtype, dims } = node.input(0);
  const type = { dtype, dims: dims?.map((dim, axis) => (axis < 2 ? dim : undefined)) };
  return [type, { ...type, dtype: 's64' }];
};
export const convolved = one((node) => {
  const { dtype, dims } = node.input(0);
  const filters = node.input(1).dims?.[0];
  return { dtype, dims: dims?.map((dim, axis) => (axis === 0 ? dim : axis === 1 ? filters : undefined)) };
});

export function broadcastDims(lists: readonly Dims[]): Dims {
  const shapes = lists.filter((list) => list !== undefined);
  if (shapes.length < lists.length) return undefined;
  const rank = shapes.reduce((most, s) => Math.max(most, s.length), 0);
  return Array.from({ length: rank }, (_, axis) =>
    shapes
      .map((s) => (axis < rank - s.length ? 1 : s[axis - rank + s.length]))
      .reduce((a, b) =>
        a === 1
          ? b
          : b === 1 || a === b
            ? a
            : typeof a === 'number'
              ? a
              : typeof b === 'number'
                ? b
                : a && b && maxDims(a, b),
      ),
  );
}
export const broadcast = (count: number, dtype?: DType, from = 0): Rule =>
  one((node) => ({
    dtype: dtype ?? node.input(from).dtype,
    dims: broadcastDims(Array.from({ length: count }, (_, i) => node.input(i).dims)),
  }));

/** The sizes [batch…, rows, columns] of a factor, which may lie as [rows, batch…, columns], and with both exchanged. */
function turned(node: TypedNode, index: number, name: 'A' | 'B'): Dims {
  const { dims } = node.input(index);
  const [first, ...rest] = dims ?? [];
  if (dims === undefined || rest.length === 0) return dims;
  const batched = node.int(`transBatch${name}`) ? [...rest.slice(0, -1), first, ...rest.slice(-1)] : dims;
  return node.int(`trans${name}`) ? [...batched.slice(0, -2), ...batched.slice(-2).reverse()] : batched;
}
export const product: Rule = one((node) => {
  const { dtype } = node.input(0);
  const [a, b] = [turned(node, 0, 'A'), turned(node, 1, 'B')];
  if (a === undefined || b === undefined || a.length < 2 || b.length < 2) return { dtype };
  const batch = broadcastDims([a.slice(0, -2), b.slice(0, -2)]);
  return { dtype, dims: batch && [...batch, a.at(-2), b.at(-1)] };
});
/** x: […, K] times packed weights: […, N]. */
export const lastIs = (size: (node: TypedNode) => Dim | undefined): Rule =>
  one((node) => {
    const { dtype, dims } = node.input(0);
    return { dtype, dims: dims && [...dims.slice(0, -1), size(node)] };
  });

const axesOf = (node: TypedNode, rank: number): readonly number[] | undefined => {
  const elements = node.elements(1);
  const given = node.ints('axes') ?? (elements && isStatic(elements) ? elements : undefined);
  return given?.map((axis) => (axis < 0 ? axis + rank : axis));
};
export const reduced: Rule = one((node) => {
  const { dtype, dims } = node.input(0);
  const axes = dims && (axesOf(node, dims.length) ?? (node.input(1).dims ? undefined : dims.map((_, axis) => axis)));
  if (dims === undefined || axes === undefined)
    return { dtype, dims: dims && (node.int('keepdims') ?? 1) !== 0 ? unknown(dims.length) : undefined };
  const kept = node.int('keepdims') ?? 1;
  return {
    dtype,
    dims: kept ? dims.map((dim, i) => (axes.includes(i) ? 1 : dim)) : dims.filter((_, i) => !axes.includes(i)),
  };
});

/** A shape from an input: its rank is known when the length of the input is. */
export const shaped = (
  index: number,
  dtype: (node: TypedNode) => DType | undefined = (node) => node.input(0).dtype,
): Rule =>
  one((node) => {
    const length = node.input(index).dims?.[0];
    const dims = node.elements(index) ?? (typeof length === 'number' ? unknown(length) : undefined);
    return { dtype: dtype(node), dims: dims?.map((dim) => (typeof dim === 'number' && dim < 1 ? undefined : dim)) };
  });
export const expanded: Rule = one((node) => {
  const [x, [{ dims }]] = [node.input(0), shaped(1)(node)];
  return { dtype: x.dtype, dims: x.dims && dims && unknown(Math.max(x.dims.length, dims.length)) };
});
/** An axis more or less, sizes open where axes are not known. */
export const squeezed = (by: 1 | -1): Rule =>
  one((node) => {
    const { dtype, dims } = node.input(0);
    const count = node.ints('axes')?.length ?? node.input(1).dims?.[0];
    return { dtype, dims: dims && typeof count === 'number' ? unknown(dims.length + by * count) : undefined };
  });

export const typeNamed = (node: TypedNode, name: string, fallback?: DType): DType | undefined => {
  const code = node.int(name);
  return code === undefined ? fallback : dtypeOfOnnxCode(code);
};

/** Y: [steps, directions, batch, hidden], then the last states: [directions, batch, hidden]. */
export const recurrent: Rule = (node) => {
  const { dtype, dims } = node.input(0);
  const directions = node.text('direction') === 'bidirectional' ? 2 : 1;
  const [steps, batch] = node.int('layout') ? [dims?.[1], dims?.[0]] : [dims?.[0], dims?.[1]];
  const hidden = node.int('hidden_size');
  if (node.int('layout')) {
    const last = { dtype, dims: [batch, directions, hidden] };
    return [{ dtype, dims: [batch, steps, directions, hidden] }, last, last];
  }
  const last = { dtype, dims: [directions, batch, hidden] };
  return [{ dtype, dims: [steps, directions, batch, hidden] }, last, last];
};

export const einsum: Rule = one((node) => {
  const { dtype } = node.input(0);
  const [left, right] = (node.text('equation') ?? '').replace(/\s/g, '').split('->');
  if (left.includes('.') || right === undefined || right.includes('.')) return { dtype };
  const sizes = new Map<string, Dim | undefined>();
  left.split(',').forEach((letters, i) => {
    [...letters].forEach((letter, axis) => {
      const [known, dim] = [sizes.has(letter) ? sizes.get(letter) : 1, node.input(i).dims?.[axis]];
      // axes of size 1 broadcast, and an open size may be one
      const certain = [known, dim].find((size) => typeof size === 'number' && size !== 1);
      sizes.set(letter, certain ?? (known === 1 ? dim : dim === 1 || dim === known ? known : undefined));
    });
  });
  return { dtype, dims: [...right].map((letter) => sizes.get(letter)) };
});

export const topK: Rule = (node) => {
  const { dtype, dims } = node.input(0);
  const axis = node.int('axis') ?? -1;
  const k = node.int('k') ?? node.elements(1)?.[0];
  const chosen = dims?.map((dim, i) => (i === (axis < 0 ? axis + dims.length : axis) ? k : dim));
  return [
    { dtype, dims: chosen },
    { dtype: 's64', dims: chosen },
  ];
};

export const gathered: Rule = one((node) => {
  const [x, indices] = [node.input(0), node.input(1)];
  const named = indices.dims?.at(-1);
  const batch = node.int('batch_dims') ?? 0;
  if (x.dims === undefined || indices.dims === undefined || typeof named !== 'number') return { dtype: x.dtype };
  return { dtype: x.dtype, dims: [...indices.dims.slice(0, -1), ...x.dims.slice(batch + named)] };
});
export const gatheredAlong: Rule = one((node) => {
  const [x, indices] = [node.input(0), node.input(1)];
  if (x.dims === undefined || indices.dims === undefined) return { dtype: x.dtype };
  const axis = node.int('axis') ?? 0;
  const at = axis < 0 ? axis + x.dims.length : axis;
  return { dtype: x.dtype, dims: [...x.dims.slice(0, at), ...indices.dims, ...x.dims.slice(at + 1)] };
});
export const oneHot: Rule = one((node) => {
  const { dims } = node.input(0);
  const axis = node.int('axis') ?? -1;
  const at = dims && (axis < 0 ? axis + dims.length + 1 : axis);
  const dtype = node.input(2).dtype;
  return { dtype, dims: dims && [...dims.slice(0, at), node.elements(1)?.[0], ...dims.slice(at)] };
});
export const joined: Rule = one((node) => {
  const { dtype, dims } = node.input(0);
  return { dtype, dims: dims && unknown(dims.length) };
});
export const split: Rule = (node) => Array.from({ length: node.outputs }, () => resized(node)[0]);
export const moved: Rule = one((node) => {
  const { dtype, dims } = node.input(0);
  const perm = node.ints('perm') ?? dims?.map((_, i) => dims.length - 1 - i);
  return { dtype, dims: dims && perm?.map((axis) => dims[axis]) };
});

/** The common type of both branches; sizes that differ are open. */
export const branches: Rule = (node) => {
  const [yes, no] = [node.body('then_branch') ?? [], node.body('else_branch') ?? []];
  return yes.map(({ dtype, dims }, i) => {
    const other = no[i];
    if (other === undefined || dtype !== other.dtype) return {};
    if (dims === undefined || dims.length !== other.dims?.length) return { dtype };
    return { dtype, dims: dims.map((dim, axis) => (dim === other.dims?.[axis] ? dim : undefined)) };
  });
};
/** The results of a loop: carried values, with open sizes, and values that each turn adds along a new axis. */
const turns = (outputs: readonly PartialType[], carried: number): readonly PartialType[] =>
  outputs.map(({ dtype, dims }, i) => ({
    dtype,
    dims:
      dims &&
      (i < carried
        ? unknown(dims.length)
        : [undefined, ...dims.map((dim) => (typeof dim === 'number' ? dim : undefined))]),
  }));
export const loop: Rule = (node) => turns((node.body('body') ?? []).slice(1), node.inputs - 2);
export const scan: Rule = (node) => {
  const scanned = node.int('num_scan_inputs') ?? 0;
  // before version 9 the first input is the lengths, mostly absent, and axes differ
  if (node.input(0).dtype === undefined || node.ints('directions')) return [];
  if (node.ints('scan_output_axes')?.some((axis) => axis !== 0)) return [];
  return turns(node.body('body') ?? [], node.inputs - scanned);
};

/** query: [B, S, heads·size] with the sizes of V, then the values kept for the next step: [B, heads, S, size]. */
export const attention: Rule = (node) => {
  const [q, k, v] = [node.input(0), node.input(1), node.input(2)];
  const dims = q.dims && [...q.dims.slice(0, -1), q.dims.length === 4 ? v.dims?.at(-1) : undefined];
  const present = { dtype: k.dtype ?? q.dtype, dims: unknown(4) };
  return [
    { dtype: q.dtype, dims },
    present,
    { ...present, dtype: v.dtype ?? q.dtype },
    { dtype: q.dtype, dims: unknown(4) },
  ];
};
/** weights: [hidden, 3·hidden] */
export const packedAttention: Rule = (node) => {
  const { dtype: own, dims } = node.input(0);
  // the bias is a float where input and weights are quantized
  const dtype = node.input(2).dtype ?? own;
  const whole = node.input(2).dims?.[0] ?? node.input(1).dims?.[1];
  const sizes = node.ints('qkv_hidden_sizes');
  const last = sizes?.[2] ?? (typeof whole === 'number' ? whole / 3 : undefined);
  return [
    { dtype, dims: dims && [...dims.slice(0, -1), last] },
    { dtype, dims: unknown(5) },
  ];
};
export const embedded: Rule = (node) => {
  const [ids, words] = [node.input(0), node.input(2)];
  const dims = ids.dims && [...ids.dims, words.dims?.[1]];
  return [
    { dtype: words.dtype, dims },
    { dtype: 's32', dims: ids.dims?.slice(0, 1) },
    { dtype: words.dtype, dims },
  ];
};
export const normalized: Rule = (node) => {
  const x = node.input(0);
  const axis = node.int('axis') ?? -1;
  const from = x.dims && (axis < 0 ? axis + x.dims.length : axis);
  const statistics = { dtype: 'f32' as const, dims: x.dims?.map((dim, i) => (i >= (from ?? 0) ? 1 : dim)) };
  return [x, statistics, statistics, x];
};
export const skipNormalized: Rule = (node) => [node.input(0), {}, {}, node.input(0)];

export const fixed = (dtype: DType, ...dims: (Dim | undefined)[]): Rule => one(() => ({ dtype, dims }));
/** Values of one list, unique or chosen: how many is not known. */
export const some: Rule = (node) => [
  node.int('axis') === undefined ? { dtype: node.input(0).dtype, dims: [undefined] } : resized(node)[0],
  ...Array(3).fill({ dtype: 's64', dims: [undefined] }),
];
