/**
 * Tensors in either layout. TensorFlow Lite puts channels last ([N, H, W, C]), the IR first ([N, C, H, W]); a value is held in the
 * layout in which it was computed, and the other one is made when somebody asks for it.
 */

import { InternalError } from '../../diagnostics/index.ts';
import { type AnyValue, isComputable, type Shape, type Value, valueId } from '../../ir/index.ts';
import type { ImportEmitter } from '../kit/import_emitter.ts';

export type Layout = 'last' | 'first';

/** The least rank at which layouts differ: a batch, one spatial axis, channels. */
export const LEAST_RANK = 3;

/** The permutation into a layout, for nn.transpose. */
export function permutationTo(layout: Layout, rank: number): readonly number[] {
  const spatial = Array.from({ length: rank - 2 }, (_, i) => i + 1);
  return layout === 'first' ? [0, rank - 1, ...spatial] : [0, ...spatial.map((axis) => axis + 1), 1];
}

/** The place of an axis of [N, H, W, C] in a layout. */
export const axisIn = (layout: Layout, rank: number, axis: number): number =>
  layout === 'last' || rank < LEAST_RANK ? axis : permutationTo('first', rank).indexOf(axis);

/** One entry for each axis of [N, H, W, C], in the order of a layout. */
export const inLayout = <T>(layout: Layout, entries: readonly T[]): readonly T[] =>
  layout === 'last' || entries.length < LEAST_RANK
    ? entries
    : permutationTo('first', entries.length).map((axis) => entries[axis]);

/** The shape with channels last of a value in a layout. */
export const shapeWithChannelsLast = (layout: Layout, shape: Shape): Shape =>
  layout === 'last' || shape.length < LEAST_RANK
    ? shape
    : permutationTo('last', shape.length).map((axis) => shape[axis]);

/** A tensor of the file as it stands in the graph, in one layout or in both. */
export class Placed {
  readonly #name: string;
  readonly #layout: Layout;
  readonly #value: AnyValue;
  #other: Value | undefined;

  /** `name` is that of the tensor; `value` has the layout in which it was computed. */
  constructor(name: string, layout: Layout, value: AnyValue) {
    this.#name = name;
    this.#layout = layout;
    this.#value = value;
  }

  /** With channels last. */
  get shape(): Shape {
    return shapeWithChannelsLast(this.#layout, this.#value.type.shape);
  }

  get dtype(): AnyValue['type']['dtype'] {
    return this.#value.type.dtype;
  }

  /** The layout in which it was computed; `last` where layouts do not differ. */
  get layout(): Layout {
    return this.#value.type.shape.length < LEAST_RANK ? 'last' : this.#layout;
  }

  /** The value in a layout, when it is there already. */
  known(layout: Layout): AnyValue | undefined {
    const isEither = this.#layout === layout || this.#value.type.shape.length < LEAST_RANK;
    return isEither ? this.#value : this.#other;
  }

  /** The value in the layout that is not there yet, and a name for it. */
  make(layout: Layout, ctx: ImportEmitter): { readonly value: Value; readonly name: string } {
    const value = this.#value;
    if (!isComputable(value)) throw new InternalError(`'${this.#name}' is carried and has no layout`);
    const made = moved(ctx, value, permutationTo(layout, value.type.shape.length));
    return { value: made, name: layout === 'last' ? `${this.#name}:channels_last` : `${this.#name}:channels_first` };
  }

  /** Remembers the value of the other layout under the name that it has in the graph. */
  remember({ type }: Value, name: string): void {
    this.#other = { id: valueId(name), type };
  }
}

/** A transposition; a reshape where it moves axes of one position only. */
export function moved(ctx: ImportEmitter, x: Value, perm: readonly number[]): Value {
  const { shape } = x.type;
  const long = perm.filter((axis) => shape[axis] !== 1);
  const staysInOrder = long.every((axis, i) => i === 0 || axis > long[i - 1]);
  return staysInOrder
    ? ctx.reshape(
        x,
        perm.map((axis) => shape[axis]),
      )
    : ctx.transpose(x, perm);
}
