/** qnn.linear_resize: four neighbours are gathered, weighted and rounded; integers are exact in f64, the floats are those of the recipe. */
import { dtypes, type qnnLinearResize, tensor } from '../../../ir/index.ts';
import { byteResize, type ResizeAxis } from '../../../numerics/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import { castTo, int, type Written } from '../node_writer.ts';
import { clipped, rounded } from './elements.ts';

export function linearResize(e: NodeEmitter<typeof qnnLinearResize>): Written {
  const { x, attrs } = e.view;
  const { dtype } = e.resultType;
  const shape = e.known(e.typeOf(x).shape);
  const how = byteResize(
    attrs.recipe,
    e.resultType.dtype,
    attrs.coordinates,
    shape.slice(attrs.axis, attrs.axis + 2),
    attrs.sizes,
  );
  const sum =
    how.rounding === 'in-f32'
      ? floatSum(e, how.rows, how.columns)
      : e.cast(integerSum(e, how.rows, how.columns), 'f64');
  if (how.rounding === 'in-f32') return e.finish('Cast', [e.add('Add', [sum, e.scalar('f32', 0.5)])], castTo(dtype));
  const quotient = e.add('Mul', [sum, e.scalar('f64', how.rows.unit ** -2)]);
  const { min, max } = dtypes[dtype];
  return e.finish('Cast', [clipped(e, rounded(e, quotient, how.rounding), 'f64', min, max)], castTo(dtype));
}

type Emitter = NodeEmitter<typeof qnnLinearResize>;

const gathered = (e: Emitter, x: string, axis: number, places: readonly number[], name: string): string =>
  e.add('Gather', [x, e.constant(tensor('s64', places.map(BigInt)), `${e.node.id}.${name}`)], { axis: int(axis) });

/** A weight for each position along an axis. */
function along(e: Emitter, dtype: 's32' | 'f32', axis: number, weights: readonly number[], name: string): string {
  const after = e.known(e.resultType.shape).length - 1 - axis;
  return e.constant(tensor(dtype, weights, [weights.length, ...Array<number>(after).fill(1)]), `${e.node.id}.${name}`);
}

/** Along one axis, then along the other. */
function integerSum(e: Emitter, rows: ResizeAxis, columns: ResizeAxis): string {
  const { x, attrs } = e.view;
  const weighted = (of: string, axis: number, { low, high, weight, unit }: ResizeAxis, name: string): string => {
    const term = (places: readonly number[], weights: readonly number[], end: string) =>
      e.add('Mul', [
        gathered(e, of, axis, places, `${name}_${end}`),
        along(e, 's32', axis, weights, `${name}_${end}_weights`),
      ]);
    const rest = weight.map((w) => unit - w);
    return e.add('Add', [term(low, rest, 'low'), term(high, weight, 'high')]);
  };
  return weighted(weighted(e.cast(e.value(x), 's32'), attrs.axis, rows, 'rows'), attrs.axis + 1, columns, 'columns');
}

/** Each neighbour by the weight of its row, then of its column, in the order of the reference kernel. */
function floatSum(e: Emitter, rows: ResizeAxis, columns: ResizeAxis): string {
  const { x, attrs } = e.view;
  const real = e.cast(e.value(x), 'f32');
  const rest = (weights: readonly number[]) => weights.map((w) => Math.fround(1 - w));
  const [down, right] = [attrs.axis, attrs.axis + 1];
  const corner = (isLower: boolean, isRight: boolean): string => {
    const [row, column] = [isLower ? 'low' : 'top', isRight ? 'right' : 'left'];
    const ofRow = gathered(e, real, down, isLower ? rows.high : rows.low, `${row}_of_${column}`);
    const cell = gathered(e, ofRow, right, isRight ? columns.high : columns.low, `${column}_of_${row}`);
    const inRow = e.add('Mul', [
      cell,
      along(e, 'f32', down, isLower ? rows.weight : rest(rows.weight), `${row}_weights_of_${column}`),
    ]);
    const inColumn = along(
      e,
      'f32',
      right,
      isRight ? columns.weight : rest(columns.weight),
      `${column}_weights_of_${row}`,
    );
    return e.add('Mul', [inRow, inColumn]);
  };
  return [corner(false, false), corner(true, false), corner(false, true), corner(true, true)].reduce((a, b) =>
    e.add('Add', [a, b]),
  );
}
