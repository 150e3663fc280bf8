import { atChannel, sizeOf } from '../../tensors/index.ts';
import { attr, defineOp, optional, tensorOf } from '../define_op.ts';
import { elementsOf } from '../dims.ts';
import { checkEpilogue, checkPerChannel, epilogue, epilogueAttrs, epilogueTypes, floatSteps } from './epilogue.ts';

/** The epilogue alone, for accumulators that need int32 arithmetic to the end: our own kernel. */
export const dnnlRequantize = defineOp({
  name: 'dnnl.requantize',
  doc: 'v = x + bias[c] + map[c,p] + row[n,g(c),p]·column[c] (int32, wrapping), g(c) = ⌊c·groups/C⌋; y = v or clamp(round(t·multiplier[c]) + zeroPoint, low, high), t = v after the float steps scale and offset (see epilogue.ts). The arithmetic is that of the multiplier: f32, f64, or fixed point in s32 with `shift` (see qnn.requantize); only f32 takes float steps. x: s32[N,C,spatial…] with channels on `axis`, row: s32[N,groups,spatial…], column: s32[C].',
  level: 'dnnl',
  operands: {
    x: tensorOf('s32'),
    bias: optional(tensorOf('s32')),
    map: optional(tensorOf('s32')),
    row: optional(tensorOf('s32')),
    column: optional(tensorOf('s32')),
    multiplier: optional(tensorOf('f32', 'f64', 's32')),
    ...floatSteps,
    shift: optional(tensorOf('s32')),
  },
  attrs: {
    ...epilogueAttrs,
    axis: attr.int(1),
    rounding: attr.oneOfOr('half-even', 'half-even', 'half-up', 'half-away'),
  },
  results: { y: epilogueTypes },
  infer({ x, map, row, column, ...types }, attrs, refuse) {
    const { axis, to } = attrs;
    if (axis < 0 || axis >= x.shape.length) refuse(`axis ${axis} is outside of rank ${x.shape.length}`);
    const channels = x.shape[axis];
    checkEpilogue(types, channels, attrs, refuse);
    checkPerChannel(column, channels, 'column', refuse);
    const { multiplier, shift, scale, offset } = types;
    const fixed = multiplier?.dtype === 's32';
    if ((shift !== undefined) !== fixed)
      refuse(`a multiplier of type ${multiplier?.dtype} ${shift ? 'takes no' : 'needs a'} shift`, 'shift');
    if (multiplier?.dtype !== 'f32' && (scale || offset)) refuse('only f32 takes float steps', 'multiplier');
    if (map && elementsOf(map.shape) !== elementsOf(x.shape.slice(axis)))
      refuse(`'map' should cover [${x.shape.slice(axis)}]`, 'map');
    if ((row === undefined) !== (column === undefined)) refuse("'row' and 'column' come together", 'row');
    if (row && (row.shape.length !== x.shape.length || row.shape.some((d, i) => i !== axis && d !== x.shape[i])))
      refuse(`'row' has shape [${row.shape}]`, 'row');
    return { dtype: to, shape: x.shape };
  },
  evaluate({ x, row, column, ...rest }, attrs) {
    const channels = x.shape[attrs.axis];
    const inner = sizeOf(x.shape.slice(attrs.axis + 1));
    const sums = Float64Array.from(x.data);
    if (row && column) {
      const groups = row.shape[attrs.axis];
      for (let i = 0; i < sums.length; i++) {
        const c = Math.floor(i / inner) % channels;
        const n = Math.floor(i / (inner * channels));
        const r = row.data[(n * groups + Math.floor((c * groups) / channels)) * inner + (i % inner)];
        sums[i] += Math.imul(r, atChannel(column.data, c));
      }
    }
    return { dtype: attrs.to, shape: x.shape, data: epilogue(sums, channels, inner, rest, attrs, attrs.rounding) };
  },
});
