import { expect, it } from 'vitest';
import { GraphBuilder, interpret, nnPad, tensor, toPublic } from '../../../src/ir/index.ts';
import { addonAvailable } from '../../../src/runtime/addon.ts';
import { compile } from '../../../src/runtime/compile.ts';
import { describeUnless } from '../../support/unless.ts';

const { available } = addonAvailable();

describeUnless(available ? undefined : 'the addon is not built', 'values of 8 bytes around a tensor', () => {
  it.each([
    ['a negative integer', tensor('s64', [-1n], []), tensor('s64', [5n, -6n], [2])],
    ['a great integer', tensor('s64', [2n ** 62n + 1n], []), tensor('s64', [5n, -6n], [2])],
    ['a float', tensor('f64', [0.1], []), tensor('f64', [5, -6], [2])],
  ])('%s', async (_name, value, x) => {
    const b = new GraphBuilder();
    const operands = { x: b.input('x', x.dtype, [2]), value: b.constant(value) };
    const y = b.emit(nnPad, operands, { pads: [1, 2], mode: 'constant' });
    const graph = b.finish([y]);
    const model = await compile(graph, { threads: 1 });
    const [got] = Object.values(await model.run({ x: toPublic(x) }));
    expect(got.data).toEqual(interpret(graph, { [graph.inputs[0]]: x })[y.id].data);
  });
});
