/** nn.pad. Pad takes integers and its lists as inputs since version 11; before, 8-bit integers are padded as f32. */
import { leastOf } from '../../../ir/dims.ts';
import { type ITensor, isStatic, numbersOf, type Shape, type ValueId } from '../../../ir/index.ts';
import { type Attributes, castTo, float, ints, type NodeEmitter, text, type Written } from '../node_emitter.ts';
import { sizeList } from './sizes.ts';

/** A u8 tensor with more around it, filled with a u8 constant. */
export function padded(e: NodeEmitter, x: string, pads: readonly number[], value: string): string {
  if (e.opset >= 11) return e.add('Pad', [x, e.list(pads, 'pads'), value]);
  const filled = e.add('Sub', [e.cast(x, 'f32'), e.cast(value, 'f32')]);
  return e.cast(e.add('Add', [floatsPadded(e, filled, pads), e.cast(value, 'f32')]), 'u8');
}

/** A float tensor with zeros around it. */
export const floatsPadded = (e: NodeEmitter, x: string, pads: readonly number[]): string =>
  e.opset >= 11 ? e.add('Pad', [x, e.list(pads, 'pads')]) : e.add('Pad', [x], { pads: ints(pads) });

export function pad(e: NodeEmitter): Written {
  const { dtype, shape } = e.type(0);
  const mode = e.attr<string>('mode');
  if (mode === 'wrap') e.since(19, 'the mode wrap');
  const given = e.attr<Shape>('pads');
  if (!isStatic(given)) return padBySizes(e, given, mode);
  const pads = given;
  const source = cropped(e, e.input(0), pads, shape.length);
  const added = pads.map((count) => Math.max(0, count));
  const attributes = { mode: text(mode) };
  const value = mode === 'constant' && e.has(1) ? (e.node.operands[1] as ValueId) : undefined;
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
  const old = { ...attributes, pads: ints(added), ...(constant && { value: float(only(constant)) }) };
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
function padBySizes(e: NodeEmitter, pads: Shape, mode: string): Written {
  e.since(11, 'pads that follow from sizes');
  const { dtype } = e.type(0);
  if (pads.some((count) => leastOf(count) < 0)) e.refuse(`a size may make one of the pads [${pads}] negative`);
  const isWide = dtype === 'u16' || dtype === 's16';
  const as = (x: string) => (isWide && x !== '' ? e.cast(x, 's32') : x);
  const value = mode === 'constant' && e.has(1) ? e.reshaped(e.node.operands[1] as ValueId, []) : '';
  const inputs = [as(e.input(0)), sizeList(e, pads, 'pads'), as(value)];
  const attributes = { mode: text(mode) };
  return isWide
    ? e.finish('Cast', [e.add('Pad', inputs, attributes)], castTo(dtype))
    : e.finish('Pad', inputs, attributes);
}

const only = (constant: ITensor): number => numbersOf(constant)[0];

/** What negative pads leave: they crop before anything is added. */
function cropped(e: NodeEmitter, x: string, pads: readonly number[], rank: number): string {
  const axes = Array.from({ length: rank }, (_, i) => i).filter((axis) => pads[axis] < 0 || pads[axis + rank] < 0);
  if (axes.length === 0) return x;
  const starts = axes.map((axis) => Math.max(0, -pads[axis]));
  const ends = axes.map((axis) => (pads[axis + rank] < 0 ? pads[axis + rank] : 2 ** 31 - 1));
  return sliced(e, x, { starts, ends, axes, steps: axes.map(() => 1) });
}

export interface SliceAttrs {
  readonly starts: Shape;
  readonly ends: Shape;
  readonly axes: readonly number[];
  readonly steps: readonly number[];
}

/** The inputs and attributes of a Slice: attributes without steps before version 10. */
export function sliceParts(
  e: NodeEmitter,
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

export function sliced(e: NodeEmitter, x: string, attrs: SliceAttrs): string {
  const { inputs, attributes } = sliceParts(e, attrs);
  return e.add('Slice', [x, ...inputs], attributes);
}
