/** Resizing of floats and integers: to nearest elements, or by interpolation in the recipe of ONNX Runtime. */
import {
  CUBIC_TAPS,
  cubicAxes,
  type Graph,
  interpolatedTypes,
  interpolationOf,
  type nnGridSample,
  type nnResize,
  resizePositions,
  resizeScales,
  sameShape,
  sizeOf,
  tensor,
  typeOf,
  type View,
} from '../../../ir/index.ts';
import { lanesOf } from '../layout.ts';
import type { Recorder } from '../recorder.ts';
import type { Lowering } from './lowering.ts';
import { nearestResize, refusesLength } from './positions.ts';

const numbers = (shape: readonly unknown[]): number[] => shape.map(Number);

function interpolation(graph: Graph, { x, y, attrs }: View<typeof nnResize>) {
  const [from, to] = [x, y].map((id) => numbers(typeOf(graph, id).shape));
  const scales = resizeScales(from, to, attrs.scales);
  const positions = resizePositions(from, to, { ...attrs, scales });
  return { from, to, ...interpolationOf(typeOf(graph, x).dtype, from, scales.map(Math.fround), positions) };
}

function interpolate(view: View<typeof nnResize>, r: Recorder): void {
  const { x, y } = view;
  const { from, to, first, last, tenBits, axes } = interpolation(r.graph, view);
  // Channels in front of the axes lie behind them in memory.
  const isImage = first === 2 && last === from.length - 1;
  const layout = isImage ? 'channels-last' : 'row-major';
  const [outer, inner] = isImage ? [from[0], from[1]] : [sizeOf(from.slice(0, first)), sizeOf(from.slice(last + 1))];
  r.kernel(
    {
      name: 'interpolate',
      type: r.dtypeOf(x, 'f32', 's32', 's8', 'u8'),
      outer,
      input: from.slice(first, last + 1),
      output: to.slice(first, last + 1),
      inner,
      tenBits,
    },
    {
      source: r.use(x, layout),
      places: r.data(
        tensor(
          's32',
          axes.flatMap(({ a, b }) => [...a, ...b]),
        ),
      ),
      weights: r.data(
        tensor(
          'f32',
          axes.flatMap(({ weightOfA, weightOfB }) => [...weightOfA, ...weightOfB]),
        ),
      ),
      destination: r.define(y, layout),
    },
  );
}

/** Axis after axis, in binary64 in between; images lie channels last, so that whole runs are weighted alike. */
function cubic({ x, y, attrs }: View<typeof nnResize>, r: Recorder): void {
  const shape = [...r.shape(x)];
  const scales = resizeScales(shape, r.shape(y), attrs.scales);
  const axes = cubicAxes(shape, r.shape(y), { ...attrs, scales });
  if (axes.length === 0) {
    r.alias(y, x);
    return;
  }
  const layout = shape.length === 4 ? 'channels-last' : 'row-major';
  let source = r.use(x, layout);
  axes.forEach(({ axis, places, weights }, i) => {
    const { outer, length: size, inner } = lanesOf(layout, shape, axis);
    const count = places.length / CUBIC_TAPS;
    shape[axis] = count;
    const isLast = i === axes.length - 1;
    const destination = isLast ? r.define(y, layout) : r.scratch(8 * sizeOf(shape));
    r.kernel(
      { name: 'resample', from: i === 0 ? 'f32' : 'f64', to: isLast ? 'f32' : 'f64', outer, size, count, inner },
      {
        source,
        places: r.data({ dtype: 's32', shape: [places.length], data: places }),
        weights: r.data({ dtype: 'f64', shape: [weights.length], data: weights }),
        destination,
      },
    );
    source = destination;
  });
}

export const gridSample: Lowering<typeof nnGridSample> = {
  lower({ x, grid, y, attrs }, r) {
    const [batch, channels, height, width] = r.shape(x);
    const positions = r.shape(grid)[1] * r.shape(grid)[2];
    r.kernel(
      { name: 'grid-sample', batch, channels, height, width, positions, ...attrs },
      {
        source: r.use(x, 'channels-last'),
        grid: r.use(grid, 'row-major'),
        destination: r.define(y, 'channels-last'),
      },
    );
  },
};

export const resize: Lowering<typeof nnResize> = {
  refuses(view, graph) {
    const { x, y, attrs } = view;
    if (attrs.mode === 'nearest') return refusesLength(graph.shape(y));
    if (attrs.mode === 'cubic') return undefined;
    if (sameShape(numbers(graph.shape(x)), numbers(graph.shape(y)))) return undefined;
    if (attrs.recipe !== 'ort') return 'linear interpolation in binary64';
    if (!interpolatedTypes.includes(graph.dtype(x))) return `interpolation of ${graph.dtype(x)}`;
    const { axes } = interpolation(graph.graph, view);
    return axes.length >= 1 && axes.length <= 3 ? undefined : `interpolation along ${axes.length} axes`;
  },
  lower(view, r) {
    const { x, y, attrs } = view;
    if (attrs.mode === 'nearest') nearestResize(view, r);
    else if (attrs.mode === 'cubic') cubic(view, r);
    else if (sameShape(r.shape(x), r.shape(y))) r.alias(y, x);
    else interpolate(view, r);
  },
};
