/** Models whose runs overlap: with other sizes, and with their disposal. */
import { describe, expect, it } from 'vitest';
import { compile, Tensor } from '../../../src/index.ts';
import { GraphBuilder, type Value } from '../../../src/ir/index.ts';
import { nnNeg, nnRelu } from '../../../src/ir/ops/nn_elementwise_unary.op.ts';

/** relu(−relu(x)) + …: native, interpreted, native. */
function alternating(dims: readonly (number | string)[]) {
  const b = new GraphBuilder();
  const x = b.input('x', 'f32', dims);
  const between = b.emit(nnNeg, { x: b.emit(nnRelu, { x }) as Value<'f32'> });
  return b.finish([b.emit(nnRelu, { x: b.emit(nnNeg, { x: between }) })]);
}

const ones = (...dims: number[]) => ({ x: new Tensor('float32', new Float32Array(dims[0]).fill(1), dims) });

describe('a model', () => {
  it('runs with more sizes at once than it keeps sessions for', async () => {
    const model = await compile(alternating(['N']), { threads: 2 });
    const sizes = Array.from({ length: 12 }, (_, i) => i + 1);
    const results = await Promise.all(sizes.map((size) => model.run(ones(size))));
    for (const [i, result] of results.entries())
      expect(Object.values(result)[0].data).toEqual(new Float32Array(i + 1).fill(1));
    model.dispose();
  });

  it.each([1, 2])('rejects with a code when it is disposed of during a run of %d threads', async (threads) => {
    const model = await compile(alternating([100_000]), { threads });
    const runs = [model.run(ones(100_000)), model.run(ones(100_000))];
    model.dispose();
    for (const { status, reason } of (await Promise.allSettled(runs)) as PromiseRejectedResult[])
      expect({ status, code: reason?.code }).toEqual({ status: 'rejected', code: 'U4002' });
    await expect(model.run(ones(100_000))).rejects.toMatchObject({ code: 'U4002' });
  });
});
