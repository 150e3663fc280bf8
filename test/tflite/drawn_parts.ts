/** Operators that take parts of tensors, surround them and deal with blocks: y[p] = x[q(p)]. */
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
  quantization,
  read,
  shapeOf,
  x,
} from './drawn.ts';

export const drawnParts: Record<string, (draw: Draw) => Case> = {
  SLICE(draw) {
    const value = any(draw);
    const begin = value.shape.map((size) => draw(size));
    const sizes = value.shape.map((size, axis) => between(draw, 1, size - begin[axis]));
    const asked = sizes.map((size, axis) => (begin[axis] + size === value.shape[axis] && once(draw, 2) ? -1 : size));
    const y = made(value, sizes, (p) =>
      read(
        value,
        p.map((at, axis) => begin[axis] + at),
      ),
    );
    return caseOf('SLICE', [x(value), constant(begin), constant(asked)], [y]);
  },
  STRIDED_SLICE(draw) {
    const value = operand(draw, shapeOf(draw, 5, [1, 2, 3, 4, 4]));
    const rank = value.shape.length;
    const named = between(draw, 1, rank);
    const ellipsisAt = named < rank && once(draw, 2) ? draw(named + 1) : -1;
    const masks = { begin: 0, end: 0, ellipsis: 0, new: 0, one: 0 };
    const lists: [number[], number[], number[]] = [[], [], []];
    const add = (begin: number, end: number, step: number): number => {
      for (const [i, entry] of [begin, end, step].entries()) lists[i].push(entry);
      return 1 << (lists[0].length - 1);
    };
    // the positions of each axis of the result in an axis of x, or a new axis
    const axes: { readonly axis?: number; readonly at: readonly number[] }[] = [];
    const fixed: [axis: number, at: number][] = [];
    let axis = 0;
    const keep = () => axes.push({ axis, at: [...Array(value.shape[axis++]).keys()] });
    for (let i = 0; i <= named; i++) {
      if (i === ellipsisAt) {
        masks.ellipsis |= add(draw(9), draw(9), 1);
        for (let left = rank - named; left > 0; left--) keep();
      }
      if (i === named) break;
      if (once(draw, 5)) {
        masks.new |= add(draw(9), draw(9), 1);
        axes.push({ at: [0] });
      }
      const size = value.shape[axis];
      if (once(draw, 4)) {
        const at = draw(size);
        masks.one |= add(negativeOrNot(draw, at, size), draw(9), 1);
        fixed.push([axis++, at]);
        continue;
      }
      const step = pick(draw, [1, 1, 2, 3, -1, -2]);
      const [begin, end] = [between(draw, -size - 1, size + 1), between(draw, -size - 1, size + 1)];
      const bit = add(begin, end, step);
      const [isFromEdge, isToEdge] = [once(draw, 3), once(draw, 3)];
      if (isFromEdge) masks.begin |= bit;
      if (isToEdge) masks.end |= bit;
      const wrapped = (position: number) => (position < 0 ? position + size : position);
      const from = isFromEdge ? (step > 0 ? 0 : size - 1) : wrapped(begin);
      const to = isToEdge ? (step > 0 ? size : -1) : wrapped(end);
      const at: number[] = [];
      const start = step > 0 ? Math.max(from, 0) : Math.min(from, size - 1);
      for (let p = start; step > 0 ? p < Math.min(to, size) : p > Math.max(to, -1); p += step) at.push(p);
      axes.push({ axis: axis++, at });
    }
    while (axis < rank) keep();
    const shape = axes.map(({ at }) => at.length);
    if (shape.includes(0) || shape.length > 5) return drawnParts.STRIDED_SLICE(draw);
    const y = made(value, shape, (p) => {
      const position = Array<number>(rank);
      for (const [named, at] of fixed) position[named] = at;
      for (const [i, { axis: named, at }] of axes.entries()) if (named !== undefined) position[named] = at[p[i]];
      return read(value, position);
    });
    const fields = [masks.begin, masks.end, masks.ellipsis, masks.new, masks.one].map((mask, i) => [i, mask] as const);
    return caseOf('STRIDED_SLICE', [x(value), ...lists.map((list) => constant(list))], [y], { number: 32, fields });
  },
  PAD(draw) {
    const value = any(draw);
    const pads = value.shape.map(() => [draw(3), draw(3)]);
    const shape = value.shape.map((size, axis) => size + pads[axis][0] + pads[axis][1]);
    const zero = value.dtype === 'f32' ? 0 : quantization.zeroPoint;
    const y = made(value, shape, (p) => {
      const at = p.map((i, axis) => i - pads[axis][0]);
      return at.every((i, axis) => i >= 0 && i < value.shape[axis]) ? read(value, at) : zero;
    });
    return caseOf('PAD', [x(value), constant(pads.flat(), [shape.length, 2])], [y]);
  },
  MIRROR_PAD(draw) {
    const isSymmetric = once(draw, 2);
    const value = any(draw);
    const most = (size: number) => size - (isSymmetric ? 0 : 1);
    const pads = value.shape.map((size) => [draw(most(size) + 1), draw(most(size) + 1)]);
    const shape = value.shape.map((size, axis) => size + pads[axis][0] + pads[axis][1]);
    // walking out of the tensor and back again, the edge seen once or twice
    const seen = (at: number, size: number): number => {
      const path = isSymmetric
        ? [...Array(size).keys(), ...[...Array(size).keys()].reverse()]
        : [...Array(size).keys(), ...[...Array(size).keys()].slice(1, -1).reverse()];
      return path[((at % path.length) + path.length) % path.length];
    };
    const y = made(value, shape, (p) =>
      read(
        value,
        p.map((i, axis) => seen(i - pads[axis][0], value.shape[axis])),
      ),
    );
    return caseOf('MIRROR_PAD', [x(value), constant(pads.flat(), [shape.length, 2])], [y], {
      number: 77,
      fields: [[0, isSymmetric ? 1 : 0, 'int8']],
    });
  },
  GATHER(draw) {
    const value = any(draw);
    const rank = value.shape.length;
    const axis = draw(rank);
    const batches = once(draw, 2) ? draw(axis + 1) : 0;
    const rows = [...value.shape.slice(0, batches), ...shapeOf(draw, 3, [0, 1, 1, 2])];
    const at = tensor(
      's32',
      Array.from({ length: sizeOf(rows) }, () => draw(value.shape[axis])),
      rows,
    );
    const own = rows.slice(batches);
    const shape = [...value.shape.slice(0, axis), ...own, ...value.shape.slice(axis + 1)];
    const y = made(value, shape, (p) => {
      const index = [...p.slice(0, batches), ...p.slice(axis, axis + own.length)];
      return read(value, [...p.slice(0, axis), read(at, index), ...p.slice(axis + own.length)]);
    });
    const fields = [[0, negativeOrNot(draw, axis, rank)] as const, [1, batches] as const];
    return caseOf('GATHER', [x(value), { value: at, isConstant: once(draw, 2) }], [y], { number: 23, fields });
  },
  GATHER_ND(draw) {
    const value = any(draw);
    const named = between(draw, 1, value.shape.length);
    const rows = shapeOf(draw, 3, [1, 2]);
    const at = made(tensor('s32', [0], [1]), [...rows, named], (p) => draw(value.shape[p[p.length - 1]]));
    const shape = [...rows, ...value.shape.slice(named)];
    const y = made(value, shape, (p) => {
      const row = p.slice(0, rows.length);
      const index = Array.from({ length: named }, (_, i) => read(at, [...row, i]));
      return read(value, [...index, ...p.slice(rows.length)]);
    });
    return caseOf('GATHER_ND', [x(value), { value: at, isConstant: once(draw, 2) }], [y]);
  },
  SPACE_TO_DEPTH(draw) {
    const [b, n, h, w, c] = Array.from({ length: 5 }, () => between(draw, 1, 3));
    const value = operand(draw, [n, h * b, w * b, c]);
    const y = made(value, [n, h, w, c * b * b], ([i, r, s, k]) => {
      const block = Math.floor(k / c);
      return read(value, [i, r * b + Math.floor(block / b), s * b + (block % b), k % c]);
    });
    return caseOf('SPACE_TO_DEPTH', [x(value)], [y], { number: 19, fields: [[0, b]] });
  },
  DEPTH_TO_SPACE(draw) {
    const [b, n, h, w, c] = Array.from({ length: 5 }, () => between(draw, 1, 3));
    const value = operand(draw, [n, h, w, c * b * b]);
    const y = made(value, [n, h * b, w * b, c], ([i, r, s, k]) =>
      read(value, [i, Math.floor(r / b), Math.floor(s / b), ((r % b) * b + (s % b)) * c + k]),
    );
    return caseOf('DEPTH_TO_SPACE', [x(value)], [y], { number: 94, fields: [[0, b]] });
  },
  SPACE_TO_BATCH_ND(draw) {
    const spatial = pick(draw, [1, 2, 2, 2]);
    const block = Array.from({ length: spatial }, () => between(draw, 1, 3));
    const parts = block.map(() => between(draw, 1, 3));
    const pads = block.map((b, i) => {
      const before = draw(Math.min(3, b * parts[i]));
      return [before, draw(Math.min(3, b * parts[i] - before))];
    });
    const sizes = block.map((b, i) => b * parts[i] - pads[i][0] - pads[i][1]);
    const [n, c] = [between(draw, 1, 2), between(draw, 1, 3)];
    const value = operand(draw, [n, ...sizes, c]);
    const zero = value.dtype === 'f32' ? 0 : quantization.zeroPoint;
    const count = sizeOf(block);
    const y = made(value, [n * count, ...parts, c], (p) => {
      let rest = Math.floor(p[0] / n);
      const at = block.map(() => 0);
      for (let i = spatial - 1; i >= 0; i--) {
        at[i] = p[i + 1] * block[i] + (rest % block[i]) - pads[i][0];
        rest = Math.floor(rest / block[i]);
      }
      const isInside = at.every((i, axis) => i >= 0 && i < sizes[axis]);
      return isInside ? read(value, [p[0] % n, ...at, p[spatial + 1]]) : zero;
    });
    return caseOf('SPACE_TO_BATCH_ND', [x(value), constant(block), constant(pads.flat(), [spatial, 2])], [y]);
  },
  BATCH_TO_SPACE_ND(draw) {
    const spatial = pick(draw, [1, 2, 2, 2]);
    const block = Array.from({ length: spatial }, () => between(draw, 1, 3));
    const count = sizeOf(block);
    const [n, c] = [between(draw, 1, 2), between(draw, 1, 3)];
    const parts = block.map(() => between(draw, 2, 3));
    const crops = block.map(() => [draw(2), draw(2)]);
    const shape = [n, ...block.map((b, i) => b * parts[i] - crops[i][0] - crops[i][1]), c];
    if (shape.some((size) => size < 1)) return drawnParts.BATCH_TO_SPACE_ND(draw);
    const value = operand(draw, [n * count, ...parts, c]);
    const y = made(value, shape, (p) => {
      const whole = block.map((_, i) => p[i + 1] + crops[i][0]);
      const batch = whole.reduce((at, position, i) => at * block[i] + (position % block[i]), 0) * n + p[0];
      return read(value, [batch, ...whole.map((position, i) => Math.floor(position / block[i])), p[spatial + 1]]);
    });
    return caseOf('BATCH_TO_SPACE_ND', [x(value), constant(block), constant(crops.flat(), [spatial, 2])], [y]);
  },
};
