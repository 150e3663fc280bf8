/** Constants that several nodes share and that each of them wants in another order. */
import { describe, expect, it } from 'vitest';
import { channelsLast, KeptConstants } from '../../../src/codegen/onednn/kept_constants.ts';
import { compile, Tensor } from '../../../src/index.ts';
import { tensor } from '../../../src/ir/index.ts';
import { loadAddon } from '../../../src/runtime/addon.ts';
import { writeModel } from '../../support/onnx.ts';

describe('constants in native memory', () => {
  it('are in the order of their own shape, also where tensors of other shapes have the same data', () => {
    const binding = loadAddon();
    const kept = new KeptConstants();
    const data = Uint8Array.from({ length: 24 }, (_, i) => i);
    for (const shape of [
      [1, 2, 3, 4],
      [1, 4, 3, 2],
      [2, 12, 1, 1],
    ]) {
      const given = tensor('u8', data, shape);
      const memory = kept.memory(given, binding, 'channels last', channelsLast);
      expect(binding.contents(memory)).toEqual(channelsLast(given).data);
      expect(kept.memory(given, binding, 'channels last', channelsLast)).toBe(memory);
    }
  });

  it('are joined for each number of groups', async () => {
    const [filters, inputs] = [96, 2];
    const conv = (groups: number) => ({
      op: 'QLinearConv',
      inputs: [`x${groups}`, 's', 'z', 'w', 's', 'zw', 's', 'z'],
      outputs: [`y${groups}`],
      attrs: { group: groups },
    });
    const weights = Uint8Array.from({ length: filters * inputs * 9 }, (_, i) => (i * 37) % 251);
    const groups = [12, 16];
    const bytes = writeModel({
      inputs: groups.map((count) => ({ name: `x${count}`, type: 'uint8', dims: [1, count * inputs, 5, 5] })),
      outputs: groups.map((count) => ({ name: `y${count}`, type: 'uint8' })),
      initializers: [
        { name: 's', tensor: tensor('f32', [0.25], []) },
        { name: 'z', tensor: tensor('u8', [120], []) },
        { name: 'zw', tensor: tensor('u8', [131], []) },
        { name: 'w', tensor: tensor('u8', weights, [filters, inputs, 3, 3]) },
      ],
      nodes: groups.map(conv),
    });
    const feeds = Object.fromEntries(
      groups.map((count) => {
        const source = Uint8Array.from({ length: count * inputs * 25 }, (_, i) => 110 + ((i * 13) % 23));
        return [`x${count}`, new Tensor('uint8', source, [1, count * inputs, 5, 5])];
      }),
    );
    const [native, reference] = await Promise.all([
      compile(bytes, { backends: ['onednn'], threads: 1 }),
      compile(bytes, { backend: 'reference' }),
    ]);
    expect(native.runSync(feeds)).toEqual(reference.runSync(feeds));
  });
});
