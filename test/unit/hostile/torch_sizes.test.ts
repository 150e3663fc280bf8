/** Sizes, strides and positions in the code of an archive that no memory holds: a coded error, or a result, and soon. */
import { describe, expect, it } from 'vitest';
import { UnskewError } from '../../../src/diagnostics/index.ts';
import { interpret, tensor } from '../../../src/ir/index.ts';
import { installPlatform } from '../../../src/platform/index.ts';
import { compile } from '../../../src/runtime/compile.ts';
import { importModel } from '../../../src/runtime/import_model.ts';
import { differenceOf } from '../onnx_export/support.ts';
import { forward, script } from '../torch/archives.ts';

/** Fixes the memory, so that refusals do not depend on the machine and a test cannot use all of it. */
installPlatform({ largestArray: 2 ** 28, memoryFor: () => 2 ** 28 });

const conv = (...more: readonly string[]) => `torch.conv2d(x, torch.ones([3, 3, 2, 2]), None, ${more.join(', ')}, 1)`;
const calls = (n: string): readonly string[] => [
  `torch.max_pool2d(x, [${n}, 2])`,
  `torch.max_pool2d(x, [2, 2], [${n}, 1])`,
  `torch.avg_pool2d(x, [2, 2], [1, 1], [${n}, 0])`,
  `torch.adaptive_avg_pool2d(x, [${n}, 1])`,
  `torch.reshape(x, [${n}, 1])`,
  `torch.expand(x, [${n}, 3, 8, 8])`,
  `torch.repeat(x, [1, 1, ${n}, ${n}])`,
  `torch.constant_pad_nd(x, [1, ${n}, ${n}, 0], 0.)`,
  `torch.permute(x, [0, ${n}, 2, 3])`,
  `torch.slice(x, 2, 0, 3, ${n})`,
  `torch.select(x, 2, ${n})`,
  `torch.as_strided(x, [2, ${n}], [1, 1])`,
  `torch.as_strided(x, [2, 2], [${n}, 1])`,
  `torch.full([${n}], 1.)`,
  `torch.arange(${n})`,
  `torch.upsample_nearest2d(x, [${n}, 2], None)`,
  `torch.split(x, ${n}, 1)[0]`,
  `torch.pixel_shuffle(x, ${n})`,
  `torch.cumsum(x, ${n})`,
  `torch.quantize_per_tensor(x, 0.1, ${n}, 13)`,
  conv(`[${n}, 1]`, '[0, 0]', '[1, 1]'),
  conv('[1, 1]', `[${n}, 0]`, '[1, 1]'),
  conv('[1, 1]', '[0, 0]', `[${n}, 1]`),
];

describe.each(['-1', '2147483648', '8589934592', '9007199254740993'])('%s', (n) => {
  it.each(calls(n))('%s', async (call) => {
    const start = performance.now();
    try {
      const graph = await importModel(script({ code: forward(`return ${call}`) }), {
        inputShapes: { x: [1, 3, 8, 8] },
      });
      const x = tensor(
        'f32',
        new Float32Array(192).map((_, i) => i % 7),
        [1, 3, 8, 8],
      );
      const expected = interpret(graph, { x });
      const model = await compile(graph, { threads: 1 });
      const found = await model.run({ x: { type: 'float32', data: x.data, dims: x.shape } });
      model.dispose();
      const results = Object.entries(expected).map(([name, t]) => [name, { ...t, data: found[name].data }]);
      expect(differenceOf(Object.fromEntries(results), expected, 1e-5)).toBeUndefined();
    } catch (error) {
      if (!(error instanceof UnskewError)) throw error;
      expect(error.code).not.toBe('U9001');
    }
    expect(performance.now() - start).toBeLessThan(5000);
  });
});
