/** nn.pad. Pad takes integers and its lists as inputs since version 11; before, 8-bit integers are padded as f32. */
import { isStatic, leastOf, type nnPad, type nnSlice, numbersOf, type Shape, type View } from '../../../ir/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import { type Attributes, castTo, float, ints, type NodeWriter, text, type Written } from '../node_writer.ts';
import { sizeList } from './sizes.ts';

/** A u8 tensor with more around it, filled with a u8 constant. */
export function padded(e: NodeWriter, x: string, pads: readonly number[], value: string): string {
  if (e.opset >= 11) return e.share('Pad', [x, e.list(pads, 'pads'), value]);
  const filled = e.add('Sub', [e.cast(x, 'f32'), e.cast(value, 'f32')]);
  return e.cast(e.add('Add', [floatsPadded(e, filled, pads), e.cast(value, 'f32')]), 'u8');
}

/** A float tensor with zeros around it. */
export const floatsPadded = (e: NodeWriter, x: string, pads: readonly number[]): string =>
  e.opset >= 11 ? e.add('Pad', [x, e.list(pads, 'pads')]) : e.add('Pad', [x], { pads: ints(pads) });

export function pad(e: NodeEmitter<typeof nnPad>): Written {
  const { x, attrs } = e.view;
  const { mode, pads } = attrs;
  if (mode === 'wrap') e.since(19, 'the mode wrap');
  if (!isStatic(pads)) return padBySizes(e, pads);
  const { dtype, shape } = e.typeOf(x);
  const source = cropped(e, e.value(x), pads, shape.length);
  const added = pads.map((count) => Math.max(0, count));
  const attributes = { mode: text(mode) };
  const value = mode === 'constant' ? e.view.value : undefined;
  if (e.opset >= 11) {
    const isWide = dtype === 'u16' || dtype === 's16'; // not run by ONNX Runtime
    const filling = value === undefined ? '' : e.reshaped(value, []);
    if (!isWide) return e.finish('Pad', [source, e.list(added, 'pads'), filling], attributes);
    const wide = e.add(
      'Pad',
      [e.cast(source, 's32'), e.list(added, 'pads'), filling && e.cast(filling, 's32')],
      attributes,
    );
    return e.finish('Cast', [wide], castTo(dtype));
  }
  const constant = e.constantOf(value);
  const isComputed = value !== undefined && constant === undefined;
  const old = { ...attributes, pads: ints(added), ...(constant && { value: float(numbersOf(constant)[0]) }) };
  if (dtype === 'f32' || dtype === 'f64') {
    if (isComputed) e.since(11, `a Pad of ${dtype} with a computed value`);
    return e.finish('Pad', [source], old);
  }
  if (dtype === 's64' || dtype === 'u64' || dtype === 'bool') e.since(11, `a Pad of ${dtype}`);
  const wide = e.cast(source, 'f64');
  if (!isComputed) return e.finish('Cast', [e.add('Pad', [wide], old)], castTo(dtype));
  // pad(x, v) = pad(x − v, 0) + v: f64 holds every difference of 32-bit integers
  e.since(7, 'broadcasting');
  const filling = e.cast(e.value(value), 'f64');
  const moved = e.add('Pad', [e.add('Sub', [wide, filling])], old);
  return e.finish('Cast', [e.add('Add', [moved, filling])], castTo(dtype));
}

/** Pads that follow from sizes are not negative, and are an input since version 11. */
function padBySizes(e: NodeEmitter<typeof nnPad>, pads: Shape): Written {
  e.since(11, 'pads that follow from sizes');
  const { x, attrs } = e.view;
  const { mode } = attrs;
  const { dtype } = e.typeOf(x);
  if (pads.some((count) => leastOf(count) < 0)) e.refuse(`a size may make one of the pads [${pads}] negative`);
  const isWide = dtype === 'u16' || dtype === 's16';
  const as = (x: string) => (isWide && x !== '' ? e.cast(x, 's32') : x);
  const value = mode === 'constant' && e.view.value ? e.reshaped(e.view.value, []) : '';
  const inputs = [as(e.value(x)), sizeList(e, pads, 'pads'), as(value)];
  const attributes = { mode: text(mode) };
  return isWide
    ? e.finish('Cast', [e.add('Pad', inputs, attributes)], castTo(dtype))
    : e.finish('Pad', inputs, attributes);
}

/** Crops x by its negative pads. Cropping comes before anything is added. */
function cropped(e: NodeWriter, x: string, pads: readonly number[], rank: number): string {
  const axes = Array.from({ length: rank }, (_, i) => i).filter((axis) => pads[axis] < 0 || pads[axis + rank] < 0);
  if (axes.length === 0) return x;
  const starts = axes.map((axis) => Math.max(0, -pads[axis]));
  const ends = axes.map((axis) => (pads[axis + rank] < 0 ? pads[axis + rank] : 2 ** 31 - 1));
  return sliced(e, x, { starts, ends, axes, steps: axes.map(() => 1) });
}

export type SliceAttrs = View<typeof nnSlice>['attrs'];

/** The inputs and attributes of a Slice: attributes without steps before version 10. */
export function sliceParts(
  e: NodeWriter,
  { starts, ends, axes, steps }: SliceAttrs,
): { readonly inputs: readonly string[]; readonly attributes: Attributes } {
  if (e.opset >= 10) {
    const lists = [sizeList(e, starts, 'starts'), sizeList(e, ends, 'ends'), e.list(axes, 'axes')];
    return { inputs: steps.some((step) => step !== 1) ? [...lists, e.list(steps, 'steps')] : lists, attributes: {} };
  }
  if (steps.some((step) => step !== 1)) e.since(10, 'a Slice with steps');
  if (!isStatic(starts) || !isStatic(ends)) return e.since(10, 'a Slice by sizes') ?? e.refuse('a slice by sizes');
  return { inputs: [], attributes: { starts: ints(starts), ends: ints(ends), axes: ints(axes) } };
}

export function sliced(e: NodeWriter, x: string, attrs: SliceAttrs): string {
  const { inputs, attributes } = sliceParts(e, attrs);
  return e.add('Slice', [x, ...inputs], attributes);
}
