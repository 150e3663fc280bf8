/** Any number but 0 may stand for true: it becomes 1 when it is read, from any source. */
import { describe, expect, it } from 'vitest';
import { readNpy } from '../../src/cli/npy.ts';
import { compile, Tensor } from '../../src/index.ts';
import { interpret, parse, print, tensor } from '../../src/ir/index.ts';
import { importModel } from '../../src/runtime/import_model.ts';
import { type ModelAttr, writeModel } from '../support/onnx.ts';
import { forward, p, script } from './torch/archives.ts';

const BYTES = Uint8Array.of(0, 1, 2, 201);
const raw = { dtype: 'bool', shape: [4], data: BYTES } as const;
const model = (nodes: Parameters<typeof writeModel>[0]['nodes'], isInput: boolean): Uint8Array =>
  writeModel({
    nodes,
    inputs: [{ name: 'x', type: 'bool', dims: [4] }, ...(isInput ? [{ name: 'c', type: 'bool', dims: [4] }] : [])],
    outputs: [{ name: 'y', type: 'bool', dims: [4] }],
    initializers: isInput ? [] : [{ name: 'c', tensor: raw }],
  });
const equal = [{ op: 'Equal', inputs: ['c', 'x'], outputs: ['y'] }];
const x = tensor('bool', [1, 1, 1, 1], [4]);

describe('a byte of 201', () => {
  it('in an initializer of ONNX', async () => {
    const graph = await importModel(model(equal, false));
    expect([...interpret(graph, { x }).y.data]).toEqual([0, 1, 1, 1]);
    expect([...interpret(parse(print(graph)), { x }).y.data]).toEqual([0, 1, 1, 1]);
  });

  it.each(['onednn', 'reference'] as const)('in a feed, backend %s', async (backend) => {
    const compiled = await compile(model(equal, true), { backend, threads: 1 });
    const feeds = { c: new Tensor('bool', BYTES, [4]), x: new Tensor('bool', Uint8Array.of(1, 1, 1, 1), [4]) };
    expect([...((await compiled.run(feeds)).y.data as Uint8Array)]).toEqual([0, 1, 1, 1]);
    compiled.dispose();
  });

  it('in textual IR', () => {
    const text = print(parse('graph @main() -> (@c) {\n}\nconstants {\n  @c : bool[4] = base64"AAECyQ=="\n}\n'));
    expect(text).toContain('AAEBAQ==');
  });

  it('in a .npy file', () => {
    const header = "{'descr': '|b1', 'fortran_order': False, 'shape': (4,), }".padEnd(117);
    const file = Buffer.concat([Buffer.from(`\x93NUMPY\x01\x00\x76\x00${header}\n`, 'latin1'), BYTES]);
    expect([...readNpy(file, 'x.npy').data]).toEqual([0, 1, 1, 1]);
  });

  it('in a storage of PyTorch', async () => {
    const weights = p.tensor(p.storage('Bool', '0', 4), 0, [4], [1]);
    const bytes = script({
      code: forward('return torch.where(self.c, x, torch.neg(x))')
        .replace('[]', '["c"]')
        .replace('  def', '  c : Tensor\n  def'),
      state: p.dict([p.string('c'), weights]),
      data: { 0: BYTES },
    });
    const graph = await importModel(bytes, { inputShapes: { x: [4] } });
    const [y] = Object.values(interpret(graph, { x: tensor('f32', [1, 2, 3, 4], [4]) }));
    expect([...y.data]).toEqual([-1, 2, 3, 4]);
  });
});

describe('a flag of ONNX that is neither 0 nor 1', () => {
  it.each<[string, string, Readonly<Record<string, ModelAttr>>]>([
    ['ReduceMin', 'keepdims', { axes: [0] }],
    ['Gemm', 'transA', {}],
    ['MaxPool', 'ceil_mode', { kernel_shape: [1, 1] }],
    ['CumSum', 'reverse', {}],
  ])('%s, %s', async (op, flag, attrs) => {
    const bytes = writeModel({
      nodes: [
        {
          op,
          inputs: { Gemm: ['x', 'x'], MaxPool: ['i'], CumSum: ['x', 'a'] }[op] ?? ['x'],
          outputs: ['y'],
          attrs: { ...attrs, [flag]: 3 },
        },
      ],
      inputs: [
        { name: 'x', type: 'float32', dims: [2, 2] },
        { name: 'i', type: 'float32', dims: [1, 1, 2, 2] },
      ],
      outputs: [{ name: 'y' }],
      initializers: [{ name: 'a', tensor: tensor('s64', [0], []) }],
    });
    await expect(importModel(bytes)).rejects.toThrow(`attribute '${flag}' is 3, it should be 0 or 1`);
  });
});
