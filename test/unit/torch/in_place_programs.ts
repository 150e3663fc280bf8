/**
 * Programs that write in place, drawn step by step: each is text of TorchScript and nodes of torch.export, with its results.
 */
import type { NodeSpec } from '../torch_export/programs.ts';
import { node, t } from '../torch_export/programs.ts';
import * as m from './strided_model.ts';

type Json = Parameters<typeof node>[1][string];

/** A step as drawn numbers, each taken modulo the number of choices. */
export interface Draw {
  readonly what: number;
  readonly on: number;
  readonly by: number;
  readonly i: number;
  readonly j: number;
}

/** A call: its ATen name, the overload that programs name, and the arguments beside the tensor in the order of the schema. */
interface Call {
  readonly name: string;
  readonly overload: string;
  readonly args: Readonly<Record<string, Json | { readonly tensor: number }>>;
  readonly results: readonly m.Strided[];
  /** The results are one list. */
  readonly asList?: boolean;
}

export type Maker = (x: m.Strided, d: Draw) => Call | undefined;

const axisOf = (x: m.Strided, i: number): number | undefined => (x.sizes.length === 0 ? undefined : i % x.sizes.length);

const along =
  (make: (x: m.Strided, axis: number, d: Draw) => Call | undefined): Maker =>
  (x, d) => {
    const axis = axisOf(x, d.i);
    return axis === undefined || x.sizes[axis] === 0 ? undefined : make(x, axis, d);
  };

const one = (name: string, overload: string, args: Call['args'], result: m.Strided): Call => ({
  name,
  overload,
  args,
  results: [result],
});

const many = (name: string, overload: string, args: Call['args'], results: readonly m.Strided[]): Call => ({
  name,
  overload,
  args,
  results,
  asList: true,
});

const shapesOf = (x: m.Strided): number[][] => {
  const n = m.count(x.sizes);
  const pairs = Array.from({ length: n }, (_, i) => i + 1).flatMap((a) => (n % a === 0 ? [[a, n / a]] : []));
  return [[n], [1, n], ...pairs, ...pairs.map(([a, b]) => [a, 1, b])];
};

const regroup =
  (name: string, parameter: string, copies: boolean): Maker =>
  (x, d) => {
    const shapes = shapesOf(x);
    const sizes = shapes[d.j % shapes.length];
    const result = m.regrouped(x, sizes) ?? (copies ? m.copied(x, sizes) : undefined);
    return result && one(name, 'default', { [parameter]: sizes }, result);
  };

const parts = (x: m.Strided, axis: number, sizes: readonly number[]): m.Strided[] => {
  let at = 0;
  return sizes.map((size) => {
    const part = m.sliced(x, axis, at, size);
    at += size;
    return part;
  });
};

const even = (total: number, size: number): number[] =>
  Array.from({ length: Math.ceil(total / size) }, (_, i) => Math.min(size, total - i * size));

const swapped = (x: m.Strided, a: number, b: number): m.Strided =>
  m.permuted(
    x,
    x.sizes.map((_, i) => (i === a ? b : i === b ? a : i)),
  );

/** Every operator that returns memory it was given. */
export const views: Readonly<Record<string, Maker>> = {
  select: along((x, dim, { j }) =>
    one('select', 'int', { dim, index: j % x.sizes[dim] }, m.selected(x, dim, j % x.sizes[dim])),
  ),
  slice: along((x, dim, { j, by }) => {
    const size = x.sizes[dim];
    const [start, step] = [j % size, 1 + (by % 2)];
    const end = start + 1 + (by % (size - start));
    return one(
      'slice',
      'Tensor',
      { dim, start, end, step },
      m.sliced(x, dim, start, Math.ceil((end - start) / step), step),
    );
  }),
  narrow: along((x, dim, { j }) =>
    one('narrow', 'default', { dim, start: j % x.sizes[dim], length: 1 }, m.sliced(x, dim, j % x.sizes[dim], 1)),
  ),
  view: regroup('view', 'size', false),
  reshape: regroup('reshape', 'shape', true),
  flatten: (x) => {
    const sizes = [m.count(x.sizes)];
    const result = x.sizes.length === 1 ? x : (m.regrouped(x, sizes) ?? m.copied(x, sizes));
    return one('flatten', 'using_ints', { start_dim: 0, end_dim: -1 }, result);
  },
  permute: (x, { i }) => {
    const perm = x.sizes.map((_, axis) => (axis + i) % x.sizes.length);
    return x.sizes.length === 0 ? undefined : one('permute', 'default', { dims: perm }, m.permuted(x, perm));
  },
  transpose: along((x, dim0, { j }) =>
    one('transpose', 'int', { dim0, dim1: j % x.sizes.length }, swapped(x, dim0, j % x.sizes.length)),
  ),
  t: (x) => (x.sizes.length === 2 ? one('t', 'default', {}, swapped(x, 0, 1)) : undefined),
  unsqueeze: (x, { i }) => {
    const dim = i % (x.sizes.length + 1);
    return one('unsqueeze', 'default', { dim }, m.inserted(x, dim, 1, (x.sizes[dim] ?? 1) * (x.strides[dim] ?? 1)));
  },
  squeeze: (x) => one('squeeze', 'default', {}, m.squeezed(x)),
  expand: (x, { i }) => one('expand', 'default', { size: [1 + (i % 2), ...x.sizes] }, m.inserted(x, 0, 1 + (i % 2), 0)),
  unbind: along((x, dim) =>
    many(
      'unbind',
      'int',
      { dim },
      Array.from({ length: x.sizes[dim] }, (_, i) => m.selected(x, dim, i)),
    ),
  ),
  chunk: along((x, dim) => {
    const size = Math.ceil(x.sizes[dim] / 2);
    return many('chunk', 'default', { chunks: 2, dim }, parts(x, dim, even(x.sizes[dim], size)));
  }),
  split: along((x, dim) => many('split', 'Tensor', { split_size: 2, dim }, parts(x, dim, even(x.sizes[dim], 2)))),
  unfold: along((x, dimension) =>
    x.sizes[dimension] < 2
      ? undefined
      : one('unfold', 'default', { dimension, size: 2, step: 2 }, m.windows(x, dimension, 2, 2)),
  ),
  diagonal: (x) =>
    x.sizes.length < 2 ? undefined : one('diagonal', 'default', { offset: 0, dim1: 0, dim2: 1 }, m.diagonal(x, 0, 1)),
  movedim: along((x, source, { j }) => {
    const destination = j % x.sizes.length;
    const rest = x.sizes.map((_, i) => i).filter((i) => i !== source);
    rest.splice(destination, 0, source);
    return one('movedim', 'int', { source, destination }, m.permuted(x, rest));
  }),
  detach: (x) => one('detach', 'default', {}, { ...x }),
  alias: (x) => one('alias', 'default', {}, { ...x }),
  contiguous: (x) =>
    one(
      'contiguous',
      'default',
      {},
      String(m.regrouped(x, x.sizes)?.strides) === String(m.packed(x.sizes)) ? x : m.copied(x),
    ),
};

/** Operators that make memory of their own. */
export const fresh: Readonly<Record<string, Maker>> = {
  clone: (x) => one('clone', 'default', {}, m.copied(x)),
  relu: (x) =>
    one(
      'relu',
      'default',
      {},
      m.made(
        x.sizes,
        m.read(x).map((v) => Math.max(v, 0)),
      ),
    ),
};

type Write = (
  x: m.Strided,
  d: Draw,
  other: m.Strided,
) => (Omit<Call, 'results'> & { readonly values: readonly number[] }) | undefined;

const each =
  (name: string, overload: string, f: (v: number, c: number) => number, argument?: string): Write =>
  (x, { j }) => {
    const c = (j % 5) - 2;
    return {
      name,
      overload,
      args: argument === undefined ? {} : { [argument]: c },
      values: m.read(x).map((v) => f(v, c)),
    };
  };

/** Writes with two tensors, the second as large as the first or one row of it. */
const binary =
  (name: string, overload: string, f: (a: number, b: number) => number, argument: string): Write =>
  (x, { by }, other) => {
    const isFitting =
      other.sizes.length <= x.sizes.length &&
      other.sizes.every((size, i) => size === x.sizes[x.sizes.length - other.sizes.length + i]);
    if (!isFitting || other.memory === x.memory) return undefined;
    const b = m.read(other);
    return {
      name,
      overload,
      args: { [argument]: { tensor: by } },
      values: m.read(x).map((v, i) => f(v, b[i % b.length])),
    };
  };

export const writes: Readonly<Record<string, Write>> = {
  fill_: each('fill_', 'Scalar', (_, c) => c, 'value'),
  zero_: each('zero_', 'default', () => 0),
  'add_ a number': each('add_', 'Scalar', (v, c) => v + c, 'other'),
  'mul_ a number': each('mul_', 'Scalar', (v, c) => v * c, 'other'),
  relu_: each('relu_', 'default', (v) => Math.max(v, 0)),
  neg_: each('neg_', 'default', (v) => -v),
  abs_: each('abs_', 'default', Math.abs),
  clamp_: each('clamp_', 'default', (v, c) => Math.max(v, c), 'min'),
  hardtanh_: each('hardtanh_', 'default', (v) => Math.min(Math.max(v, -1), 1)),
  copy_: binary('copy_', 'default', (_, b) => b, 'src'),
  'add_ a tensor': binary('add_', 'Tensor', (a, b) => a + b, 'other'),
  'sub_ a tensor': binary('sub_', 'Tensor', (a, b) => a - b, 'other'),
  'mul_ a tensor': binary('mul_', 'Tensor', (a, b) => a * b, 'other'),
};

export interface Program {
  readonly lines: readonly string[];
  readonly nodes: readonly NodeSpec[];
  readonly shapes: Readonly<Record<string, m.Strided>>;
  /** Names of the returned variables, and their values at the end. */
  readonly outputs: readonly { readonly script: string; readonly program: string; readonly x: m.Strided }[];
}

interface Variable {
  readonly script: string;
  readonly program: string;
  readonly x: m.Strided;
}

const literal = (value: Json): string => {
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  return typeof value === 'number' && !Number.isInteger(value) ? String(value) : JSON.stringify(value);
};

const makers: readonly (readonly [string, Maker])[] = Object.entries({ ...views, ...fresh });
const writers = Object.entries(writes);

/** The number to draw for a step of this name. */
export const made = (name: string): number => makers.findIndex(([key]) => key === name) * 8;
export const written = (name: string): number => writers.findIndex(([key]) => key === name) * 8 + 4;

/** Starts from the input, doubled; every draw that is possible becomes a step. */
export function programOf(input: m.Strided, draws: readonly Draw[]): Program {
  const doubled = m.made(
    input.sizes,
    m.read(input).map((v) => v * 2),
  );
  const lines = ['v = torch.mul(x, 2.)', 'list = [v]', 'dict = {"a": v}'];
  const nodes: NodeSpec[] = [node('aten.mul.Scalar', { self: t('x'), other: 2.5 - 0.5 }, 'v')];
  const variables: Variable[] = [{ script: 'v', program: 'v', x: doubled }];
  const shapes: Record<string, m.Strided> = { v: doubled };
  let [list, dict] = [variables[0], variables[0]];
  const known = (i: number): Variable => {
    const all = [...variables, { ...list, script: 'list[0]' }, { ...dict, script: 'dict["a"]' }];
    return all[i % all.length];
  };
  const bind = ({ name, overload, args }: Pick<Call, 'name' | 'overload' | 'args'>, self: Variable) => {
    const given = Object.entries(args).map(([key, value]) => {
      const other =
        typeof value === 'object' && value !== null && 'tensor' in value ? known(Number(value.tensor)) : undefined;
      return {
        key,
        script: other?.script ?? literal(value as Json),
        program: other ? t(other.program) : (value as Json),
      };
    });
    const positional =
      name === 'clamp_' ? given.map(({ key, script }) => `${key}=${script}`) : given.map(({ script }) => script);
    const text = `torch.${name}(${[self.script, ...positional].join(', ')})`;
    return {
      text,
      target: `aten.${name}.${overload}`,
      named: { self: t(self.program), ...Object.fromEntries(given.map(({ key, program }) => [key, program])) },
    };
  };
  draws.forEach((draw, n) => {
    const self = known(draw.on);
    const kind = draw.what % 8;
    if (kind < 4) {
      const call = makers[Math.floor(draw.what / 8) % makers.length][1](self.x, draw);
      if (call === undefined) return;
      const { text, target, named } = bind(call, self);
      const names = call.results.map((_, i) => `v${n}_${i}`);
      lines.push(call.asList ? `l${n} = ${text}` : `${names[0]} = ${text}`);
      if (call.asList)
        names.forEach((name, i) => {
          lines.push(`${name} = l${n}[${i}]`);
        });
      nodes.push({ ...node(target, named, ...names), asList: call.asList ?? false });
      names.forEach((name, i) => {
        shapes[name] = { ...call.results[i] };
        variables.push({ script: name, program: name, x: call.results[i] });
      });
    } else if (kind < 7) {
      const call = writers[Math.floor(draw.what / 8) % writers.length][1](self.x, draw, known(draw.by).x);
      if (call === undefined || (m.overlaps(self.x) && !['fill_', 'zero_'].includes(call.name))) return;
      const { text, target, named } = bind(call, self);
      lines.push(`w${n} = ${text}`);
      nodes.push(node(target, named, `w${n}`));
      shapes[`w${n}`] = { ...self.x };
      m.write(self.x, call.values);
      variables.push({ script: `w${n}`, program: `w${n}`, x: self.x });
    } else if (draw.what % 16 < 8) {
      lines.push(`_ = torch._set_item(list, 0, ${self.script})`);
      list = self;
    } else {
      lines.push(`torch._set_item(dict, "a", ${self.script})`);
      dict = self;
    }
  });
  const outputs = [...variables, { ...list, script: 'list[0]' }, { ...dict, script: 'dict["a"]' }];
  return { lines, nodes, shapes, outputs };
}
