/** quantized::embedding_byte: rows of bytes, each with a scale and a zero point in float. */

import type { TorchTensor } from '../../../formats/torch/index.ts';
import { nnGather } from '../../../ir/index.ts';
import { fusedMultiplyAdd } from '../../../numerics/index.ts';
import { tensor } from '../../../tensors/index.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';

/** fma(s, q, fl(−z·s)) of every element: [rows, size] */
function rowsOf(weight: TorchTensor, scales: readonly number[], zeroPoints: readonly number[]): Float32Array {
  const { data } = weight.tensor();
  const size = weight.shape[1];
  return Float32Array.from<number | bigint>(data, (q, i) => {
    const row = Math.floor(i / size);
    const scale = Math.fround(scales[row]);
    return fusedMultiplyAdd(scale, Number(q), Math.fround(-Math.fround(zeroPoints[row] * scale)));
  });
}

export const quantizedEmbeddingOps: readonly TorchOp[] = defineTorchOp({
  schema: 'quantized::embedding_byte(packed weight, Tensor indices, bool pruned_weights=False)',
  import(ctx, args) {
    const { weight } = args.packed('weight');
    const q = weight.quantization;
    if (q?.kind !== 'per-channel' || q.axis !== 0 || weight.type.name !== 'quint8' || weight.shape.length !== 2)
      return ctx.unsupported(`an embedding of ${weight.type.name}`);
    if (args.bool('pruned_weights')) ctx.unsupported('pruned weights');
    const table = () => tensor('f32', rowsOf(weight, q.scales, q.zeroPoints), weight.shape);
    const rows = ctx.lazy({ dtype: 'f32', shape: weight.shape }, table, 'weight');
    return ctx.result(ctx.emit(nnGather, { x: rows, indices: ctx.positions(args.tensor('indices')) }, { axis: 0 }));
  },
});
