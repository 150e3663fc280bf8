/**
 * One side of a region at a point: every operator over the ring, by its definition. Run once to learn which positions
 * are alike (`learning`), then at those positions. Nothing here is shared with the rules or with the interpreter, except
 * that operators on constants alone are evaluated by their own meaning.
 */
import {
  among,
  byOp,
  evaluateNode,
  type ITensor,
  isOp,
  type Node,
  nnCast,
  nnConcat,
  nnExpand,
  nnGather,
  nnIdentity,
  nnPad,
  nnRecentre,
  nnReshape,
  nnSlice,
  nnTranspose,
  type OpWith,
  type Seen,
} from '../ir/index.ts';
import { movements } from './movements.ts';
import { products } from './products.ts';
import { identityOf } from './remember.ts';
import { type Compute, type Evaluate, type EvaluationOptions, type Evaluators, Side } from './side.ts';
import { type Constant, unsupported, type Value } from './terms.ts';

const folds = new WeakMap<Node, { readonly operands: readonly (ITensor | undefined)[]; readonly result: ITensor }>();
/** One object for one node with the same operands: a constant counts as equal in two sizes when it is one object. */
function folded(node: Node, operands: readonly (ITensor | undefined)[]): ITensor {
  const known = folds.get(node);
  if (known?.operands.every((t, i) => t === operands[i])) return known.result;
  const [result] = evaluateNode(
    node,
    operands.map((t) => t ?? null),
  );
  folds.set(node, { operands, result });
  return result;
}

/** The data that decides where elements go: the pads alone, or the attributes and all sizes. */
const placesOf = (node: Node, operands: readonly (Value | undefined)[]): unknown =>
  isOp(node, nnPad) ? node.attrs.pads : [node.attrs, operands.map((v) => v?.shape)];

/**
 * Types that hold the integers modulo 2^32. Narrower integers wrap modulo less, so their sums do not determine those.
 */
const carriers: ReadonlySet<string> = new Set(['s32', 's64', 'f32', 'f64']);
const wide =
  <K extends string>(
    evaluate: (operands: Seen<OpWith<K>, Value>, side: Side, shape: readonly number[]) => Value,
  ): Evaluate<OpWith<K>> =>
  (seen, side) => {
    const { id, op } = seen.node;
    const { dtype } = side.graph.values[id].type;
    if (!carriers.has(dtype)) unsupported(`${op} of ${dtype}`);
    return evaluate(seen, side, side.shapeOf(id));
  };

const minusOne: Constant = {
  kind: 'constant',
  shape: [],
  tensor: { dtype: 's32', shape: [], data: Int32Array.of(-1) },
};
const arithmetic = {
  nnAdd: wide<'a' | 'b'>(({ a, b }, side, shape) => side.add(a, b, shape)),
  nnSub: wide<'a' | 'b'>(({ a, b }, side, shape) => side.add(a, b, shape, -1)),
  nnMul: wide<'a' | 'b'>(({ a, b }, side, shape) => side.multiply(a, b, shape)),
  nnNeg: wide<'x'>(({ x }, side, shape) => side.multiply(x, minusOne, shape)),
} satisfies Evaluators;

/** An entry of the tables, whose operator only `seenAs` knows. */
interface Entry {
  evaluate(seen: { readonly node: Node }, side: Side): Value;
}
const evaluatorOf = byOp<Entry['evaluate']>({ ...arithmetic, ...movements, ...products });

/**
 * Operators that keep elements in place, and products, which note their own sums: sizes matter only through classes.
 */
const isAlikeInAllSizes = among({ ...arithmetic, ...products }, nnIdentity, nnCast, nnRecentre, nnExpand);

/** Evaluated by their own meaning when all operands are constants; never the products, which may be large. */
const isFoldable = among(
  arithmetic,
  ...[nnCast, nnRecentre, nnReshape, nnTranspose, nnGather, nnSlice, nnConcat, nnPad],
);

const compute: Compute = (node, operands, side) => {
  const constants = operands.map((v) => (v?.kind === 'constant' ? v.tensor : undefined));
  const known = operands.every((v) => v === undefined || v.kind === 'constant');
  const [first] = operands;
  const broadcast = isOp(node, nnExpand) && first !== undefined && !side.termsAtHand(first);
  if (known && (isFoldable(node) || broadcast)) {
    const tensor = folded(node, constants);
    if (side.learning) side.grid.note(identityOf(tensor));
    return side.constant(tensor);
  }
  const evaluate = evaluatorOf(node) ?? unsupported(`the operator ${node.op}`);
  // the grid itself notes a reshape after a product
  const isNoted = isAlikeInAllSizes(node) || (isOp(node, nnReshape) && first?.kind === 'dense');
  if (side.learning && !isNoted) side.grid.note(placesOf(node, operands));
  return evaluate(side.seen(node), side);
};

export const sideOf = (options: EvaluationOptions): Side => new Side(options, compute);
