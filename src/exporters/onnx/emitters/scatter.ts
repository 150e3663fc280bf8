/** Elements that are chosen by their size, or written at computed places. */
import type { nnNonMaxSuppression, nnNonZero, nnScatterElements, nnScatterNd, nnTopK } from '../../../ir/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import { type Attributes, flag, int, text, type Written } from '../node_writer.ts';
import { via } from './elements.ts';
import { sizeList } from './sizes.ts';

export function topK(e: NodeEmitter<typeof nnTopK>): Written {
  const { x, attrs } = e.view;
  e.since(attrs.largest ? 10 : 11, 'TopK');
  const axis = attrs.axis < 0 ? attrs.axis + e.typeOf(x).shape.length : attrs.axis;
  const which: Attributes = e.opset < 11 ? {} : { largest: flag(attrs.largest), sorted: flag(true) };
  return e.finish('TopK', [e.value(x), sizeList(e, attrs.k, 'k')], { axis: int(axis), ...which });
}

/** Joined updates came with version 16, minima and maxima with 18. */
function reductionOf(
  e: NodeEmitter<typeof nnScatterNd> | NodeEmitter<typeof nnScatterElements>,
  how: string,
): Attributes {
  if (how === 'none') return {};
  e.since(how === 'min' || how === 'max' ? 18 : 16, `the reduction ${how}`);
  return { reduction: text(how) };
}

/** ScatterND has indices of 64 bits only. */
export function scatterNd(e: NodeEmitter<typeof nnScatterNd>): Written {
  const { x, indices, updates, attrs } = e.view;
  e.since(11, 'ScatterND');
  return e.finish(
    'ScatterND',
    [e.value(x), ...via(e, 's64', indices), e.value(updates)],
    reductionOf(e, attrs.reduction),
  );
}

export function scatterElements(e: NodeEmitter<typeof nnScatterElements>): Written {
  const { x, indices, updates, attrs } = e.view;
  e.since(11, 'ScatterElements');
  const axis = attrs.axis < 0 ? attrs.axis + e.typeOf(x).shape.length : attrs.axis;
  return e.finish('ScatterElements', [e.value(x), e.value(indices), e.value(updates)], {
    axis: int(axis),
    ...reductionOf(e, attrs.reduction),
  });
}

export function nonZero(e: NodeEmitter<typeof nnNonZero>): Written {
  e.since(9, 'NonZero');
  return e.finish('NonZero', [e.value(e.view.x)]);
}

export function nonMaxSuppression(e: NodeEmitter<typeof nnNonMaxSuppression>): Written {
  e.since(11, 'NonMaxSuppression');
  const { boxes, scores, attrs } = e.view;
  const limits = [
    e.scalar('s64', attrs.maxPerClass),
    e.scalar('f32', attrs.overlapThreshold),
    ...(attrs.scoreThreshold === Number.NEGATIVE_INFINITY ? [] : [e.scalar('f32', attrs.scoreThreshold)]),
  ];
  const center = { center_point_box: int(Number(attrs.byCentre)) };
  return e.finish('NonMaxSuppression', [e.value(boxes), e.value(scores), ...limits], center);
}
