import {
  type AttrSpecs,
  type ByteType,
  byteTypes,
  evaluateNode,
  type ITensor,
  isStatic,
  type Node,
  nnReshape,
  nnTranspose,
  type OpDeclaration,
  type OpName,
  type ResultSpecs,
  type Shape,
  tensorOfType,
  type Value,
} from '../../ir/index.ts';
import { axisAfter } from '../qdq/moved.ts';
import { type Dequantized, dequantized, dequantizedAs, dequantizeOf } from '../qdq/parameters.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import { planned, type Refusals } from '../rewrite/plan.ts';
import { type AnyRule, defineRule, type Match, present } from '../rewrite/rule.ts';

interface LateWeights {
  readonly node: Node;
  readonly source: Dequantized;
  readonly integers: () => ITensor<ByteType>;
  readonly shape: Shape;
  readonly axis: number;
}

/** Gemm with transB, Unsqueeze of a filter: the integers are moved now, the axis of their scales goes with them. */
function planWeights(
  { graph, node, x: v }: Match<typeof nnTranspose.operands>,
  { refuse, unrelated }: Refusals,
): LateWeights {
  const constant = dequantizeOf(graph, v)?.x;
  if (!constant || !graph.isConstant(constant.id)) return unrelated('the operand is not a dequantized constant');
  const source = dequantized(graph, v, 'the constant', refuse);
  const integers = graph.loader(source.x) ?? unrelated('the operand is not a dequantized constant');
  const { shape } = graph.type(node.results[0]);
  if (!isStatic(shape)) return unrelated('the result has symbolic sizes');
  if (source.perTensor) return { node, source, integers, shape, axis: 0 };
  if (source.scale.type.shape.length !== 1) refuse('the constant has a scale for each block', source.scale);
  const axis = axisAfter(node, { shape: v.type.shape, axis: source.axis }, shape);
  if (axis < 0) refuse(`the axis of the scales, ${source.axis}, is not an axis of the result`, source.x);
  return { node, source, integers, shape, axis };
}

/** The weights are moved when somebody looks at them: grouping does not. */
function emitWeights({ node, source, integers, shape, axis }: LateWeights, a: Algebra): Value {
  const { dtype } = source.x.type;
  const moved = () => tensorOfType(evaluateNode(node, [integers()])[0], ...byteTypes);
  return dequantizedAs(a, source, a.b.lazy({ dtype, shape }, moved, a.b.fresh(`${source.x.id}.moved`)), axis);
}

/** Like `dequantizeLate`, for constants, with a scale for each channel as well. */
const dequantizeLateOf = <A extends AttrSpecs, R extends ResultSpecs>(
  root: OpDeclaration<typeof nnTranspose.operands, A, R, OpName>,
): AnyRule =>
  defineRule({
    name: `dequantize-weights-after-${root.name.slice(3)}`,
    root,
    law: `${root.name.slice(3)}(dequantize(w; s, zp, axis)) = dequantize(${root.name.slice(3)}(w); s, zp, moved axis)   for constant w`,
    exactness: 'bit-exact',
    ...planned(planWeights, emitWeights, {
      what: 'leaves the scales to the channel of the next index',
      emit: (late, a) => {
        const { scale } = late.source;
        const { data, shape } = present(a.tensor(scale));
        const rotated = a.constant({
          dtype: 'f32',
          shape,
          data: data.map((_, i) => data[(i + 1) % data.length] * (data.length === 1 ? 2 : 1)),
        });
        return emitWeights({ ...late, source: { ...late.source, scale: rotated } }, a);
      },
    }),
  });

export const dequantizeWeightsLate: readonly AnyRule[] = [dequantizeLateOf(nnTranspose), dequantizeLateOf(nnReshape)];
