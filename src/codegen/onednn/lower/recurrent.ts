/** Recurrent layers: one product for the input of all steps and directions, then the steps. */
import {
  byteTypes,
  newArray,
  type nnGru,
  type nnLstm,
  type qnnDynamicLstm,
  tensor,
  type ValueId,
  type View,
} from '../../../ir/index.ts';
import type { Kernel } from '../kernel.ts';
import type { Buffer, Recorder } from '../recorder.ts';
import type { Lowering } from './lowering.ts';

type Recurrent = Kernel & { readonly name: 'recurrent' };
type Layer = Pick<View<typeof nnLstm>, 'x' | 'w' | 'r' | 'bias' | 'h' | 'y' | 'lastH' | 'attrs'>;

/** The two halves of the bias of each direction: sums of both up to the row `aloneFrom`, the first half behind it; and the second. */
function biasesOf(r: Recorder, id: ValueId, rows: number, aloneFrom: number) {
  const { data, shape } = r.constantOf(id, 'f32');
  const at = (direction: number, row: number) => data[direction * 2 * rows + row];
  const sums = new Float32Array(shape[0] * rows).map((_, i) => {
    const [direction, row] = [Math.floor(i / rows), i % rows];
    return row < aloneFrom ? at(direction, row) + at(direction, rows + row) : at(direction, row);
  });
  const hidden = Math.max(0, rows - aloneFrom);
  const own = new Float32Array(shape[0] * hidden).map((_, i) =>
    at(Math.floor(i / hidden), rows + aloneFrom + (i % hidden)),
  );
  return { sums: r.data(tensor('f32', sums)), own: r.data(tensor('f32', own)) };
}

/** Records the product of the input and the steps; `more` are the buffers of the cell's own operands and results. */
function record(
  { x, w, r: weights, bias, h, y, lastH, attrs: { direction } }: Layer,
  r: Recorder,
  cell: Recurrent['cell'],
  more: Readonly<Record<string, Buffer | undefined>> = {},
): void {
  const [length, batch, size] = r.shape(x);
  const [directions, rows, hidden] = r.shape(weights);
  const aloneFrom = cell === 'gru-linear' ? 2 * hidden : rows;
  const biases = bias === undefined ? undefined : biasesOf(r, bias, rows, aloneFrom);
  const sums = r.scratch(Math.max(1, 4 * length * batch * directions * rows));
  const columns = directions * rows;
  r.kernel(
    {
      name: 'fused-product',
      shape: [],
      rows: length * batch,
      depth: size,
      columns,
      sourceStrides: [size],
      weightsStrides: [1, size],
      destinationStrides: [columns],
    },
    {
      source: r.use(x, 'row-major'),
      weights: r.use(w, 'row-major'),
      bias: biases?.sums,
      destination: sums,
    },
  );
  r.kernel(
    { name: 'recurrent', cell, length, batch, hidden, directions, backwards: direction === 'reverse' },
    {
      sums,
      weights: r.use(weights, 'row-major'),
      ownBias: cell === 'gru-linear' ? biases?.own : undefined,
      h: h && r.use(h, 'row-major'),
      destination: r.define(y, 'row-major'),
      lastH: r.define(lastH, 'row-major'),
      ...more,
    },
  );
}

export const lstm: Lowering<typeof nnLstm> = {
  refuses: ({ bias }, graph) => (bias && !graph.constant(bias) ? 'its bias is computed at run time' : undefined),
  lower(view, r) {
    const c = view.c && r.use(view.c, 'row-major');
    record(view, r, 'lstm', { c, lastC: r.define(view.lastC, 'row-major') });
  },
};

export const gru: Lowering<typeof nnGru> = {
  refuses: ({ bias }, graph) => (bias && !graph.constant(bias) ? 'its bias is computed at run time' : undefined),
  lower: (view, r) => record(view, r, view.attrs.linearBeforeReset ? 'gru-linear' : 'gru'),
};

/** A scale or a zero point for each direction, or one for each of its columns, as one for each column. */
const byColumn = <T>(data: ArrayLike<T>, directions: number, columns: number): T[] =>
  Array.from({ length: directions * columns }, (_, i) =>
    data.length === directions ? data[Math.floor(i / columns)] : data[i],
  );

export const dynamicLstm: Lowering<typeof qnnDynamicLstm> = {
  refuses: ({ w, r, sw, sr, zw, zr, bias }, graph) =>
    graph.needsConstants(w, r, sw, sr, zw, zr) ??
    (bias && !graph.constant(bias) ? 'its bias is computed at run time' : undefined),
  lower({ x, w, r: weights, sw, sr, zw, zr, bias, h, c, y, lastH, lastC, attrs: { direction } }, r) {
    const [length, batch, size] = r.shape(x);
    const [directions, hidden, columns] = r.shape(weights);
    const [scale, stateScale] = [sw, sr].map((id) => r.constantOf(id, 'f32').data);
    const scales = [scale, stateScale].every((of) => of.length === directions) ? 1 : columns;
    const scalesOf = (of: Float32Array) =>
      r.data(tensor('f32', scales === 1 ? of : Float32Array.from(byColumn(of, directions, columns))));
    const zeros = (id: ValueId | undefined) => {
      if (id === undefined) return undefined;
      const { dtype, data } = r.constantOf(id, ...byteTypes);
      const all = newArray(dtype, directions * columns);
      all.set(byColumn(data, directions, columns));
      return r.data(tensor(dtype, all));
    };
    r.kernel(
      {
        name: 'dynamic-lstm',
        weightsType: r.byteType(w),
        ...{ length, batch, size, hidden, directions, scales },
        backwards: direction === 'reverse',
      },
      {
        source: r.use(x, 'row-major'),
        weights: r.data(r.constantOf(w, ...byteTypes)),
        scale: scalesOf(scale),
        zeroPoint: zeros(zw),
        stateWeights: r.data(r.constantOf(weights, ...byteTypes)),
        stateScale: scalesOf(stateScale),
        stateZeroPoint: zeros(zr),
        bias: bias && biasesOf(r, bias, columns, columns).sums,
        h: h && r.use(h, 'row-major'),
        c: c && r.use(c, 'row-major'),
        destination: r.define(y, 'row-major'),
        lastH: r.define(lastH, 'row-major'),
        lastC: r.define(lastC, 'row-major'),
      },
    );
  },
};
