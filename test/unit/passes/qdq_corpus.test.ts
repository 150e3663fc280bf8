/** Every quantized convolution and matrix product of the trained networks becomes an integer one. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { targetNames } from '../../../src/codegen/target_names.ts';
import { resolveTarget } from '../../../src/codegen/targets.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { type Graph, type ITensor, interpret } from '../../../src/ir/index.ts';
import { runPipeline } from '../../../src/passes/manager.ts';
import { quantizePipeline } from '../../../src/passes/pipelines.ts';
import { corpusEntries, describeCorpus } from '../../support/corpus.ts';
import { readNpy } from '../../support/npy.ts';

const count = (graph: Graph, pattern: RegExp): number =>
  Object.values(graph.nodes).filter((node) => pattern.test(node.op)).length;
const products = /^nn\.(conv|conv_transpose|matmul)$/;
const integers = /^qnn\.(conv|conv_transpose|matmul)$/;

describeCorpus('grouping of trained networks', (root) => {
  const models = corpusEntries().filter(
    ({ path, kind }) => /-(qdq|torchexport)-.*\.onnx$/.test(path) && kind !== 'onnx-float' && !path.includes('u16'),
  );

  test.each(models.flatMap(({ path }) => targetNames.map((target) => [path, target] as const)))(
    '%s for %s',
    (path, name) => {
      const target = resolveTarget(name);
      const graph = importOnnx(readFileSync(join(root, path)));
      const { graph: after } = runPipeline(graph, quantizePipeline(target), { target });
      expect(count(after, integers)).toBe(count(graph, products));
      expect(count(after, products)).toBe(0);
      if (name === 'onednn' && !path.includes('tfm')) {
        // integers from the one quantize at the input to the one dequantize at the output
        expect([count(after, /^qnn\.quantize$/), count(after, /^qnn\.dequantize$/)]).toEqual([1, 1]);
        expect(count(after, /^nn\.(?!add$|reshape$|max_pool$|concat$)/)).toBe(0);
      }
    },
  );

  const withInputs = models.filter(({ inputs }) => typeof inputs === 'string' && !/mbv2|real/.test(inputs));
  test.each(withInputs.map(({ path, inputs }) => [path, inputs as string]))(
    '%s: the results of the float graph',
    (path, inputs) => {
      const graph = importOnnx(readFileSync(join(root, path)));
      const target = resolveTarget('symmetric');
      const { graph: after } = runPipeline(graph, quantizePipeline(target), { target });
      const x = readNpy(readFileSync(join(root, inputs)));
      const images = {
        ...x,
        shape: [16, ...x.shape.slice(1)],
        data: x.data.slice(0, (x.data.length / x.shape[0]) * 16),
      } as ITensor;
      const [y, expected] = [after, graph].map((g) => Object.values(interpret(g, { [graph.inputs[0]]: images }))[0]);
      expect(y).toEqual(expected);
    },
  );
});
