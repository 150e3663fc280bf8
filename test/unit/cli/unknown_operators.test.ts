/** Models with an operator that nothing of ours computes: run and compared by ONNX Runtime, and not compiled. */
import { existsSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { tensor } from '../../../src/ir/index.ts';
import { compile } from '../../../src/runtime/compile.ts';
import { importModel } from '../../../src/runtime/import_model.ts';
import { json, quantizedConv, unskew, workFolder } from './support.ts';

const work = workFolder();
afterAll(work.dispose);
const initializers = [
  { name: 'sx', tensor: tensor('f32', [0.0625], []) },
  { name: 'zx', tensor: tensor('u8', [114], []) },
  { name: 'w', tensor: tensor('s8', [3, -2, 1, 4], [2, 2, 1, 1]) },
  { name: 'sw', tensor: tensor('f32', [0.03125], []) },
  { name: 'zw', tensor: tensor('s8', [0], []) },
  { name: 'sy', tensor: tensor('f32', [0.125], []) },
  { name: 'zy', tensor: tensor('u8', [20], []) },
];
/** An operator that is not understood, behind a convolution whose source has a zero point. */
const unknown: Readonly<Record<string, { op: string; inputs?: string[]; attrs?: Record<string, string> }>> = {
  Hardmax: { op: 'Hardmax' },
  Det: { op: 'Det' },
};
const modelOf = (name: string) =>
  work.write(
    `${name}.onnx`,
    quantizedConv({
      inputs: [{ name: 'x', type: 'float32', dims: [1, 2, 3, 3] }],
      outputs: [{ name: 'z', type: 'float32' }],
      nodes: [
        { op: 'QuantizeLinear', inputs: ['x', 'sx', 'zx'], outputs: ['xq'] },
        { op: 'QLinearConv', inputs: ['xq', 'sx', 'zx', 'w', 'sw', 'zw', 'sy', 'zy'], outputs: ['yq'], name: 'conv1' },
        { op: 'DequantizeLinear', inputs: ['yq', 'sy', 'zy'], outputs: ['y'] },
        { inputs: ['y'], outputs: ['z'], name: 'strange', ...unknown[name] },
      ],
      initializers,
    }),
  );

describe.each(Object.keys(unknown))('%s', (name) => {
  const model = modelOf(name);
  const isRefused = {
    code: 1,
    stderr: expect.stringMatching(new RegExp(`U2008[\\s\\S]*${name}[\\s\\S]*strange[\\s\\S]*help: `)),
  };

  test('rewrite --check: both files in ONNX Runtime, in both of its modes', async () => {
    const { code, result, stderr } = await json(['rewrite', model, '-o', work.path(`${name}.out.onnx`), '--check']);
    expect(code).toBe(0);
    expect(result.corrected).toEqual({ fold: 1 });
    expect(result.checks).toMatchObject([
      { found: 'onnxruntime on the written file', agrees: true, runs: 3 },
      { found: 'onnxruntime without optimizations on the written file', agrees: true, runs: 3 },
    ]);
    expect(stderr).toContain(`note: ${name} (strange) is not supported here: onnxruntime alone compares the two files`);
  });

  test('check --against onnxruntime does the same, and against the interpreter says why not', async () => {
    const { code, result } = await json(['check', model, '--against', 'onnxruntime', '--runs', '2']);
    expect({ code, agrees: result.agrees, sides: result.verdicts.length }).toEqual({ code: 0, agrees: true, sides: 2 });
    expect(await unskew(['check', model])).toMatchObject(isRefused);
  });

  test('run and bench hand the operator to ONNX Runtime, and say so', async () => {
    const noted = expect.stringContaining('note: 1 node runs on ONNX Runtime; unskew explain');
    const bench = ['bench', model, '--vs', 'onnxruntime', '--threads', '1', '--per-node'];
    expect(await unskew(bench)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/onnxruntime takes [\d.]+ times as long[\s\S]*opaque \(ONNX Runtime\)/),
      stderr: noted,
    });
    const { code, result, stderr } = await json(['run', model, '--random', '1']);
    expect({ code, backend: result.backend, stderr }).toEqual({ code: 0, backend: 'onednn', stderr: noted });
    for (const backend of ['onednn', 'reference'])
      expect(await unskew(['run', model, '--random', '1', '--backend', backend])).toMatchObject(isRefused);
    const { stdout } = await unskew(['explain', model]);
    expect(stdout).toMatch(
      new RegExp(`Not natively:\\n.*runs on[\\s\\S]*strange +${name} +ONNX Runtime +no primitive`),
    );
  });

  test('compile writes nothing and names the operator, the node and the next step', async () => {
    const out = work.path(`${name}.unskew`);
    expect(await unskew(['compile', model, '-o', out])).toMatchObject({ ...isRefused, stdout: '' });
    expect(existsSync(out)).toBe(false);
    for (const backend of ['onednn', 'reference'] as const)
      await expect(compile(await importModel(model), { backend })).rejects.toMatchObject({ code: 'U2008' });
  });
});

test('compile says where a model runs that has sizes, and that it is not known yet where they are open', async () => {
  const model = work.write('open.onnx', quantizedConv());
  const out = work.path('open.unskew');
  expect((await unskew(['compile', model, '-o', out])).stdout).toContain('is known with the sizes of the inputs');
  const { stdout } = await unskew(['compile', model, '-o', out, '--shape', 'x=1,1,4,4']);
  expect(stdout).toContain('all of them run natively');
  const { result } = await json(['compile', model, '-o', out, '--shape', 'x=1,1,4,4']);
  expect(result.interpreted).toEqual([]);
});

test('a file that ONNX Runtime refuses too cannot be compared, and the reason is the true one', async () => {
  const model = work.write(
    'nobody.onnx',
    quantizedConv({
      inputs: [{ name: 'x', type: 'float32', dims: [1, 2, 3, 3] }],
      outputs: [{ name: 'z', type: 'float32' }],
      nodes: [{ op: 'Strange', domain: 'nobody', inputs: ['x'], outputs: ['z'] }],
      opsets: { '': 17, nobody: 1 },
      initializers,
    }),
  );
  const { code, stderr } = await unskew(['rewrite', model, '-o', work.path('nobody.out.onnx'), '--check']);
  expect(code).toBe(1);
  expect(stderr).toMatch(/U5003[\s\S]*onnxruntime does not run the input/);
  expect(stderr).not.toContain('npm install');
});
