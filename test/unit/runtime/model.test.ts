/** Models whose runs overlap: with other sizes, and with their disposal. */
import { describe, expect, it } from 'vitest';
import { compile, Tensor } from '../../../src/index.ts';
import { GraphBuilder, tensor, type Value } from '../../../src/ir/index.ts';
import { nnCast } from '../../../src/ir/ops/nn_cast.op.ts';
import { nnExp, nnLog, nnRelu } from '../../../src/ir/ops/nn_elementwise_unary.op.ts';
import { writeModel } from '../../support/onnx.ts';

/** relu(ln e^relu(x)) with functions of f64 between: native, interpreted, native. */
function alternating(dims: readonly (number | string)[]) {
  const b = new GraphBuilder();
  const x = b.input('x', 'f32', dims);
  const wide = b.emit(nnCast, { x: b.emit(nnRelu, { x }) }, { to: 'f64' }) as Value<'f64'>;
  const same = b.emit(nnLog, { x: b.emit(nnExp, { x: wide }) });
  return b.finish([b.emit(nnRelu, { x: b.emit(nnCast, { x: same }, { to: 'f32' }) as Value<'f32'> })]);
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

describe('a model whose sizes follow from values', () => {
  const rest = { inputs: [{ name: 'x', type: 'float32', dims: ['N', 4] }], outputs: [{ name: 'y', type: 'float32' }] };
  // The last size of the result is its count of elements, which nobody knows before the run.
  const found = (op: string, axis: number) =>
    writeModel({
      ...rest,
      initializers: [
        { name: 'at', tensor: tensor('s64', [BigInt(axis)], [1]) },
        { name: 'four', tensor: tensor('s64', [4n], [1]) },
        { name: 'one', tensor: tensor('f32', [1], [1]) },
      ],
      nodes: [
        { op, inputs: ['x'], outputs: ['found'] },
        { op: 'Shape', inputs: ['found'], outputs: ['shape'] },
        { op: 'Gather', inputs: ['shape', 'at'], outputs: ['count'] },
        { op: 'Concat', inputs: ['count', 'four'], outputs: ['to'], attrs: { axis: 0 } },
        { op: 'Expand', inputs: ['one', 'to'], outputs: ['y'] },
      ],
    });
  it('is refused, with the place, where the shape of an unknown operator alone is read', async () => {
    for (const backend of ['onednn', 'reference'] as const)
      await expect(compile(found('Unique', 0), { backend })).rejects.toThrow(/U2008/);
  });
  it('runs where the shape of what counts alone is read', async () => {
    for (const backend of ['onednn', 'reference'] as const) {
      const model = await compile(found('NonZero', 1), { backend });
      for (const data of [
        [1, 0, 2, 3, 0, 0, 0, 9],
        [0, 0, 0, 0],
      ]) {
        const x = { type: 'float32', data: Float32Array.from(data), dims: [data.length / 4, 4] } as const;
        const { y } = await model.run({ x });
        const count = data.filter((value) => value !== 0).length;
        expect([y.dims, [...y.data]]).toEqual([[count, 4], Array(4 * count).fill(1)]);
      }
      model.dispose();
    }
  });
  it('runs where an input determines its sizes', async () => {
    const model = await compile(found('Relu', 0), { backend: 'reference' });
    const { y } = await model.run({ x: new Tensor('float32', new Float32Array(12), [3, 4]) });
    expect(y.dims).toEqual([3, 4]);
  });
});
