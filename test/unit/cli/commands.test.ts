import { readFileSync } from 'node:fs';
import onnxProto from 'onnx-proto';
import { afterAll, describe, expect, test } from 'vitest';
import { readNpy, writeNpy } from '../../../src/cli/npy.ts';
import { type ITensor, interpret, print, tensor } from '../../../src/ir/index.ts';
import { importModel } from '../../../src/runtime/import_model.ts';
import { corpusRoot } from '../../support/corpus.ts';
import { readTensorProto } from '../../support/onnx.ts';
import { json, quantizedConv, unskew, workFolder } from './support.ts';

const work = workFolder();
const model = work.write('conv.onnx', quantizedConv());
const graph = await importModel(model);
const qir = work.write('conv.qir', print(graph));
const x = tensor(
  'f32',
  Array.from({ length: 16 }, (_, i) => (i - 8) / 4),
  [1, 1, 4, 4],
);
const xFile = work.write('x.npy', writeNpy(x));
afterAll(work.dispose);

const largestAt = (values: Float32Array): number => values.indexOf(Math.max(...values));

describe('inspect', () => {
  test('a quantized convolution', async () => {
    const { stdout, code } = await unskew(['inspect', model]);
    expect(code).toBe(0);
    const sections = stdout.split('\n\n').slice(1);
    expect(sections).toMatchInlineSnapshot(`
      [
        "Inputs
      name  type     dims
      ----  -------  ------------
      x     float32  [N, 1, 4, 4]",
        "Outputs
      name  type     dims
      ----  -------  ------------
      y     float32  [N, 2, 4, 4]",
        "Operators
      operator          count
      ----------------  -----
      QuantizeLinear        1
      QLinearConv           1
      DequantizeLinear      1",
        "Quantization: 2 of 2 activation zero points are not zero; 1 of 1 convolution and matmul in integers; 1 quantized layer in the file, all read
      layer  computed as  input        weights      input zp  weights zp  bias
      -----  -----------  -----------  -----------  --------  ----------  ----
      conv1  qnn.conv     u8[N,1,4,4]  s8[2,1,3,3]       114        none  yes",
        "Unsupported: nothing
      ",
      ]
    `);
  });

  test('as JSON', async () => {
    const { result } = await json(['inspect', model]);
    expect(Object.keys(result)).toEqual([
      ...['file', 'format', 'bytes', 'producer', 'opsets', 'inputs', 'outputs', 'operators', 'unsupported'],
      ...['account', 'activations', 'layers', 'notGrouped'],
    ]);
    expect(result).toMatchObject({ format: 'onnx', activations: { total: 2, nonZero: 2 }, opsets: { 'ai.onnx': 17 } });
  });

  test('operators that are not supported are named', async () => {
    const nodes = [{ op: 'Det', inputs: ['x'], outputs: ['y'], name: 'sum' }];
    const odd = work.write('det.onnx', quantizedConv({ nodes, initializers: [] }));
    const { result, code } = await json(['inspect', odd]);
    expect(code).toBe(0);
    expect(result.unsupported).toEqual([{ value: 'y', operator: 'Det', reason: 'the operator is not known' }]);
    expect((await unskew(['inspect', odd])).stdout).toContain('Det       y            the operator is not known');
  });
});

describe('run', () => {
  test('on a file, with the addon and the interpreter alike; outputs are written', async () => {
    const expected = interpret(graph, { x }).y as ITensor<'f32'>;
    for (const backend of ['onednn', 'reference']) {
      const out = work.path(`out-${backend}`);
      const { result, code } = await json(['run', model, '--input', `x=${xFile}`, '--backend', backend, '-o', out]);
      expect(code).toBe(0);
      const values = [...expected.data.subarray(0, 8)];
      const argmax = Array.from({ length: 8 }, (_, row) => largestAt(expected.data.subarray(row * 4, row * 4 + 4)));
      const file = `${out}/y.npy`;
      expect(result.outputs).toEqual([{ name: 'y', type: 'float32', dims: [1, 2, 4, 4], values, argmax, file }]);
      expect(readNpy(readFileSync(`${out}/y.npy`), 'y.npy')).toEqual(expected);
    }
  });

  test('on random inputs, the same for the same seed', async () => {
    const values = async (seed: string) =>
      (await json(['run', model, '--random', seed, '--shape', 'x=2,1,4,4'])).result.outputs[0];
    expect((await values('1')).dims).toEqual([2, 2, 4, 4]);
    expect(await values('1')).toEqual(await values('1'));
    expect((await values('1')).values).not.toEqual((await values('2')).values);
  });

  test('on TensorProtos, against the recorded output', async () => {
    const folder = `${corpusRoot()}/onnx-node/node-1.22.0/test_convinteger_without_padding`;
    const data = (name: string) => `${folder}/test_data_set_0/${name}.pb`;
    const { inputs } = (await json(['inspect', `${folder}/model.onnx`])).result;
    const given = inputs.flatMap(({ name }: { name: string }, i: number) => [
      '--input',
      `${name}=${data(`input_${i}`)}`,
    ]);
    const out = work.path('recorded');
    const { result } = await json(['run', `${folder}/model.onnx`, ...given, '--backend', 'reference', '-o', out]);
    const recorded = readTensorProto(readFileSync(data('output_0'))).tensor;
    expect(readNpy(readFileSync(result.outputs[0].file), 'y')).toEqual(recorded);
  });
});

describe('check', () => {
  test('the addon equals the interpreter and ONNX Runtime', async () => {
    const { result, code } = await json(['check', model, '--against', 'interpreter', '--against', 'onnxruntime']);
    expect(code).toBe(0);
    expect(result).toMatchObject({ agrees: true, seeds: [1, 2, 3] });
    expect(result.verdicts.map((v: { agrees: boolean }) => v.agrees)).toEqual([true, true]);
  });

  test.each(['pad', 'border-table', 'native', 'four-term'])('by %s', async (strategy) => {
    expect((await unskew(['check', model, '--strategy', `conv1=${strategy}`, '--batch', '2'])).code).toBe(0);
  });

  test('a graph that computes something else: exit code 3, the first node, both values', async () => {
    const broken = work.write('broken.qir', print(graph).replace('zx=114:u8', 'zx=113:u8'));
    const { stdout, code } = await unskew(['check', model, '--against', broken]);
    expect(code).toBe(3);
    expect(stdout).toContain(`the compiled model differs from ${broken} on the random input of seed 1`);
    expect(stdout).toMatch(
      /first value that differs is %yq: first at \[0, \d, \d, \d\]: \d+, should be \d+; \d+ of 32 elements/,
    );
    expect(stdout).toContain(`at ${model} › conv1 (QLinearConv)`);
    const { result } = await json(['check', model, '--against', broken]);
    expect(result).toMatchObject({ agrees: false, verdicts: [{ failure: { seed: 1, divergence: { node: 'yq' } } }] });
  });
});

describe('strategies and explain', () => {
  test('strategies: the legal ways, their costs, and the chosen one', async () => {
    const { result } = await json(['strategies', model]);
    const [layer] = result.layers;
    expect(layer).toMatchObject({ layer: 'conv1', op: 'qnn.conv' });
    const legal = layer.ways.filter((w: { legal: boolean }) => w.legal);
    const cheapest = legal.sort((a: { cost: number }, b: { cost: number }) => a.cost - b.cost)[0];
    expect(layer.chosen).toBe(cheapest.name); // which one that is depends on the machine
    expect(layer.ways.find((w: { name: string }) => w.name === 'fold')).toMatchObject({
      legal: false,
      reason: expect.stringContaining('border'),
    });
    const { stdout } = await unskew(['strategies', model, '--target', 'symmetric']);
    expect(stdout).toMatch(/native +1 +a symmetric target has no zero points/);
  });

  test('strategies: the corrections of weights zero points', async () => {
    const text = `graph @main(%x: u8[1,1,4,4]) -> (%y) {
  %y = qnn.conv(%x, @w, zx=3:u8, zw=5:s8) {strides=[1,1], pads=[0,0,0,0], dilations=[1,1]} : s32[1,1,3,3]
}
constants {
  @w : s8[1,1,2,2] = base64"gH8FAA=="
}
`;
    const file = work.write('weights.qir', new TextEncoder().encode(text));
    const { result } = await json(['strategies', file, '--target', 'symmetric']);
    expect(result.weights).toEqual([{ layer: 'y', rule: 'window-sum' }]);
    const here = await json(['strategies', file]);
    const rule = ['vnni', 'amx'].includes(here.result.isa) ? 'native' : 'window-sum'; // where our kernel takes weights as they are
    expect(here.result.weights).toEqual([{ layer: 'y', rule }]);
    const { stdout } = await unskew(['strategies', file, '--target', 'symmetric']);
    expect(stdout).toMatch(/Weights, whose zero points are corrected first:\n.*\n.*\nwindow-sum +1 +qconv/);
  });

  test('explain: rules that fired with their laws, the others with their reasons', async () => {
    const { stdout, code } = await unskew(['explain', model, 'conv1']);
    expect(code).toBe(0);
    expect(stdout).toContain('conv1 (QLinearConv)\n  fired\n');
    expect(stdout).toMatch(/zero point corrected by (border-table|pad|native)/); // the cheapest of this machine
    expect(stdout).toMatch(/fold +not legal: padded borders/);
    expect((await unskew(['explain', model])).stdout).toContain('Everything runs natively.');
  });

  test('explain: a node that does not exist', async () => {
    const { stderr, code } = await unskew(['explain', model, 'conv2']);
    expect(code).toBe(1);
    expect(stderr).toContain("help: did you mean 'conv1'?");
  });
});

describe('rewrite for given sizes', () => {
  /** ⌈H / 2⌉ windows: how much is padded follows from H. */
  const padded = work.write(
    'same.onnx',
    quantizedConv({
      nodes: [
        {
          op: 'QLinearConv',
          inputs: ['x', 'sx', 'zx', 'w', 'sw', 'zw', 'sy', 'zy'],
          outputs: ['y'],
          attrs: { auto_pad: 'SAME_UPPER', strides: [2, 2] },
        },
      ],
      inputs: [{ name: 'x', type: 'uint8', dims: ['N', 1, 'H', 'W'] }],
      outputs: [{ name: 'y', type: 'uint8' }],
    }),
  );
  const out = work.path('sizes.onnx');

  test('corrects the layers that need sizes, and declares the sizes', async () => {
    const { result } = await json(['rewrite', padded, '-o', out, '--shape', 'x=1,1,8,9', '--check']);
    expect(Object.values(result.corrected)).toEqual([1]);
    expect(result.checks.map(({ agrees }: { agrees: boolean }) => agrees)).toEqual([true, true, true]);
    const { inputs, outputs } = (await json(['inspect', out])).result;
    expect([inputs[0].dims, outputs[0].dims]).toEqual([
      [1, 1, 8, 9],
      [1, 2, 4, 5],
    ]);
  });

  test('corrects without sizes too: pads are computed from the size', async () => {
    const { result } = await json(['rewrite', padded, '-o', out, '--check']);
    expect(result.corrected).toEqual({ fold: 1 });
    expect(result.checks.map(({ agrees }: { agrees: boolean }) => agrees)).toEqual([true, true, true]);
    expect((await json(['inspect', out])).result.inputs[0].dims).toEqual(['N', 1, 'H', 'W']);
  });
});

describe('compile and bench', () => {
  test('a compiled file runs, is checked, is inspected and is measured', async () => {
    const compiled = work.path('conv.unskew');
    const { result } = await json(['compile', model, '-o', compiled]);
    expect(result).toMatchObject({ output: compiled, corrected: 1, verdict: 'bit-exact' });
    const outputs = async (file: string) => (await json(['run', file, '--random', '5'])).result.outputs;
    expect(await outputs(compiled)).toEqual(await outputs(model));
    expect((await unskew(['check', compiled])).code).toBe(0);
    expect((await json(['inspect', compiled])).result).toMatchObject({
      format: 'compiled',
      compiled: { verdict: 'bit-exact' },
    });
  });

  test('bench: min, median, p99; per node; next to ONNX Runtime', async () => {
    const { result } = await json([
      'bench',
      model,
      '--vs',
      'onnxruntime',
      '--per-node',
      '--threads',
      '1',
      '--batch',
      '2',
    ]);
    expect(result.timings.map((t: { name: string }) => t.name)).toEqual(['unskew', 'onnxruntime']);
    for (const { minimum, median, p99 } of result.timings) {
      expect(minimum).toBeGreaterThan(0);
      expect(minimum).toBeLessThanOrEqual(median);
      expect(median).toBeLessThanOrEqual(p99);
    }
    expect(result.ratio.ratio).toBeCloseTo(result.timings[1].median / result.timings[0].median);
    expect(result.nodes.map((n: { node: string }) => n.node)).toContain('yq');
  });
});

describe('opt', () => {
  test('standard streams and passes; the printed text can be read again', async () => {
    const { stdout, code } = await unskew(['opt', '-'], { stdin: print(graph) });
    expect(code).toBe(0);
    expect(stdout).toContain('nn.conv(');
    expect(stdout).not.toContain('qnn.conv(');
    const again = work.write('again.qir', stdout);
    expect((await unskew(['check', qir, '--against', again])).code).toBe(0);
  });

  test('--print-ir-after-change and --timing are on stderr', async () => {
    const passes = 'fold-constants,correct-zero-points{strategy=pad}';
    const { stdout, stderr } = await unskew([
      'opt',
      qir,
      `--passes=${passes}`,
      '--print-ir-after-change',
      '--timing',
      '-q',
    ]);
    expect(stdout).toMatch(/^graph @main/);
    expect(stderr).toContain('// after correct-zero-points\ngraph @main');
    expect(stderr).toMatch(/^pass +ms +rewrites\n/m);
    expect(stderr).toMatch(/^fold-constants +\d/m);
  });
});

describe('rewrite', () => {
  test('a model without zero points, checked by interpreter and ONNX Runtime', async () => {
    const output = work.path('symmetric.onnx');
    const emitted = work.path('symmetric.qir');
    const { result, code } = await json(['rewrite', model, '-o', output, '--check=2', '--emit-ir', emitted]);
    expect(code).toBe(0);
    expect(result).toMatchObject({ verdict: 'bit-exact', corrected: { pad: 1 }, externalData: [] });
    expect(result.operators).toEqual({ Pad: 1 }); // beside the one QLinearConv that was and is there
    expect(result.checks.map((c: { agrees: boolean }) => c.agrees)).toEqual([true, true, true]);
    expect(readFileSync(emitted, 'utf8')).toMatch(/^graph @main/);
    expect((await json(['inspect', output])).result.layers[0]).toMatchObject({
      inputZeroPoint: 'none',
      weightsZeroPoint: 'none',
    });
  });

  test('textual IR and files that are not ONNX models: the written file in both modes of ONNX Runtime against the interpreter', async () => {
    const { result, code } = await json(['rewrite', qir, '-o', work.path('of-ir.onnx'), '--check=2']);
    expect(code).toBe(0);
    expect(
      result.checks.map(({ found, against, agrees }: Record<string, unknown>) => [found, against, agrees]),
    ).toEqual([
      ['the written file', 'the quantized graph', true],
      ['onnxruntime on the written file', 'the quantized graph', true],
      ['onnxruntime without optimizations on the written file', 'the quantized graph', true],
    ]);
  });

  test('the passes that were asked for', async () => {
    const output = work.path('same.onnx');
    expect((await unskew(['rewrite', model, '-o', output, '--passes=canonicalize'])).code).toBe(0);
    expect(new Uint8Array(readFileSync(output))).toEqual(new Uint8Array(readFileSync(model)));
  });

  test('weights in files of their own stay there, and the user is told to bring them along', async () => {
    const { ModelProto, TensorProto } = onnxProto.onnx;
    const proto = ModelProto.decode(quantizedConv());
    const weights = proto.graph?.initializer?.find(({ name }) => name === 'w') as InstanceType<typeof TensorProto>;
    work.write('w.bin', weights.rawData);
    Reflect.deleteProperty(weights, 'rawData');
    weights.dataLocation = TensorProto.DataLocation.EXTERNAL;
    weights.externalData = [{ key: 'location', value: 'w.bin' }] as typeof weights.externalData;
    const external = work.write('external.onnx', ModelProto.encode(proto).finish());
    const beside = await json([
      'rewrite',
      external,
      '-o',
      work.path('beside.onnx'),
      '--check',
      '--passes=canonicalize',
    ]);
    expect(beside).toMatchObject({ code: 0, stderr: '', result: { externalData: ['w.bin'] } });
    const away = await unskew(['rewrite', external, '-o', work.path('away/out.onnx'), '--passes=canonicalize']);
    expect(away.stderr).toContain(`reads its weights from w.bin: copy it from ${work.folder} to ${work.path('away')}`);
  });
});
