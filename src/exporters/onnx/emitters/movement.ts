/** Operators that move elements. Sizes that are symbols stay computed: copied, left over, or read off an input. */
import { type DType, dtypes, isStatic, type Shape, tensor } from '../../../ir/index.ts';
import { castTo, int, ints, type NodeEmitter, text, type Written } from '../node_emitter.ts';
import { type SliceAttrs, sliceParts } from './pad.ts';
import { sizeAs, sizeList } from './sizes.ts';

const normal = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** The shape input of a Reshape: 0 copies a size, −1 is what is left over, other symbols are read off a value. */
export function reshape(e: NodeEmitter): Written {
  e.since(5, 'Reshape');
  const shape = e.attr<Shape>('shape');
  const from = e.type(0).shape;
  if (isStatic(shape)) {
    const isEmpty = shape.includes(0);
    if (isEmpty && shape.some((dim, i) => dim === 0 && from[i] !== 0)) e.since(14, 'a Reshape to an empty shape');
    return e.finish(
      'Reshape',
      [e.input(0), e.list(shape, 'shape')],
      isEmpty && e.opset >= 14 ? { allowzero: int(1) } : {},
    );
  }
  if (shape.includes(0)) {
    e.since(14, 'a Reshape to an empty shape of which sizes are computed');
    return e.finish('Reshape', [e.input(0), sizeList(e, shape, 'shape')], { allowzero: int(1) });
  }
  const copied = shape.map((dim, i) => (typeof dim === 'string' && dim === from[i] ? 0 : dim));
  const rest = copied.filter((dim) => typeof dim === 'string');
  if (rest.length <= 1) {
    const list = copied.map((dim) => (typeof dim === 'string' ? -1 : dim));
    return e.finish('Reshape', [e.input(0), e.list(list as number[], 'shape')]);
  }
  return e.finish('Reshape', [e.input(0), sizeList(e, copied, 'shape')]);
}

export function expand(e: NodeEmitter): Written {
  e.since(8, 'Expand');
  const shape = e.attr<Shape>('shape');
  const from = e.type(0).shape;
  // what x has already need not be asked for
  const wanted = shape.map((dim, i) => {
    const own = from[i - shape.length + from.length];
    return typeof dim === 'string' && dim === own ? 1 : dim;
  });
  return e.finish('Expand', [e.input(0), sizeList(e, wanted, 'shape')]);
}

export const transpose = (e: NodeEmitter): Written =>
  e.finish('Transpose', e.inputs(), { perm: ints(e.attr<readonly number[]>('perm')) });

export const concat = (e: NodeEmitter): Written =>
  e.finish('Concat', e.inputs(), { axis: int(normal(e.attr('axis'), e.type(0).shape.length)) });

export function tile(e: NodeEmitter): Written {
  e.since(6, 'Tile');
  return e.finish('Tile', [e.input(0), sizeList(e, e.attr('repeats'), 'repeats')]);
}

export function slice(e: NodeEmitter): Written {
  const { inputs, attributes } = sliceParts(e, e.node.attrs as unknown as SliceAttrs);
  return e.finish('Slice', [e.input(0), ...inputs], attributes);
}

/** The limit is where the count ends: start + count·delta. */
export function range(e: NodeEmitter): Written {
  e.since(11, 'Range');
  const { dtype } = e.type(0);
  const count = e.add('Squeeze', [
    sizeList(e, e.attr('count'), 'count'),
    ...(e.opset < 13 ? [] : [e.list([0], 'axis')]),
  ]);
  const length = e.add('Mul', [sizeAs(e, count, dtype), e.input(1)]);
  return e.finish('Range', [e.input(0), e.add('Add', [e.input(0), length]), e.input(1)]);
}

/** Negative indices count from the end since version 11. */
export const gather =
  (opType: 'Gather' | 'GatherElements') =>
  (e: NodeEmitter): Written => {
    const indices = e.constantAt(1)?.data as ArrayLike<number | bigint> | undefined;
    const mayBeNegative = indices === undefined || Array.from(indices).some((index) => index < 0);
    if (opType === 'GatherElements' || mayBeNegative) e.since(11, `${opType} with any index`);
    return e.finish(opType, e.inputs(), { axis: int(normal(e.attr('axis'), e.type(0).shape.length)) });
  };

export function gatherNd(e: NodeEmitter): Written {
  e.since(11, 'GatherND');
  const batch = e.attr<number>('batchDims');
  if (batch > 0) e.since(12, 'GatherND with axes that go along');
  return e.finish('GatherND', e.inputs(), batch > 0 ? { batch_dims: int(batch) } : {});
}

/** Blocks of integers go through floats that hold them. */
function blocks(e: NodeEmitter, opType: string, attributes: Parameters<NodeEmitter['add']>[2]): Written {
  const { dtype } = e.type(0);
  const { bytes } = dtypes[dtype];
  const wide: DType | undefined = bytes === 1 ? 'f32' : bytes < 8 ? 'f64' : undefined; // what ONNX Runtime has kernels for
  const isReal = dtype === 'f32' || dtype === 'f64';
  if (isReal || wide === undefined) return e.finish(opType, e.inputs(), attributes);
  return e.finish('Cast', [e.add(opType, [e.cast(e.input(0), wide)], attributes)], castTo(dtype));
}

export function depthToSpace(e: NodeEmitter): Written {
  const mode = e.attr<string>('mode');
  if (mode !== 'DCR') e.since(11, `DepthToSpace in mode ${mode}`);
  return blocks(e, 'DepthToSpace', { blocksize: int(e.attr('block')), ...(mode !== 'DCR' && { mode: text(mode) }) });
}

export const spaceToDepth = (e: NodeEmitter): Written => blocks(e, 'SpaceToDepth', { blocksize: int(e.attr('block')) });

/**
 * By sizes where their quotients are the scales, as a runtime forms them: a scale that was rounded need not give the size
 * that it came from (10 times f32(2.1) is 20 in some). Otherwise by the scales, which decide the coordinates, where they
 * give the shape in binary32 and in binary64.
 */
export function resize(e: NodeEmitter): Written {
  e.since(11, 'Resize with coordinates');
  const from = e.type(0).shape;
  const shape = e.attr<Shape>('shape');
  const scales = e.attr<readonly number[]>('scales').map(Math.fround);
  const isQuotient = (i: number) => {
    if (scales[i] === 0 || shape[i] === from[i]) return scales[i] === 0 || scales[i] === 1;
    return Math.fround((shape[i] as number) / (from[i] as number)) === scales[i];
  };
  const fits = (i: number) => {
    const [a, b] = [from[i], shape[i]];
    if (typeof a !== 'number' || typeof b !== 'number') return true;
    return Math.floor(Math.fround(a * scales[i])) === b && Math.floor(a * scales[i]) === b;
  };
  const mode = e.attr<string>('mode');
  const attributes = {
    mode: text(mode),
    coordinate_transformation_mode: text(e.attr('coordinates')),
    ...(mode === 'nearest' && { nearest_mode: text(e.attr('nearest')) }),
  };
  const roi = e.opset < 13 ? e.constant(tensor('f32', [], [0]), 'no_roi') : '';
  const isBySizes = scales.includes(0) || (isStatic(from) && isStatic(shape));
  if (isBySizes && shape.every((_, i) => isQuotient(i))) {
    const none = e.opset < 13 ? e.constant(tensor('f32', [], [0]), 'no_scales') : '';
    return e.finish('Resize', [e.input(0), roi, none, sizeList(e, shape, 'sizes')], attributes);
  }
  if (scales.includes(0) || !shape.every((_, i) => fits(i)))
    e.refuse('neither its scales nor its sizes give the other');
  return e.finish('Resize', [e.input(0), roi, e.constant(tensor('f32', scales), 'scales')], attributes);
}
