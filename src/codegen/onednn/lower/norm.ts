/** Normalizations of floats. */
import {
  type nnBatchNorm,
  type nnGroupNorm,
  type nnInstanceNorm,
  type nnLayerNorm,
  type nnRmsNorm,
  type OpWith,
  sizeOf,
  stridesOf,
  type ValueId,
  type View,
} from '../../../ir/index.ts';
import { lanesOf } from '../layout.ts';
import type { Buffer, Recorder } from '../recorder.ts';
import type { GraphView, Lowering } from './lowering.ts';
import { doubles } from './runs.ts';

const refusesType = ({ x }: View<OpWith<'x'>>, graph: GraphView): string | undefined => {
  return graph.dtype(x) === 'f32' ? undefined : 'its kernel computes f32 only';
};

/** Mean and variance are constants of a network that was trained. */
export const batchNorm: Lowering<typeof nnBatchNorm> = {
  refuses(view, graph) {
    const { scale, bias, mean, variance } = view;
    const isKnown = [scale, bias, mean, variance].every((id) => graph.constant(id) !== undefined);
    return refusesType(view, graph) ?? (isKnown ? undefined : 'its parameters are computed at run time');
  },
  lower({ x, y, attrs, ...parameters }, r) {
    const layout = r.preferredLayout(x);
    const of = (name: 'scale' | 'bias' | 'mean' | 'variance') => Array.from(r.constantOf(parameters[name], 'f32').data);
    const [scale, variance] = [of('scale'), of('variance')];
    const factor = scale.map((by, c) => by / Math.sqrt(variance[c] + Math.fround(attrs.epsilon)));
    const { outer, length: channels, inner } = lanesOf(layout, r.shape(x), 1);
    r.kernel(
      { name: 'channel-affine', outer, channels, inner },
      {
        source: r.use(x, layout),
        mean: r.data(doubles(of('mean'))),
        factor: r.data(doubles(factor)),
        offset: r.data(doubles(of('bias'))),
        destination: r.define(y, layout),
      },
    );
  },
};

type Grouped = View<typeof nnGroupNorm | typeof nnInstanceNorm>;

/** Groups of channels are runs of a tensor in row-major order. */
const grouped = <V extends Grouped>(groupsOf: (view: V, channels: number) => number) => ({
  refuses: refusesType,
  lower(view: V, r: Recorder): void {
    const { x, scale, bias, y, attrs } = view;
    const [batch, channels, ...spatial] = r.shape(x);
    const groups = groupsOf(view, channels);
    r.kernel(
      {
        name: 'normalize',
        rows: batch * groups,
        length: (channels / groups) * sizeOf(spatial),
        centre: true,
        epsilon: Math.fround(attrs.epsilon),
        factorRows: groups,
        perRow: channels / groups,
      },
      {
        source: r.use(x, 'row-major'),
        scale: r.use(scale, 'row-major'),
        bias: r.use(bias, 'row-major'),
        destination: r.define(y, 'row-major'),
      },
    );
  },
});

export const groupNorm: Lowering<typeof nnGroupNorm> = grouped<View<typeof nnGroupNorm>>(({ attrs }) => attrs.groups);
export const instanceNorm: Lowering<typeof nnInstanceNorm> = grouped<View<typeof nnInstanceNorm>>(
  (_, channels) => channels,
);

type Trailing = View<typeof nnLayerNorm | typeof nnRmsNorm> & { readonly bias?: ValueId };

const firstAxis = ({ attrs }: Trailing, rank: number): number => (attrs.axis + rank) % rank;

/** A factor of each element of a row; repeated where it broadcasts within the row. */
function ofRow(r: Recorder, id: ValueId, row: readonly number[]): Buffer {
  const own = r.shape(id);
  if (sizeOf(own) === sizeOf(row)) return r.use(id, 'row-major');
  const shape = row.length === 0 ? [1] : row;
  const padded = [...Array(Math.max(0, shape.length - own.length)).fill(1), ...own].slice(-shape.length);
  const strides = stridesOf(padded).map((stride, axis) => (padded[axis] === 1 ? 0 : stride));
  const destination = r.scratch(4 * sizeOf(shape));
  r.kernel(
    {
      name: 'copy',
      elementBytes: 4,
      shape,
      sourceStrides: strides,
      destinationStrides: stridesOf(shape),
      sourceOffset: 0,
      destinationOffset: 0,
    },
    { source: r.use(id, 'row-major'), destination },
  );
  return destination;
}

const trailing = (centre: boolean) => ({
  refuses(view: Trailing, graph: GraphView): string | undefined {
    const rank = graph.shape(view.x).length;
    const rowRank = rank - firstAxis(view, rank);
    const varies = [view.scale, view.bias].some(
      (id) =>
        id !== undefined &&
        graph
          .shape(id)
          .slice(0, -rowRank)
          .some((size) => size !== 1),
    );
    return refusesType(view, graph) ?? (varies ? 'its factors differ between rows' : undefined);
  },
  lower(view: Trailing, r: Recorder): void {
    const { x, scale, bias, y, attrs } = view;
    const shape = r.shape(x);
    const first = firstAxis(view, shape.length);
    const row = shape.slice(first);
    const length = sizeOf(row);
    r.kernel(
      {
        name: 'normalize',
        rows: sizeOf(shape.slice(0, first)),
        length,
        centre,
        epsilon: Math.fround(attrs.epsilon),
        factorRows: 1,
        perRow: length,
      },
      {
        source: r.use(x, 'row-major'),
        scale: ofRow(r, scale, row),
        bias: bias && ofRow(r, bias, row),
        destination: r.define(y, 'row-major'),
      },
    );
  },
});

export const layerNorm: Lowering<typeof nnLayerNorm> = trailing(true);
export const rmsNorm: Lowering<typeof nnRmsNorm> = trailing(false);
