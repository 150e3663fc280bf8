/** Operators that rearrange whole tensors, join them and take them apart: y[p] = x[q(p)]. */
import { sizeOf, tensor } from '../../src/tensors/index.ts';
import { type Draw, once, pick } from '../fuzz/draw.ts';
import {
  any,
  between,
  type Case,
  caseOf,
  constant,
  made,
  negativeOrNot,
  operand,
  permutation,
  read,
  shapeOf,
  x,
} from './drawn.ts';

export const drawnMoves: Record<string, (draw: Draw) => Case> = {
  TRANSPOSE(draw) {
    const value = any(draw);
    const rank = value.shape.length;
    const perm =
      rank === 4 && once(draw, 3)
        ? pick(draw, [
            [0, 3, 1, 2],
            [0, 2, 3, 1],
          ])
        : permutation(draw, rank);
    const shape = perm.map((axis) => value.shape[axis]);
    const y = made(value, shape, (p) =>
      read(
        value,
        perm.map((_, axis) => p[perm.indexOf(axis)]),
      ),
    );
    return caseOf('TRANSPOSE', [x(value), constant(perm)], [y]);
  },
  SQUEEZE(draw) {
    const shape = shapeOf(draw).map((size) => (once(draw, 2) ? 1 : size));
    const value = operand(draw, shape);
    const ones = shape.flatMap((size, axis) => (size === 1 ? [axis] : []));
    const chosen = ones.filter(() => once(draw, 2));
    const dropped = chosen.length > 0 ? chosen : ones;
    const kept = [...shape.keys()].filter((axis) => !dropped.includes(axis));
    const y = { ...value, shape: kept.map((axis) => shape[axis]) };
    const dims = chosen.map((axis) => negativeOrNot(draw, axis, shape.length));
    return caseOf('SQUEEZE', [x(value)], [y], { number: 30, fields: [[0, dims]] });
  },
  EXPAND_DIMS(draw) {
    const value = any(draw, [1, 2, 3, 4, 4]);
    const rank = value.shape.length;
    const axis = draw(rank + 1);
    const y = { ...value, shape: value.shape.toSpliced(axis, 0, 1) };
    return caseOf('EXPAND_DIMS', [x(value), constant([negativeOrNot(draw, axis, rank + 1)])], [y]);
  },
  RESHAPE(draw) {
    const value = any(draw, [4]);
    const [a, b, c, d] = value.shape;
    const shape = pick(draw, [[a, b * c * d], [a * b, c, d], [d, c, b, a], [a * b * c * d], [a, 1, b, c, d]]);
    const asked = once(draw, 2) ? shape.with(draw(shape.length), -1) : shape;
    return caseOf('RESHAPE', [x(value), constant(asked)], [{ ...value, shape }]);
  },
  TILE(draw) {
    const value = any(draw);
    const times = value.shape.map(() => between(draw, 1, 3));
    const shape = value.shape.map((size, axis) => size * times[axis]);
    const y = made(value, shape, (p) =>
      read(
        value,
        p.map((at, axis) => at % value.shape[axis]),
      ),
    );
    return caseOf('TILE', [x(value), constant(times)], [y]);
  },
  BROADCAST_TO(draw) {
    const shape = shapeOf(draw);
    const own = shape.slice(once(draw, 2) ? draw(shape.length) : 0).map((size) => (once(draw, 2) ? 1 : size));
    const value = operand(draw, own);
    const y = made(value, shape, (p) =>
      read(
        value,
        p.slice(shape.length - own.length).map((at, axis) => (own[axis] === 1 ? 0 : at)),
      ),
    );
    return caseOf('BROADCAST_TO', [x(value), constant(shape)], [y]);
  },
  REVERSE_V2(draw) {
    const value = any(draw);
    const axes = [...value.shape.keys()].filter(() => once(draw, 2));
    const y = made(value, value.shape, (p) =>
      read(
        value,
        p.map((at, axis) => (axes.includes(axis) ? value.shape[axis] - 1 - at : at)),
      ),
    );
    return caseOf('REVERSE_V2', [x(value), constant(axes)], [y]);
  },
  CONCATENATION(draw) {
    const first = any(draw);
    const rank = first.shape.length;
    const axis = draw(rank);
    const { dtype } = first;
    const more = Array.from({ length: draw(3) }, () => {
      const shape = first.shape.with(axis, between(draw, 1, 3));
      return tensor(
        dtype,
        Array.from({ length: sizeOf(shape) }, () => draw(100)),
        shape,
      );
    });
    const parts = [first, ...more];
    const size = parts.reduce((sum, { shape }) => sum + shape[axis], 0);
    const y = made(first, first.shape.with(axis, size), (p) => {
      let at = p[axis];
      for (const part of parts) {
        if (at < part.shape[axis]) return read(part, p.with(axis, at));
        at -= part.shape[axis];
      }
      return Number.NaN;
    });
    const options = { number: 10, fields: [[0, negativeOrNot(draw, axis, rank)] as const] };
    const operands = parts.map((value) => ({ ...x(value), isConstant: once(draw, 4) }));
    return caseOf('CONCATENATION', [{ ...operands[0], isConstant: false }, ...operands.slice(1)], [y], options);
  },
  PACK(draw) {
    const first = any(draw, [1, 2, 3, 4, 4]);
    const rank = first.shape.length;
    const axis = draw(rank + 1);
    const parts = [first, ...Array.from({ length: draw(3) }, () => made(first, first.shape, () => draw(100)))];
    const shape = first.shape.toSpliced(axis, 0, parts.length);
    const y = made(first, shape, (p) => read(parts[p[axis]], p.toSpliced(axis, 1)));
    const fields = [[0, parts.length] as const, [1, negativeOrNot(draw, axis, rank + 1)] as const];
    return caseOf('PACK', parts.map(x), [y], { number: 59, fields });
  },
  UNPACK(draw) {
    const value = any(draw, [2, 3, 4, 4, 5]);
    const rank = value.shape.length;
    const axis = draw(rank);
    const count = value.shape[axis];
    const parts = Array.from({ length: count }, (_, i) =>
      made(value, value.shape.toSpliced(axis, 1), (p) => read(value, p.toSpliced(axis, 0, i))),
    );
    const fields = [[0, count] as const, [1, negativeOrNot(draw, axis, rank)] as const];
    return caseOf('UNPACK', [x(value)], parts, { number: 64, fields });
  },
  SPLIT(draw) {
    const shape = shapeOf(draw, 3);
    const [axis, count] = [draw(shape.length), between(draw, 1, 3)];
    const value = operand(draw, shape.with(axis, shape[axis] * count));
    const parts = Array.from({ length: count }, (_, i) =>
      made(value, shape, (p) => read(value, p.with(axis, i * shape[axis] + p[axis]))),
    );
    return caseOf('SPLIT', [constant([negativeOrNot(draw, axis, shape.length)], []), x(value)], parts, {
      number: 35,
      fields: [[0, count]],
    });
  },
  SPLIT_V(draw) {
    const shape = shapeOf(draw, 3);
    const axis = draw(shape.length);
    const sizes = Array.from({ length: between(draw, 1, 3) }, () => between(draw, 1, 3));
    const value = operand(
      draw,
      shape.with(
        axis,
        sizes.reduce((a, b) => a + b, 0),
      ),
    );
    const starts = sizes.map((_, i) => sizes.slice(0, i).reduce((a, b) => a + b, 0));
    const parts = sizes.map((size, i) =>
      made(value, shape.with(axis, size), (p) => read(value, p.with(axis, starts[i] + p[axis]))),
    );
    const asked = once(draw, 2) ? sizes.with(draw(sizes.length), -1) : sizes;
    return caseOf('SPLIT_V', [x(value), constant(asked), constant([axis], [])], parts);
  },
};
