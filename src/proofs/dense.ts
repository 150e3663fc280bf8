/** Dense values at other positions than their own. */
import { stridesOf } from '../ir/index.ts';
import { type Dense, placesIn, range, unsupported } from './terms.ts';

/** The elements of `v` at each position of `at`, row major; sizes of 1 are broadcast. */
export function picked(v: Dense, at: readonly Int32Array[]): Float64Array {
  const lead = at.length - v.shape.length;
  if (lead === 0 && v.at.every((list, axis) => sameList(list, at[axis]))) return v.data;
  const lists = at.map((list, axis) =>
    axis < lead || v.shape[axis - lead] === 1
      ? new Int32Array(list.length)
      : placesOf(v.at[axis - lead], list, v.shape[axis - lead]),
  );
  const strides = stridesOf(v.at.map((list) => list.length));
  const places = placesIn(lists, [...Array<number>(lead).fill(0), ...strides]);
  const out = new Float64Array(places.length);
  for (let i = 0; i < out.length; i++) out[i] = v.data[places[i]];
  return out;
}

/** The places of the wanted coordinates in a list of coordinates below `size`. */
function placesOf(list: Int32Array, wanted: Int32Array, size: number): Int32Array {
  if (sameList(list, range(size))) return wanted;
  const place = new Int32Array(size).fill(-1);
  for (let i = 0; i < list.length; i++) place[list[i]] = i;
  const places = wanted.map((coordinate) => place[coordinate]);
  return places.includes(-1) ? unsupported('positions that do not correspond') : places;
}

const sameList = (a: Int32Array, b: Int32Array): boolean =>
  a === b || (a.length === b.length && a.every((v, i) => v === b[i]));
