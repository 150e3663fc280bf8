/** Operators that move or repeat elements of any type. */

import {
  allDTypes,
  copyStrided,
  gatherView,
  type ITensor,
  newArray,
  sizeOf,
  storedTypes,
  stridesOf,
  tensor,
  transposed,
  wholeOf,
} from '../../tensors/index.ts';
import { attr, defineOp, optional, tensorOf, variadic } from '../define_op.ts';
import { addDims, divDims, elementsOf, minDims, mulDims } from '../dims.ts';
import { type Dim, formatType, isStatic, type Shape } from '../types.ts';
import { broadcastShape, broadcastTo, normalizeAxis, sameDim } from './broadcast.ts';
import { padded } from './padded.ts';

const any = tensorOf(...allDTypes);
/** Elements that share bytes stay where they are. */
const unmoved = tensorOf(...allDTypes, ...storedTypes);
const likeX = { y: { like: 'x' } } as const;

export const nnIdentity = defineOp({
  name: 'nn.identity',
  doc: 'x',
  operands: { x: unmoved },
  attrs: {},
  results: likeX,
  traits: ['identity', 'movement', 'elementwise'],
  infer: ({ x }) => x,
  evaluate: ({ x }) => x,
  onnx: { opType: 'Identity', inputs: ['input'] },
});

/** ONNX Reshape, its 0 and −1 resolved: https://onnx.ai/onnx/operators/onnx__Reshape.html */
export const nnReshape = defineOp({
  name: 'nn.reshape',
  doc: 'The same elements, row major, in another shape of as many elements.',
  operands: { x: unmoved },
  attrs: { shape: attr.dims() },
  results: likeX,
  traits: ['movement'],
  infer({ x }, { shape }, refuse) {
    if (shape.some((dim) => typeof dim === 'number' && dim < 0)) refuse(`the shape [${shape.join(', ')}] is negative`);
    if (isStatic(shape) && isStatic(x.shape) && sizeOf(shape) !== sizeOf(x.shape))
      refuse(`${formatType(x)} has ${elementsOf(x.shape)} elements, [${shape.join(', ')}] holds ${elementsOf(shape)}`);
    return { dtype: x.dtype, shape };
  },
  evaluate: ({ x }, _attrs, [{ shape }]) => ({ ...x, shape: shape }),
});

/** ONNX Transpose: https://onnx.ai/onnx/operators/onnx__Transpose.html */
export const nnTranspose = defineOp({
  name: 'nn.transpose',
  doc: 'Axis i of y is axis perm[i] of x.',
  operands: { x: any },
  attrs: { perm: attr.ints() },
  results: likeX,
  traits: ['movement'],
  infer({ x }, { perm }, refuse) {
    if (perm.length !== x.shape.length || x.shape.some((_, axis) => !perm.includes(axis)))
      refuse(`perm [${perm}] is not a permutation of the ${x.shape.length} axes`);
    return { dtype: x.dtype, shape: perm.map((axis) => x.shape[axis]) };
  },
  evaluate: ({ x }, { perm }) => transposed(x, perm),
  onnx: { opType: 'Transpose', inputs: ['data'] },
});

/** ONNX Concat: https://onnx.ai/onnx/operators/onnx__Concat.html */
export const nnConcat = defineOp({
  name: 'nn.concat',
  doc: 'The operands one after the other along an axis; their other sizes are equal.',
  operands: { xs: variadic(any) },
  attrs: { axis: attr.int() },
  results: { y: { like: 'xs' } },
  traits: ['movement'],
  infer({ xs }, attrs, refuse) {
    if (xs.length === 0 || xs.some((x) => x === null)) return refuse('needs at least one operand, and none absent');
    const [first, ...rest] = xs;
    const axis = normalizeAxis(attrs.axis, first.shape.length, refuse);
    const shape = rest.reduce<Shape>((all, x) => {
      const misfit = () =>
        refuse(`${xs.map(formatType).join(', ')} do not fit along axis ${axis}`, `operand ${xs.indexOf(x)}`);
      if (x.dtype !== first.dtype || x.shape.length !== all.length) misfit();
      return all.map((dim, i) => (i === axis ? addDims(dim, x.shape[i]) : sameDim(dim, x.shape[i], misfit)));
    }, first.shape);
    return { dtype: first.dtype, shape };
  },
  evaluate({ xs }, attrs, [type]) {
    const { shape } = type;
    const axis = attrs.axis < 0 ? attrs.axis + shape.length : attrs.axis;
    const data = newArray(type.dtype, sizeOf(shape));
    const strides = stridesOf(shape);
    let offset = 0;
    for (const x of xs) {
      copyStrided(x.shape, x.data, wholeOf(x.shape), data, { offset, strides });
      offset += x.shape[axis] * strides[axis];
    }
    return { dtype: type.dtype, shape, data };
  },
  onnx: { opType: 'Concat', inputs: ['inputs...: T'] },
});

/** ONNX Expand: https://onnx.ai/onnx/operators/onnx__Expand.html */
export const nnExpand = defineOp({
  name: 'nn.expand',
  doc: 'x broadcast together with `shape`: an axis stays as it is where `shape` has 1.',
  operands: { x: any },
  attrs: { shape: attr.dims() },
  results: likeX,
  traits: ['movement'],
  infer: ({ x }, { shape }, refuse) => ({ dtype: x.dtype, shape: broadcastShape([x.shape, shape], refuse) }),
  evaluate: ({ x }, _attrs, [{ shape }]) => broadcastTo(x, shape),
});

/** ONNX Tile: https://onnx.ai/onnx/operators/onnx__Tile.html */
export const nnTile = defineOp({
  name: 'nn.tile',
  doc: 'x repeated repeats[i] times along axis i.',
  operands: { x: any },
  attrs: { repeats: attr.dims() },
  results: likeX,
  traits: ['movement'],
  infer({ x }, { repeats }, refuse) {
    if (repeats.length !== x.shape.length || repeats.some((r) => typeof r === 'number' && r < 0))
      refuse(`repeats [${repeats}] should be one count for each of ${x.shape.length} axes`);
    return { dtype: x.dtype, shape: x.shape.map((dim, i) => mulDims(dim, repeats[i])) };
  },
  evaluate({ x }, { repeats }, [{ shape }]) {
    const strides = stridesOf(x.shape);
    const view = { offset: 0, strides: strides.flatMap((stride) => [0, stride]) };
    const repeated = gatherView(
      x,
      x.shape.flatMap((size, i) => [repeats[i] as number, size]),
      view,
    );
    return { ...repeated, shape: shape };
  },
  onnx: { opType: 'Tile', since: 6, readSince: 6, inputs: ['input'], inputsSince: { repeats: 1 } },
});

/** ONNX Pad: https://onnx.ai/onnx/operators/onnx__Pad.html */
export const nnPad = defineOp({
  name: 'nn.pad',
  doc: 'x with pads[i] more positions before and pads[rank + i] after axis i; negative ones are cropped first. They are filled with `value` (0 when absent), mirrored without repeating the edge (reflect), with the edge, or periodically (wrap).',
  operands: { x: any, value: optional(any) },
  attrs: { pads: attr.dims(), mode: attr.oneOfOr('constant', 'constant', 'reflect', 'edge', 'wrap') },
  results: likeX,
  traits: ['movement'],
  infer({ x, value }, { pads, mode }, refuse) {
    const rank = x.shape.length;
    if (pads.length !== 2 * rank) refuse(`pads should have ${2 * rank} entries, but have ${pads.length}`);
    if (value && (value.dtype !== x.dtype || elementsOf(value.shape) !== 1))
      refuse(`the value should be one ${x.dtype}, but is ${formatType(value)}`, 'value');
    const shape = x.shape.map((dim, i) => {
      const [begin, end] = [pads[i], pads[i + rank]];
      const cropped = addDims(dim, addDims(minDims(begin, 0), minDims(end, 0)));
      if (typeof cropped === 'number' && cropped < 0) refuse(`pads [${pads}] crop more than there is along axis ${i}`);
      const size = addDims(dim, addDims(begin, end));
      if (mode !== 'constant' && cropped === 0 && size !== 0) refuse(`there is nothing along axis ${i} to pad with`);
      return size;
    });
    return { dtype: x.dtype, shape };
  },
  evaluate: ({ x, value }, { pads, mode }, [{ shape }]) => padded(x, shape, pads as readonly number[], mode, value),
});

/** ONNX Shape: https://onnx.ai/onnx/operators/onnx__Shape.html */
export const nnShape = defineOp({
  name: 'nn.shape',
  doc: 'The sizes of x, as s64[rank].',
  operands: { x: any },
  attrs: {},
  results: { y: ['s64'] },
  infer: ({ x }) => ({ dtype: 's64', shape: [x.shape.length] }),
  evaluate: ({ x }) => tensor('s64', x.shape.map(BigInt)),
});

/** `[N, C, H, W]` with the sizes that a block of b×b asks for. */
function blocked(shape: Shape, block: number, channels: (c: Dim, square: number) => Dim): Dim[] {
  return [shape[0], channels(shape[1], block * block)];
}

/** ONNX DepthToSpace: https://onnx.ai/onnx/operators/onnx__DepthToSpace.html */
export const nnDepthToSpace = defineOp({
  name: 'nn.depth_to_space',
  doc: 'x: [N, C, H, W] to [N, C/b², H·b, W·b]. DCR: channel (i, j, c) goes to row offset i and column offset j of channel c; CRD: channel (c, i, j).',
  operands: { x: any },
  attrs: { block: attr.int(), mode: attr.oneOfOr('DCR', 'DCR', 'CRD') },
  results: likeX,
  traits: ['movement'],
  infer({ x }, { block }, refuse) {
    const [, c, h, w] = x.shape;
    if (x.shape.length !== 4 || block < 1) return refuse('needs [N, C, H, W] and a positive block', 'x');
    if (typeof c === 'number' && c % block ** 2 !== 0)
      refuse(`${c} channels do not make blocks of ${block}x${block}`, 'x');
    return { dtype: x.dtype, shape: [...blocked(x.shape, block, divDims), mulDims(h, block), mulDims(w, block)] };
  },
  evaluate({ x }, { block: b, mode }, [{ shape }]) {
    const [n, c, h, w] = x.shape;
    const split: ITensor = {
      ...x,
      shape: mode === 'DCR' ? [n, b, b, c / (b * b), h, w] : [n, c / (b * b), b, b, h, w],
    };
    return { ...transposed(split, mode === 'DCR' ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3]), shape: shape };
  },
  onnx: {
    opType: 'DepthToSpace',
    inputs: ['input'],
    attributes: { block: { name: 'blocksize' }, mode: { since: 11 } },
    wider: 'blocks',
  },
});

/** ONNX SpaceToDepth: https://onnx.ai/onnx/operators/onnx__SpaceToDepth.html */
export const nnSpaceToDepth = defineOp({
  name: 'nn.space_to_depth',
  doc: 'x: [N, C, H, W] to [N, C·b², H/b, W/b]; the inverse of depth_to_space in mode DCR.',
  operands: { x: any },
  attrs: { block: attr.int() },
  results: likeX,
  traits: ['movement'],
  infer({ x }, { block }, refuse) {
    const [, , h, w] = x.shape;
    if (x.shape.length !== 4 || block < 1) return refuse('needs [N, C, H, W] and a positive block', 'x');
    if ([h, w].some((dim) => typeof dim === 'number' && dim % block !== 0))
      refuse(`${h}x${w} does not divide into blocks of ${block}x${block}`, 'x');
    return { dtype: x.dtype, shape: [...blocked(x.shape, block, mulDims), divDims(h, block), divDims(w, block)] };
  },
  evaluate({ x }, { block: b }, [{ shape }]) {
    const [n, c, h, w] = x.shape;
    const split: ITensor = { ...x, shape: [n, c, h / b, b, w / b, b] };
    return { ...transposed(split, [0, 3, 5, 1, 2, 4]), shape: shape };
  },
  onnx: { opType: 'SpaceToDepth', inputs: ['input'], attributes: { block: { name: 'blocksize' } }, wider: 'blocks' },
});
