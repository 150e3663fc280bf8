/** A model states its need of memory before it takes any; a system with less is not reported as a fault of unskew. */
import { describe, expect, it } from 'vitest';
import { planGraph } from '../../../src/codegen/partition.ts';
import { compile, Tensor } from '../../../src/index.ts';
import { GraphBuilder } from '../../../src/ir/index.ts';
import { nnRelu } from '../../../src/ir/ops/nn_elementwise_unary.op.ts';
import { nnExpand } from '../../../src/ir/ops/nn_movement.op.ts';
import { openHere } from '../../../src/runtime/backends.ts';
import { explained, refuseTooLargePlans, withinMeans } from '../../../src/runtime/means.ts';

function relu() {
  const b = new GraphBuilder();
  return b.finish([
    b.emit(nnRelu, { x: b.input('x', 'f32', [4]) }, {}, { loc: { file: 'm.onnx', node: 'r', op: 'Relu' } }),
  ]);
}

describe('a model that takes more memory than there is', () => {
  it.each(['onednn', 'reference'] as const)('is refused when its sizes are known, backend %s', async (backend) => {
    const b = new GraphBuilder();
    const x = b.input('x', 'f32', ['N']);
    // each size fits 31 bits, and each result of one run is below the largest array
    const results = Array.from({ length: 512 }, () => b.emit(nnExpand, { x }, { shape: [2 ** 20, 1] }));
    const model = await compile(b.finish(results), { backend, threads: 1 });
    const feed = { x: new Tensor('float32', new Float32Array(512), [512]) };
    await expect(model.run(feed)).rejects.toThrow(/U1006.*1,024 GiB/);
    expect(() => model.runSync(feed)).toThrow(/U1006.*1,024 GiB/);
  });

  it('is refused for its plan too, which has scratchpads', () => {
    const graph = relu();
    const steps = planGraph(graph, openHere(['onednn'], 1));
    expect(() => refuseTooLargePlans(graph, steps)).not.toThrow();
    const large = steps.map(({ part, plan }) => ({ part, plan: { ...plan, bytes: 2 ** 46 } }));
    expect(() => refuseTooLargePlans(graph, large)).toThrow(/U1006.*65,536 GiB[\s\S]*r \(Relu\)[\s\S]*inputShapes/);
  });
});

describe('an error for want of memory or threads', () => {
  it.each<[string, Error, string]>([
    ['the addon: memory', Object.assign(new Error('no'), { code: 'ERR_OUT_OF_MEMORY' }), 'U1006'],
    ['the addon: threads', Object.assign(new Error('no'), { code: 'ERR_OUT_OF_THREADS' }), 'U5002'],
    ['JavaScript: memory', new RangeError('Array buffer allocation failed'), 'U1006'],
    ['JavaScript: too long', new RangeError('Invalid typed array length: 99999999999999'), 'U1006'],
  ])('has a code: %s', (_name, error, code) => {
    expect(explained(error, relu())).toMatchObject({ name: 'UnskewError', code });
  });

  it('differs from others', () => {
    const error = new RangeError('Maximum call stack size exceeded');
    expect(explained(error, relu())).toBe(error);
    const body = () => {
      throw error;
    };
    expect(() => withinMeans(relu, body)).toThrow(error);
  });
});
