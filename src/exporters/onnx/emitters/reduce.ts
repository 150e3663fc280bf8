/** ReduceMax and ReduceMin. */
import { dtypes, type nnReduceMax, type nnReduceMin } from '../../../ir/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import { castTo, type Written } from '../node_writer.ts';
import { partsOf } from './by_form.ts';
import { clipped } from './elements.ts';

/** The extreme of no elements is that of the wider type. */
export function extreme(e: NodeEmitter<typeof nnReduceMax | typeof nnReduceMin>): Written | undefined {
  const { dtype, shape } = e.typeOf(e.view.x);
  const { axes } = e.view.attrs;
  const isEmpty = axes.length === 0 ? shape.includes(0) : axes.some((axis) => shape.at(axis) === 0);
  if (!isEmpty) return undefined;
  const { opType, inputs, attributes, wider } = partsOf(e);
  if (wider === undefined) return e.finish(opType, inputs, attributes);
  const { min, max } = dtypes[dtype];
  return e.finish('Cast', [clipped(e, e.add(opType, inputs, attributes), wider, min, max)], castTo(dtype));
}
