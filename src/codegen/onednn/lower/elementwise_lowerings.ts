/** Lowerings of single nodes that are computed element by element. */
import type { Node, OpKey } from '../../../ir/index.ts';
import type { Recorder } from '../recorder.ts';
import { type ElementwiseKey, elementwiseKeys, elementwiseRefusal } from './elementwise_instructions.ts';
import { recordElementwise } from './elementwise_record.ts';
import { GraphView } from './lowering.ts';

interface AnyLowering {
  readonly refuses: (view: { readonly node: Node }, graph: GraphView) => string | undefined;
  readonly lower: (view: { readonly node: Node }, r: Recorder) => void;
}

const asProgram: AnyLowering = {
  refuses: ({ node }, graph) => elementwiseRefusal(node, graph),
  lower: ({ node }, r) => recordElementwise([node], r, new Set()),
};

/** A program of one instruction or some, for every operator that has them. */
export const elementwiseLowerings = Object.fromEntries(elementwiseKeys.map((key) => [key, asProgram])) as {
  readonly [K in ElementwiseKey & OpKey]: AnyLowering;
};

/** A lowering of its own where that takes the node, else a program. */
export const orElementwise = <V extends { readonly node: Node }>(own: {
  readonly refuses?: (view: V, graph: GraphView) => string | undefined;
  readonly lower: (view: V, r: Recorder) => void;
}) => ({
  refuses: (view: V, graph: GraphView) =>
    own.refuses?.(view, graph) === undefined ? undefined : asProgram.refuses(view, graph),
  lower: (view: V, r: Recorder) =>
    own.refuses?.(view, new GraphView(r.graph)) === undefined ? own.lower(view, r) : asProgram.lower(view, r),
});

/** The same where primitives are asked for; a program else, which is as fast. */
export const orPrimitive = <V extends { readonly node: Node }>(own: {
  readonly refuses?: (view: V, graph: GraphView) => string | undefined;
  readonly lower: (view: V, r: Recorder) => void;
}) => {
  const either = orElementwise(own);
  return {
    refuses: either.refuses,
    lower: (view: V, r: Recorder) => (r.kernels === 'onednn' ? either : asProgram).lower(view, r),
  };
};
