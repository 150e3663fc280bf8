/** Operators by positions: the largest elements, and elements at computed places. */
import {
  nnAdd,
  nnEqual,
  nnNonMaxSuppression,
  nnNonZero,
  nnOr,
  nnScatterElements,
  nnScatterNd,
  nnSlice,
  nnTopK,
  nnWhere,
  tensor,
  type Value,
} from '../../../ir/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';

/** Unsorted results may have any order: the order of sorted ones is one. */
function topK(ctx: NodeContext): readonly Value[] {
  const x = ctx.get('X');
  const axis = ctx.axis(ctx.attr.int('axis', -1), x.type.shape.length);
  const k =
    ctx.opset < 10
      ? [ctx.attr.int('k') ?? ctx.refuse('k is missing')]
      : ctx.sizes(ctx.find('K') ?? ctx.refuse('K is missing'), 'K');
  if (k.length !== 1) ctx.refuse('k should have one element', 'U2004', { input: 'K' });
  const largest = ctx.attr.flag('largest', true);
  const { y, positions } = ctx.emit(nnTopK, { x }, { k, axis, largest });
  return [y, positions];
}

const reductionOf = (ctx: NodeContext) =>
  ctx.opset < 16 ? 'none' : ctx.attr.word('reduction', nnScatterNd.attrs.reduction, 'none');

const scattered = (ctx: NodeContext) => ({
  x: ctx.get('data'),
  indices: ctx.get('indices'),
  updates: ctx.get('updates'),
});

function scatterElements(ctx: NodeContext): Value {
  const axis = ctx.axis(ctx.attr.int('axis', 0), ctx.get('data').type.shape.length);
  return ctx.emit(nnScatterElements, scattered(ctx), { axis, reduction: reductionOf(ctx) });
}

/** on where an index, counted from the end if negative, is the position along the new axis, else off. */
function oneHot(ctx: NodeContext): Value {
  const depth = ctx.number('depth');
  const given = ctx.get('indices');
  const { dtype, shape } = given.type;
  if (dtype !== 's64' && dtype !== 's32') return ctx.unsupported(`indices of ${dtype}`);
  const axis = ctx.axis(ctx.attr.int('axis', -1), shape.length + 1);
  const indices = ctx.reshape(given, shape.toSpliced(axis, 0, 1));
  const line = [depth, ...Array(shape.length - axis).fill(1)];
  const numbers = Array.from({ length: depth }, (_, i) => (dtype === 's64' ? BigInt(i) : i));
  const positions = ctx.constant(tensor(dtype, numbers as number[], line), 'positions');
  const fromEnd = ctx.emit(nnAdd, { a: indices, b: ctx.scalar(dtype, depth) });
  const isThere = (a: Value) => ctx.emit(nnEqual, { a, b: positions });
  const values = ctx.get('values');
  const [off, on] = [0, 1].map((i) =>
    ctx.reshape(ctx.emit(nnSlice, { x: values }, { starts: [i], ends: [i + 1], axes: [0], steps: [1] }), []),
  );
  const cond = ctx.emit(nnOr, { a: isThere(indices), b: isThere(fromEnd) });
  return ctx.emit(nnWhere, { cond, a: on, b: off });
}

function nonMaxSuppression(ctx: NodeContext): Value {
  const byCentre = ctx.attr.int('center_point_box', 0) === 1;
  return ctx.emit(
    nnNonMaxSuppression,
    { boxes: ctx.get('boxes'), scores: ctx.get('scores') },
    {
      maxPerClass: Math.min(ctx.scalarOf('max_output_boxes_per_class') ?? 0, Number.MAX_SAFE_INTEGER),
      overlapThreshold: ctx.scalarOf('iou_threshold') ?? 0,
      scoreThreshold: ctx.scalarOf('score_threshold') ?? Number.NEGATIVE_INFINITY,
      byCentre,
      symbol: ctx.openSymbol(),
    },
  );
}

export const indexedOps: readonly OnnxOp[] = [
  defineOnnxOp({
    name: 'NonZero',
    since: 9,
    inputs: ['X'],
    import: (ctx) => ctx.emit(nnNonZero, { x: ctx.get('X') }, { symbol: ctx.openSymbol() }),
  }),
  defineOnnxOp({
    name: 'NonMaxSuppression',
    since: 10,
    inputs: ['boxes', 'scores', 'max_output_boxes_per_class?', 'iou_threshold?', 'score_threshold?'],
    attributes: ['center_point_box'],
    import: nonMaxSuppression,
  }),
  defineOnnxOp({
    name: 'TopK',
    inputs: ['X', 'K?'],
    outputs: 2,
    attributes: ['axis', 'k', 'largest', 'sorted'],
    operandsSince: { K: 10 },
    attributesUntil: { k: 10 },
    import: topK,
  }),
  defineOnnxOp({
    name: 'ScatterND',
    since: 11,
    inputs: ['data: T', 'indices', 'updates: T'],
    attributes: ['reduction'],
    import: (ctx) => ctx.emit(nnScatterNd, scattered(ctx), { reduction: reductionOf(ctx) }),
  }),
  ...['ScatterElements', 'Scatter'].map((name) =>
    defineOnnxOp({
      name,
      since: name === 'Scatter' ? 9 : 11,
      inputs: ['data: T', 'indices', 'updates: T'],
      attributes: ['axis', 'reduction'],
      import: scatterElements,
    }),
  ),
  defineOnnxOp({
    name: 'OneHot',
    since: 9,
    inputs: ['indices', 'depth', 'values'],
    attributes: ['axis'],
    import: oneHot,
  }),
];
