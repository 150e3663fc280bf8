/** The three operators that sum products, as grouping sees them: their channels, and their quantized forms. */

import {
  type AnyOp,
  biasOf,
  factorsOf,
  filterRepeats,
  geometryOf,
  isStatic,
  layoutOf,
  type Node,
  ofType,
  productKind,
  type Shape,
  sizeOf,
  summedSizes,
  type Value,
  weightsLayout,
  windowOf,
} from '../../ir/index.ts';
import type { Operands } from '../corrections/operands.ts';
import { convolution, matmul, type ProductFamily, transposedConvolution } from '../corrections/product_family.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import type { GraphEditor } from '../rewrite/editor.ts';
import { present } from '../rewrite/rule.ts';

/** The operands of a product of floats. */
export interface Factors {
  readonly x: Value;
  readonly w: Value;
  readonly bias?: Value<'f32' | 'f64'>;
}

/** The form of one operator; all methods take nodes of `op`. */
export interface ProductForm extends Words {
  readonly op: AnyOp;
  factors(graph: GraphEditor, node: Node): Factors;
  /** The axis of the weights along which result channels lie. */
  weightsAxis(w: Shape): number;
  /** The axis of the result that holds the channels. */
  channelAxis(y: Shape): number;
  /**
   * Counts the result channels that read one channel of the input and no other (depthwise); undefined when sums cross
   * channels.
   */
  depthwise(node: Node, x: Shape, w: Shape): number | undefined;
  /** Counts the repetitions of one period of the weights axis over the result channels. */
  repeats(node: Node): number;
  /** Terms in one sum, undefined when only the run knows. */
  terms(x: Shape, w: Shape): number | undefined;
  emit(a: Algebra, operands: Operands, node: Node): Value<'s32'>;
}

interface Words {
  /** The operands, for reasons. */
  readonly roles: readonly [string, string];
  readonly channels: string;
  /** Why computed weights stay float, where they do. */
  readonly knownWeights?: string;
}

const known = (dims: Shape): number | undefined => (isStatic(dims) ? sizeOf(dims) : undefined);

function formOf({ plain: op, quantized }: ProductFamily, words: Words): ProductForm {
  const kind = present(productKind({ op: op.name }));
  const { filterAxis, channelAxis } = geometryOf(kind);
  return {
    ...words,
    op,
    factors(graph, node) {
      const [{ x, w }, bias] = [present(factorsOf(node)), biasOf(node)];
      return { x: graph.value(x), w: graph.value(w), ...(bias && { bias: ofType(graph.value(bias), 'f32', 'f64') }) };
    },
    weightsAxis: (w) => filterAxis(w.length),
    channelAxis: (y) => channelAxis(y.length),
    depthwise(node, x, w) {
      const of = layoutOf(node);
      const isDepthwise = kind !== 'matmul' && of.group === x[1];
      return isDepthwise && isStatic(w) ? weightsLayout(of, w).sizes.filter : undefined;
    },
    repeats: (node) => filterRepeats(layoutOf(node)),
    terms: (x, w) => (kind === 'matmul' ? known(x.slice(-1)) : undefined) ?? known(summedSizes(kind, w)),
    emit: (a, operands, node) => quantized(a, operands, windowOf(node)),
  };
}

export const convForm = formOf(convolution, {
  roles: ['the input', 'the filter'],
  channels: 'the output channels, axis 0',
});

/** w: [C, O/group, kernel…]: a scale per filter of a group serves the same filter of every group. */
export const convTransposeForm = formOf(transposedConvolution, {
  roles: ['the input', 'the filter'],
  channels: 'the output channels, axis 1',
  knownWeights: 'ONNX has no integer ConvTranspose, and the float one is exact only for known filters',
});

export const matmulForm = formOf(matmul, {
  roles: ['the left operand', 'the right operand'],
  channels: 'the columns, its last axis',
});
