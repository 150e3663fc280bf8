/** qnn.dynamic_quantize_rows, spelled out: the recipes of numerics/dynamic_rows.ts. Quotients are taken in binary64 and rounded once. */
import type { qnnDynamicQuantizeRows } from '../../../ir/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import { castTo, int, ints, type Written } from '../node_writer.ts';
import { clipped, rounded } from './elements.ts';

type Rows = NodeEmitter<typeof qnnDynamicQuantizeRows>;

/** Parameters of the rows, each [M,1], and the integers as floats. */
interface RowParts {
  readonly scale: string;
  readonly zeroPoint: string;
  readonly q: string;
}

export function dynamicQuantizeRows(e: Rows): Written {
  const { y, scale, zp, attrs } = e.view;
  const made = { symmetric, asymmetric, xnnpack }[attrs.recipe](e);
  e.part(scale, 'Reshape', [made.scale, e.list([-1], 'rows')]);
  e.part(zp, 'Reshape', [e.cast(made.zeroPoint, 's8'), e.list([-1], 'rows')]);
  e.part(y, 'Cast', [made.q], castTo('s8'));
  return e.written;
}

const f32 = (e: Rows, value: number): string => e.scalar('f32', value);
const f64 = (e: Rows, value: number): string => e.scalar('f64', value);

/** The end of the range of each row, [M,1]. */
const endOf = (e: Rows, which: 'Min' | 'Max', x: string): string =>
  e.add(which, [e.add(`Reduce${which}`, [x], { axes: ints([1]), keepdims: int(1) }), f32(e, 0)]);

/** fl(a/b) of binary32 numbers. */
const quotient = (e: Rows, a: string, b: string): string =>
  e.cast(e.add('Div', [e.cast(a, 'f64'), e.cast(b, 'f64')]), 'f32');

/** `instead` where the range is 0. */
function guarded(e: Rows, range: string): { range: string; orElse(x: string, instead: string): string } {
  const isEmpty = e.add('Equal', [range, f32(e, 0)]);
  return {
    range: e.add('Where', [isEmpty, f32(e, 1), range]),
    orElse: (x, instead) => e.add('Where', [isEmpty, instead, x]),
  };
}

function symmetric(e: Rows): RowParts {
  const x = e.value(e.view.x);
  const { range, orElse } = guarded(e, endOf(e, 'Max', e.add('Abs', [x])));
  const steps = e.cast(e.add('Mul', [x, quotient(e, f32(e, 127), range)]), 'f64');
  return {
    scale: orElse(quotient(e, range, f32(e, 127)), f32(e, 1)),
    zeroPoint: e.add('Mul', [range, f32(e, 0)]),
    q: clipped(e, rounded(e, steps, 'half-away'), 'f64', -127, 127),
  };
}

function asymmetric(e: Rows): RowParts {
  const x = e.value(e.view.x);
  const ends = [endOf(e, 'Min', x), endOf(e, 'Max', x)];
  const whole = e.add('Div', [e.cast(e.add('Sub', ends.toReversed()), 'f64'), f64(e, 255)]);
  const isEmpty = e.add('Equal', [whole, f64(e, 0)]);
  const step = e.add('Where', [isEmpty, f64(e, 1), whole]);
  const [below, above] = ends.map((end) => e.add('Div', [e.cast(end, 'f64'), step]));
  const errors = [
    e.add('Add', [f64(e, 128), e.add('Abs', [below])]),
    e.add('Add', [f64(e, 127), e.add('Abs', [above])]),
  ];
  const fromEnds = [e.add('Sub', [f64(e, -128), below]), e.add('Sub', [f64(e, 127), above])];
  const chosen = clipped(e, e.add('Where', [e.add('Less', errors), ...fromEnds]), 'f64', -128, 127);
  const zeroPoint = e.add('Where', [isEmpty, f64(e, 0), rounded(e, chosen, 'half-away')]);
  const scale = e.cast(step, 'f32');
  const steps = e.cast(e.add('Mul', [x, quotient(e, f32(e, 1), scale)]), 'f64');
  const q = clipped(e, e.add('Add', [rounded(e, steps, 'half-away'), zeroPoint]), 'f64', -128, 127);
  return { scale, zeroPoint, q };
}

function xnnpack(e: Rows): RowParts {
  const x = e.value(e.view.x);
  const [least, most] = [endOf(e, 'Min', x), endOf(e, 'Max', x)];
  const { range, orElse } = guarded(e, e.add('Sub', [most, least]));
  const steps = orElse(quotient(e, f32(e, 255), range), f32(e, 1));
  const [low, high] = [least, most].map((end) => e.add('Mul', [end, steps]));
  const errors = e.add('Add', [e.add('Add', [f32(e, -128), low]), e.add('Add', [f32(e, 127), high])]);
  const fromEnds = [e.add('Sub', [f32(e, -128), low]), e.add('Sub', [f32(e, 127), high])];
  const chosen = e.add('Where', [e.add('Greater', [errors, f32(e, 0)]), ...fromEnds]);
  const zeroPoint = rounded(e, e.cast(clipped(e, chosen, 'f32', -128, 127), 'f64'), 'half-even');
  const whole = rounded(e, e.cast(e.add('Mul', [x, steps]), 'f64'), 'half-even');
  const q = clipped(e, e.add('Add', [whole, zeroPoint]), 'f64', -128, 127);
  return { scale: quotient(e, f32(e, 1), steps), zeroPoint, q };
}
