/** Float products with weights that are dequantized by blocks: the weights stay packed. */
import { isStatic, nnMatmul, nnTranspose, qnnBlockDequantize, qnnBlockMatmul, type Value } from '../../ir/index.ts';
import { bytesOfCodes, isBlock, packedCodes } from '../../numerics/index.ts';
import { dtypes, type ITensor, sizeOf, tensor, transposed } from '../../tensors/index.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import { planned, type Refusals } from '../rewrite/plan.ts';
import { defineRule, type Match } from '../rewrite/rule.ts';

type Load = () => ITensor;

/** Weights by blocks, codes [columns, depth] and zero points [columns, blocks] or turned, as `qnn.block_matmul` takes them. */
export interface Weights {
  readonly a: Value<'f32'>;
  readonly bits: number;
  readonly block: number;
  /** The least number of the type, which the code 0 stands for. */
  readonly least: number;
  readonly codes: Load;
  /** [columns, blocks]. */
  readonly scales: Load;
  /** Undefined where zero points are the middle of the codes. */
  readonly zeros: Load | undefined;
  /** True where codes and zero points have columns last. */
  readonly isTurned: boolean;
  readonly columns: number;
  readonly blocks: number;
}

function planBlocks({ graph, a, b }: Match<typeof nnMatmul.operands>, { refuse, unrelated }: Refusals): Weights {
  const turned = graph.view(nnTranspose, graph.producer(b.id));
  const view = graph.view(qnnBlockDequantize, graph.producer(turned?.x.id ?? b.id));
  if (view === undefined) return unrelated('its second operand is not dequantized by blocks');
  const { x, scale, zp, attrs } = view;
  const { block } = attrs;
  const [load, scales, zero] = [x, scale, zp].map((v) => v && graph.loader(v));
  const known = zp === undefined || zero !== undefined;
  if (load === undefined || scales === undefined || !known) return refuse('the weights are computed at run time', b);
  const { shape, dtype } = x.type;
  if (shape.length !== 2 || !isStatic(shape)) return refuse('the weights are not one matrix', b);
  const depth = turned ? 1 : 0;
  if (attrs.axis !== depth) return refuse('the blocks do not lie along the depth', b);
  if (dtype === 's16' || dtype === 'u16' || dtype === 's32') return refuse(`weights of ${dtype} are not packed`, b);
  if (!isBlock(block)) return refuse(`a block of ${block} elements`, b);
  if (a.type.dtype !== 'f32' || a.type.shape.at(-1) !== shape[depth])
    return refuse('the depth of the first operand is not known', a);
  const { bits, min } = dtypes[dtype];
  return {
    ...{ a: a as Value<'f32'>, bits, block, least: min, columns: shape[1 - depth] },
    blocks: Math.ceil(shape[depth] / block),
    codes: load,
    scales: turned ? scales : () => transposed(scales(), [1, 0]),
    zeros: zero ?? (min < 0 ? undefined : () => zerosOf(scales())),
    isTurned: !turned,
  };
}

const zerosOf = ({ shape }: ITensor): ITensor => tensor('u8', new Uint8Array(sizeOf(shape)), shape);

export function emitBlocks(
  { a, bits, block, least, columns, blocks, isTurned, ...load }: Weights,
  { b, emit }: Algebra,
): Value {
  const lines = (wanted: number, read: Load) => () => packedCodes(read(), { bits, least, wanted, isTurned });
  const bytes = bytesOfCodes(block, bits);
  const codes = lines(blocks * block, load.codes);
  const zeros = load.zeros;
  return emit(
    qnnBlockMatmul,
    {
      a,
      b: b.lazy(
        { dtype: 'u8', shape: [columns, blocks, bytes] },
        () => tensor('u8', codes(), [columns, blocks, bytes]),
        b.fresh('codes'),
      ),
      scale: b.lazy(
        { dtype: 'f32', shape: [columns, blocks] },
        () => load.scales() as ITensor<'f32'>,
        b.fresh('scales'),
      ),
      zp:
        zeros &&
        b.lazy(
          { dtype: 'u8', shape: [columns, bytesOfCodes(blocks, bits)] },
          () => tensor('u8', lines(blocks, zeros)(), [columns, bytesOfCodes(blocks, bits)]),
          b.fresh('zero_points'),
        ),
    },
    { bits, block },
  );
}

export const isByteData = (data: ITensor['data']): data is Uint8Array | Int8Array =>
  data instanceof Uint8Array || data instanceof Int8Array;

/** A mistake: each column has the scales of the next one. */
export const withNextScales = (weights: Weights): Weights => ({
  ...weights,
  scales: () => {
    const { data, shape } = weights.scales();
    const moved = Array.from(
      { length: data.length },
      (_, i) => Number(data[(i + weights.blocks) % data.length]) * (weights.columns === 1 ? 2 : 1),
    );
    return tensor('f32', moved, shape);
  },
});

export const blockWeights = defineRule({
  name: 'block-weights',
  root: nnMatmul,
  law: 'matmul(a, deq(w; s, zp, blocks along the depth)) = block_matmul(a, w packed; s, zp)   for constant w',
  exactness: 'bit-exact',
  ...planned(planBlocks, emitBlocks, {
    what: 'takes the scales of the next column',
    emit: (weights, a) => emitBlocks(withNextScales(weights), a),
  }),
});
