/** Element types of inputs, which archives do not have: positions are int64, all else is float32. */
import { expect, it } from 'vitest';
import { interpret } from '../../../src/ir/interpret.ts';
import { verify } from '../../../src/ir/verify.ts';
import { compile } from '../../../src/runtime/compile.ts';
import { importModel } from '../../../src/runtime/import_model.ts';
import { tensor } from '../../../src/tensors/tensor.ts';
import { forward, script } from './archives.ts';

const table = 't = torch.tensor([[10., 11.], [20., 21.], [30., 31.]], dtype=6)';

it.each([
  ['torch.embedding(t, x)', [20, 21, 30, 31]],
  ['torch.embedding(t, torch.reshape(x, [-1]))', [20, 21, 30, 31]],
  ['torch.embedding(t, torch.slice(torch.unsqueeze(x, 0), 1, 1, 2))', [30, 31]],
  ['torch.index_select(t, 0, x)', [20, 21, 30, 31]],
  ['torch.index(t, annotate(List[Optional[Tensor]], [x]))', [20, 21, 30, 31]],
  ['torch.gather(t, 0, torch.unsqueeze(x, 0))', [20, 31]],
])('%s takes integers', async (call, expected) => {
  const graph = await importModel(script({ code: forward(table, `return ${call}`) }), { inputShapes: { x: [2] } });
  expect(graph.origin?.unsupported).toEqual([]);
  expect(verify(graph)).toEqual([]);
  expect(graph.values[graph.inputs[0]].type).toEqual({ dtype: 's64', shape: [2] });
  const x = tensor('s64', BigInt64Array.of(1n, 2n), [2]);
  expect(Array.from(interpret(graph, { x }).output.data as Float32Array)).toEqual(expected);
  const model = await compile(graph, { backend: 'reference' });
  expect(model.inputs).toEqual([{ name: 'x', type: 'int64', dims: [2] }]);
  model.dispose();
});

it.each(['torch.neg(x)', 'torch.embedding(t, torch.to(x, 4))', 'torch.embedding(t, torch.argmax(torch.mul(t, x), 1))'])(
  '%s takes floats',
  async (call) => {
    const graph = await importModel(script({ code: forward(table, `return ${call}`) }), { inputShapes: { x: [2] } });
    expect(graph.values[graph.inputs[0]].type).toEqual({ dtype: 'f32', shape: [2] });
  },
);

it('says how shapes are given where the sizes of an input do not fit', async () => {
  const code = forward('y = torch.reshape(torch.relu(x), [-1, 400])', 'return y');
  await expect(importModel(script({ code }), { inputShapes: { x: ['N', 16, 'H'] } })).rejects.toMatchObject({
    code: 'U2005',
    message: expect.stringMatching(/does not fit into \[-1, 400\][\s\S]*inputShapes in the API, --shape/),
  });
});
