/** Which operators of ATen return memory that they were given: views of it, and operators that do nothing. */

import { type Dim, isStatic, type Shape } from '../../../ir/index.ts';
import { Unsupported } from '../../kit/unsupported.ts';
import { Arguments } from '../operators/arguments.ts';
import { bind, isBound, parseSchema, type Schema } from '../operators/schema.ts';
import type { TorchValue } from '../values.ts';
import {
  diagonal,
  expanded,
  FAR,
  permuted,
  type Region,
  reshaped,
  selected,
  sliced,
  strided,
  windows,
} from './region.ts';
import { channelsLast, isPacked, rowMajor, stridesOfView } from './strides.ts';

/**
 * The results of a call: views of the operand, the operand itself, new memory, or either, depending on the layout in
 * memory.
 */
export type Answer = readonly (Region | undefined)[] | 'self' | 'new' | 'unsure';

/** The shapes and element types of the results, which the importer of the operator has found. */
export interface Result {
  readonly shape: Shape;
  readonly type: string;
}
export interface Operand {
  readonly region: Region;
  readonly type: string;
}

type Body = (x: Operand, args: Arguments, results: readonly Result[]) => Answer | Region | undefined;

interface ViewOp {
  readonly schema: Schema;
  readonly body: Body;
}

const byName = new Map<string, ViewOp[]>();

function define(names: string, parameters: string, body: Body): void {
  for (const name of names.split(' ')) {
    const schema = parseSchema(`aten::${name}(Tensor self${parameters && `, ${parameters}`})`);
    byName.set(schema.name, [...(byName.get(schema.name) ?? []), { schema, body }]);
  }
}

/** Relates the results of a call to its first operand; `new` for operators that are not views. */
export function viewsOf(
  name: string,
  operand: Operand,
  args: readonly TorchValue[],
  keywords: ReadonlyMap<string, TorchValue>,
  results: readonly Result[],
): Answer {
  const overloads = byName.get(name);
  if (overloads === undefined) return 'new';
  for (const { schema, body } of overloads) {
    const bound = bind(schema, args, keywords);
    if (!isBound(bound)) continue;
    try {
      const answer = body(operand, new Arguments(bound), results) ?? 'unsure';
      return typeof answer === 'object' && 'steps' in answer ? [answer] : answer;
    } catch (error) {
      if (error instanceof Unsupported) return 'unsure';
      throw error;
    }
  }
  return 'unsure';
}

export const isViewName = (name: string): boolean => byName.has(name);
export const viewNames = (): readonly string[] => [...byName.keys()];

const axisOf = ({ shape }: Region, axis: number, more = 0): number => (axis < 0 ? axis + shape.length + more : axis);

// ---- the same elements

const same: Body = ({ region }) => region;
const itself: Body = () => 'self';

/** `to` and its kin return their operand when nothing is to be converted. */
const converted: Body = (x, args, [result]) => {
  const isCopied = args.has('copy') && args.bool('copy');
  const format = args.has('memory_format') ? args.value('memory_format') : null;
  if (isCopied || result.type !== x.type) return 'new';
  return format === null || format === 1 ? 'self' : packed(x.region, format);
};

function unlessConverted(x: Operand, _args: Arguments, [result]: readonly Result[]): Answer {
  return result.type === x.type ? 'self' : 'new';
}

/** `contiguous(memory_format)`: a copy unless the elements lie so already. */
function packed(region: Region, format: TorchValue): Answer {
  const { shape, strides } = region;
  const wanted = format === null || format === 0 ? rowMajor(shape) : format === 2 ? channelsLast(shape) : undefined;
  const known = isPacked(shape, strides, wanted);
  return known === undefined ? 'unsure' : known ? 'self' : 'new';
}

/** Dropout returns its operand where nothing is dropped. */
const dropped: Body = (_x, args) => (args.bool('train') && args.number('p') !== 0 ? 'new' : 'self');

const placement = 'bool non_blocking=False, bool copy=False, any memory_format=None';
define('detach alias data', '', same);
define('lift_fresh cpu positive real conj resolve_conj resolve_neg', '', itself);
define('cuda pin_memory', 'any device=None', itself);
define('contiguous', 'any memory_format=None', ({ region }, args) => packed(region, args.value('memory_format')));
define('to', `int dtype, ${placement}`, converted);
define('to', `any device, int? dtype=None, ${placement}`, converted);
define('to', `any dtype=None, any layout=None, any device=None, bool? pin_memory=None, ${placement}`, converted);
define('to', `Tensor other, ${placement}`, converted);
define('float half double dequantize', '', unlessConverted);
define('type_as', 'Tensor other', unlessConverted);
define('dropout feature_dropout alpha_dropout feature_alpha_dropout', 'float p, bool train', dropped);

// ---- another shape

/** A view wherever strides can say it; `copies` for operators that make a copy elsewhere, where others fail. */
const regrouped =
  (copies: boolean): Body =>
  ({ region }, _args, [{ shape }]) => {
    const strides = stridesOfView(region.shape, region.strides, shape);
    if (strides === 'copy') return copies ? 'new' : reshaped(region, shape, undefined);
    if (strides === undefined && copies && String(shape) !== String(region.shape)) return 'unsure';
    return reshaped(region, shape, strides);
  };

define('view _unsafe_view', 'int[] size', regrouped(false));
define('view_as', 'Tensor other', regrouped(false));
define('unflatten', 'int dim, int[] sizes', regrouped(false));
define('reshape', 'int[] shape', regrouped(true));
define('reshape_as', 'Tensor other', regrouped(true));
define('flatten', 'int start_dim=0, int end_dim=-1', (x, args, results) => {
  const { region } = x;
  const [start, end] = [axisOf(region, args.int('start_dim')), axisOf(region, args.int('end_dim'))];
  return start === end && region.shape.length > 0 ? 'self' : regrouped(true)(x, args, results);
});
define('ravel', '', regrouped(true));

define('unsqueeze', 'int dim', ({ region }, args) => {
  const { shape, strides } = region;
  const axis = axisOf(region, args.int('dim'), 1);
  const inserted = (list: readonly Dim[], item: Dim) => [...list.slice(0, axis), item, ...list.slice(axis)];
  return reshaped(region, inserted(shape, 1), strides && inserted(strides, 1));
});

const squeezed = (region: Region, axes: readonly number[]): Region => {
  const kept = region.shape.flatMap((dim, i) => (dim === 1 && axes.includes(i) ? [] : [i]));
  const of = (list: readonly Dim[]) => kept.map((i) => list[i]);
  return reshaped(region, of(region.shape), region.strides && of(region.strides));
};
define('squeeze', '', ({ region }) => squeezed(region, [...region.shape.keys()]));
define('squeeze', 'int[] dim', ({ region }, args) =>
  squeezed(
    region,
    args.ints('dim').map((axis) => axisOf(region, axis)),
  ),
);

// ---- another order

define('permute', 'int[] dims', ({ region }, args) =>
  permuted(
    region,
    args.ints('dims').map((axis) => axisOf(region, axis)),
  ),
);
const exchanged = (region: Region, first: number, second: number): Region => {
  const [a, b] = [axisOf(region, first), axisOf(region, second)];
  return permuted(
    region,
    region.shape.map((_, i) => (i === a ? b : i === b ? a : i)),
  );
};
define('transpose swapdims', 'int dim0, int dim1', ({ region }, args) =>
  exchanged(region, args.int('dim0'), args.int('dim1')),
);
define('swapaxes', 'int axis0, int axis1', ({ region }, args) =>
  exchanged(region, args.int('axis0'), args.int('axis1')),
);
define('t numpy_T', '', ({ region }) =>
  permuted(
    region,
    region.shape.map((_, i) => region.shape.length - 1 - i),
  ),
);
define('mT mH adjoint matrix_H', '', ({ region }) => (region.shape.length < 2 ? 'unsure' : exchanged(region, -1, -2)));
define('movedim moveaxis', 'int[] source, int[] destination', ({ region }, args) => {
  const [from, to] = ['source', 'destination'].map((name) => args.ints(name).map((axis) => axisOf(region, axis)));
  const rest = region.shape.flatMap((_, axis) => (from.includes(axis) ? [] : [axis]));
  const perm = region.shape.map((_, axis) => (to.includes(axis) ? from[to.indexOf(axis)] : Number(rest.shift())));
  return permuted(region, perm);
});

// ---- some of the elements

define('select', 'int dim, int index', ({ region }, args) =>
  selected(region, axisOf(region, args.int('dim')), args.int('index')),
);
define('slice', 'int dim=0, int? start=None, int? end=None, int step=1', ({ region }, args) => {
  const axis = axisOf(region, args.int('dim'));
  const end = args.has('end') ? args.dim('end') : FAR;
  if (typeof end === 'string' && end !== region.shape[axis]) return 'unsure';
  const last = typeof end === 'string' ? FAR : Math.min(end, FAR);
  return sliced(region, axis, args.has('start') ? args.int('start') : 0, last, args.int('step'));
});
define('narrow', 'int dim, int start, int length', ({ region }, args) => {
  const [start, length] = [args.int('start'), args.int('length')];
  return sliced(
    region,
    axisOf(region, args.int('dim')),
    start,
    start < 0 && start + length === 0 ? FAR : start + length,
  );
});
define('diagonal', 'int offset=0, int dim1=0, int dim2=1', ({ region }, args) =>
  diagonal(region, args.int('offset'), axisOf(region, args.int('dim1')), axisOf(region, args.int('dim2'))),
);
define('unfold', 'int dimension, int size, int step', ({ region }, args) =>
  windows(region, axisOf(region, args.int('dimension')), args.int('size'), args.int('step')),
);

/** For a tensor whose elements lie in row-major order, without gaps and complete. */
define('as_strided', 'int[] size, int[] stride, int? storage_offset=None', ({ region }, args) => {
  const { shape, strides, steps } = region;
  const isPlain = isPacked(shape, strides) === true && steps.every(({ text }) => text.startsWith('reshape'));
  const [size, stride] = [args.dims('size'), args.dims('stride')];
  if (!isPlain || !isStatic(size) || !isStatic(stride)) return 'unsure';
  const part = strided(region, size, stride, args.has('storage_offset') ? args.int('storage_offset') : 0);
  return part && { ...part, strides: stride };
});

// ---- repeated elements

define('expand', 'int[] size, *, bool implicit=False', ({ region }, _args, [{ shape }]) => expanded(region, shape));
define('expand', 'int[] size, bool implicit', ({ region }, _args, [{ shape }]) => expanded(region, shape));
define('expand_as', 'Tensor other', ({ region }, _args, [{ shape }]) => expanded(region, shape));
define('broadcast_to', 'int[] size', ({ region }, _args, [{ shape }]) => expanded(region, shape));

// ---- parts along an axis: their sizes are those of the results

const parts: Body = ({ region }, args, results) => {
  const axis = axisOf(region, args.int('dim'));
  let at = 0;
  return results.map(({ shape }) => {
    const size = shape[axis];
    if (typeof size !== 'number') throw new Unsupported('parts of unknown size');
    return sliced(region, axis, at, (at += size));
  });
};
define('chunk unsafe_chunk', 'int chunks, int dim=0', parts);
define('split unsafe_split', 'int split_size, int dim=0', parts);
define('split unsafe_split split_with_sizes unsafe_split_with_sizes', 'int[] split_sizes, int dim=0', parts);
define('split unsafe_split', 'int[] split_size, int dim=0', parts);
define('tensor_split', 'int[] sections, int dim=0', parts);
define('tensor_split', 'int[] indices, int dim=0', parts);
define('unbind', 'int dim=0', ({ region }, args, results) => {
  const axis = axisOf(region, args.int('dim'));
  return results.map((_, i) => selected(region, axis, i));
});
