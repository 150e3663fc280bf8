/** A part of a language model. */
import type { Value } from '../../src/ir/define_op.ts';
import { type Graph, GraphBuilder, tensor } from '../../src/ir/index.ts';
import { nnAdd } from '../../src/ir/ops/nn_elementwise_binary.op.ts';
import { nnMatmul } from '../../src/ir/ops/nn_matmul.op.ts';
import { nnConcat, nnReshape, nnTranspose } from '../../src/ir/ops/nn_movement.op.ts';
import { nnSoftmax } from '../../src/ir/ops/nn_softmax.op.ts';
import { qnnDynamicQuantize } from '../../src/ir/ops/qnn_dynamic_quantize.op.ts';
import { qnnMatmul } from '../../src/ir/ops/qnn_matmul.op.ts';

export const [HEADS, WIDTH] = [3, 8];

/** A word behind `past` others: products by packed weights of both kinds, of values of the run, and the words before, which grow. */
export function decoder(): Graph {
  const b = new GraphBuilder();
  const x = b.input('x', 'f32', ['batch', 'length', HEADS * WIDTH]);
  const past = b.input('past', 'f32', ['batch', HEADS, 'past', WIDTH]);
  const weight = (seed: number) =>
    b.constant(
      tensor(
        'f32',
        Float32Array.from({ length: (HEADS * WIDTH) ** 2 }, (_, i) => Math.sin(i * 0.7 + seed)),
        [HEADS * WIDTH, HEADS * WIDTH],
      ),
    );
  const heads = (of: Value<'f32'>) =>
    b.emit(
      nnTranspose,
      { x: b.emit(nnReshape, { x: of }, { shape: ['batch', 'length', HEADS, WIDTH] }) },
      { perm: [0, 2, 1, 3] },
    );
  const query = heads(b.emit(nnMatmul, { a: x, b: weight(1) }));
  const present = b.emit(nnConcat, { xs: [past, heads(b.emit(nnMatmul, { a: x, b: weight(2) }))] }, { axis: 2 });
  const scores = b.emit(nnMatmul, { a: query, b: b.emit(nnTranspose, { x: present }, { perm: [0, 1, 3, 2] }) });
  const mixed = b.emit(nnMatmul, { a: b.emit(nnSoftmax, { x: scores }, { axis: -1 }), b: present });
  const rows = b.emit(
    nnReshape,
    { x: b.emit(nnTranspose, { x: mixed }, { perm: [0, 2, 1, 3] }) },
    { shape: ['batch', 'length', HEADS * WIDTH] },
  );
  const { y: byte, zp } = b.emit(qnnDynamicQuantize, { x: b.emit(nnAdd, { a: rows, b: x }) });
  const bytes = Uint8Array.from({ length: HEADS * WIDTH * 40 }, (_, i) => (i * 37) % 256);
  const sums = b.emit(qnnMatmul, {
    a: byte,
    b: b.constant(tensor('u8', bytes, [HEADS * WIDTH, 40])),
    za: zp,
    zb: b.constant(tensor('u8', [131], [])),
  });
  return b.finish([rows, present, sums]);
}
