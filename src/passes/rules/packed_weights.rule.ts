/** Float products with weights that have one scale, or one for each column: the weights stay packed, in blocks that have the same scale. */
import { isPerTensor, isStatic, nnMatmul, qnnDequantize } from '../../ir/index.ts';
import { dtypes, type ITensor, tensor, transposed } from '../../tensors/index.ts';
import { areWithin } from '../corrections/operands.ts';
import { planned, type Refusals } from '../rewrite/plan.ts';
import { defineRule, type Match } from '../rewrite/rule.ts';
import { emitBlocks, isByteData, type Weights, withNextScales } from './block_weights.rule.ts';

/** Small enough for the floats of a block to stay in the cache, large enough for scales to be few. */
const [SMALLEST, USUAL, LARGEST] = [16, 64, 256];

/** The largest block that fills the depth, else the usual one, or one that holds all of a short depth. */
function blockFor(depth: number): number {
  for (let block = LARGEST; block >= USUAL; block /= 2) if (depth % block === 0) return block;
  return depth >= USUAL ? USUAL : Math.max(SMALLEST, 2 ** Math.ceil(Math.log2(depth)));
}

/** Each column's element in each of the blocks, or the only one for all: [blocks, columns]. */
const repeated = ({ dtype, data }: ITensor, columns: number, blocks: number): ITensor =>
  tensor(
    dtype,
    Array.from({ length: columns * blocks }, (_, i) => Number(data[data.length === 1 ? 0 : i % columns])),
    [blocks, columns],
  );

function planPacked({ graph, a, b }: Match<typeof nnMatmul.operands>, { refuse, unrelated }: Refusals): Weights {
  const view = graph.view(qnnDequantize, graph.producer(b.id));
  if (view === undefined) return unrelated('its second operand is not dequantized');
  const { x, scale, zp, attrs } = view;
  const [codes, scales] = [graph.tensor(x), graph.tensor(scale)];
  const zeros = zp && graph.tensor(zp);
  if (codes === undefined || scales === undefined || (zp && zeros === undefined))
    return unrelated('the weights are computed at run time');
  const { shape, dtype } = codes;
  if (shape.length !== 2 || !isStatic(shape)) return refuse('the weights are not one matrix', b);
  if (!isByteData(codes.data)) return refuse(`weights of ${dtype} are not packed`, b);
  const [depth, columns] = shape;
  if (!isPerTensor(scale.type.shape) && (scale.type.shape.length !== 1 || attrs.axis !== 1))
    return refuse('the scales do not belong to columns', scale);
  if (a.type.dtype !== 'f32' || a.type.shape.at(-1) !== depth || depth === 0)
    return refuse('the depth of the first operand is not known', a);
  const block = blockFor(depth);
  const blocks = Math.ceil(depth / block);
  // weights of a file with 4 bits come here as bytes
  const lowest = dtype === 's8' ? -8 : 0;
  const isOf4 = [codes.data, zeros?.data ?? new Uint8Array(0)].every(
    (data) => isByteData(data) && areWithin(data, 0, data.length, lowest, lowest + 15),
  );
  const least = isOf4 ? lowest : dtypes[dtype].min;
  const middle = least + (isOf4 ? 8 : 128);
  const zero = (): ITensor => repeated(zeros ?? tensor(dtype, [0], []), columns, blocks);
  return {
    ...{ a: a as Weights['a'], bits: isOf4 ? 4 : 8, block, least, columns, blocks },
    codes: () => codes,
    scales: () => transposed(repeated(scales, columns, blocks), [1, 0]),
    zeros: (zeros?.data ?? [0]).every((z: number | bigint) => Number(z) === middle) ? undefined : zero,
    isTurned: true,
  };
}

export const packedWeights = defineRule({
  name: 'packed-weights',
  root: nnMatmul,
  law: 'matmul(a, deq(w; s, zp, by columns)) = block_matmul(a, w packed; s, zp of its column for each block)   for constant w',
  exactness: 'bit-exact',
  ...planned(planPacked, emitBlocks, {
    what: 'takes the scales of the next column',
    emit: (weights, a) => emitBlocks(withNextScales(weights), a),
  }),
});
