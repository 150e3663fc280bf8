/** The code of archives: code that runs at import, code that becomes a graph, and code that is refused with its line. */
import { describe, expect, it } from 'vitest';
import type { ImportOptions } from '../../../src/importers/import_model.ts';
import { interpret } from '../../../src/ir/interpret.ts';
import { verify } from '../../../src/ir/verify.ts';
import { importModel } from '../../../src/runtime/import_model.ts';
import { type ITensor, tensor } from '../../../src/tensors/tensor.ts';
import { forward, p, type Script, script, zip } from './archives.ts';

const shapes = { inputShapes: { x: [2, 3] } } satisfies ImportOptions;
const load = async (s: Script, options: ImportOptions = shapes) => {
  const graph = await importModel(script(s), options);
  expect(verify(graph)).toEqual([]);
  return graph;
};
const run = async (s: Script, x: ITensor = tensor('f32', [-1, 2, -3, 4, -5, 6], [2, 3]), options?: ImportOptions) =>
  interpret(await load(s, options), { x });
const output = async (s: Script) => Array.from((await run(s)).output.data as Float32Array);
const refused = (s: Script, code: string, part: string | RegExp, options: ImportOptions = shapes) =>
  expect(importModel(script(s), options)).rejects.toMatchObject({
    name: 'UnskewError',
    code,
    message: typeof part === 'string' ? expect.stringContaining(part) : expect.stringMatching(part),
  });

/** `return x + value`, value being computed by the code. */
const adds = (...lines: readonly string[]) => output({ code: forward(...lines, 'return torch.add(x, value)') });
const minus = [-1, 2, -3, 4, -5, 6];

describe('code that runs at import', () => {
  it.each([
    [3, ['value = torch.add(1, 2)']],
    [7, ['value = 1 + 2 * 3']],
    [-1, ['value = -(3 - 2)']],
    [2, ['value = 7 // 3']],
    [0.5, ['value = torch.div(1, 2)']],
    [8, ['value = 2 ** 3']],
    [1, ['if torch.eq(torch.len(torch.size(x)), 2):', '  value = 1', 'else:', '  value = 2']],
    [2, ['if not True:', '  value = 1', 'elif False or None is None and 1 < 2:', '  value = 2']],
    [5, ['value = 5 if "a" in ["a", "b"] else 6']],
    [10, ['value = 0', 'for i in range(5):', '  value += i']],
    [
      12,
      [
        'value = 0',
        'for i in range(2, 12, 3):',
        '  if i == 5:',
        '    continue',
        '  if i > 10:',
        '    break',
        '  value = value + i',
        'value = value + 2',
      ],
    ],
    [
      6,
      [
        'items = annotate(List[int], [])',
        'for i in range(4):',
        '  _ = torch.append(items, i)',
        'value = 0',
        'for j in items:',
        '  value = value + j',
      ],
    ],
    [3, ['n = 0', 'while n < 3:', '  n = n + 1', 'value = n']],
    [3, ['value = torch.size(x)[1]']],
    [2, ['value, _0, = torch.size(x)']],
    [4, ['d = {"k": 4}', 'value = d["k"]']],
    [9, ['value = (torch.append, 9)[1]'.replace('torch.append', '"s"')]],
    [20, ['a = [1, 2, 3, 4]', 'a[1] = 20', 'value = a[1:3][0]']],
    [2, ['value = int(torch.div(ops.prim.NumToTensor(torch.size(x, 0)), 1, rounding_mode="trunc"))']],
    [1, ['assert torch.gt(2, 1), "never"', 'value = 1']],
    [-2, ['value = torch.neg(2)']],
    [3, ['value = unchecked_cast(int, 3)', 'y = uninitialized(int)']],
  ])('%d', async (value, lines) => {
    expect(await adds(...lines)).toEqual(minus.map((v) => v + value));
  });

  it('calls functions, methods and submodules, with defaults and keywords', async () => {
    const code = [
      'class M(Module):',
      '  sub : __torch__.Sub',
      '  scale : Final[float] = 2.0',
      '  def forward(self: __torch__.M, x: Tensor) -> Tensor:',
      '    _0 = __torch__.twice',
      '    return _0((self).shift((self.sub).forward(x, ), by=3.0, ), )',
      '  def shift(self: __torch__.M, x: Tensor, by: float=1.0) -> Tensor:',
      '    return torch.add(torch.mul(x, self.scale), by)',
      'class Sub(Module):',
      '  __annotations__["0"] = int',
      '  def forward(self: __torch__.Sub, x: Tensor) -> Tensor:',
      '    return torch.add(x, getattr(self, "0"))',
      'def twice(x: Tensor, times: int=2) -> Tensor:',
      '  return torch.mul(x, times)',
      '',
    ].join('\n');
    const state = p.dict([p.string('sub'), p.object('__torch__.Sub', p.dict([p.string('0'), p.int(7)]))]);
    expect(await output({ code, state })).toEqual(minus.map((v) => 2 * (2 * (v + 7) + 3)));
  });

  it('runs __setstate__', async () => {
    const code = `${forward('return torch.add(x, self.a)')}  def __setstate__(self: __torch__.M, state: Tuple[int, int]) -> NoneType:\n    self.a = torch.mul((state)[0], (state)[1])\n    return None\n`;
    expect(await output({ code, state: p.tuple(p.int(3), p.int(5)) })).toEqual(minus.map((v) => v + 15));
  });

  it('overwrites the operands of in-place operators, under every name', async () => {
    expect(await output({ code: forward('y = x', 'z = torch.relu_(x)', 'return torch.add(y, x)') })).toEqual(
      minus.map((v) => 2 * Math.max(v, 0)),
    );
  });

  it('takes checks on sizes for granted', async () => {
    const code = forward(
      'if torch.ne(torch.size(x, 0), 2):',
      '  ops.prim.RaiseException("no")',
      'else:',
      '  pass',
      'return torch.relu(x)',
    );
    const graph = await load({ code }, { inputShapes: { x: ['N', 3] } });
    expect(Object.values(graph.nodes).map(({ op }) => op)).toEqual(['nn.relu']);
  });
});

describe('graphs', () => {
  it('name nodes after modules and variables, and outputs', async () => {
    const graph = await load({ code: forward('activated = torch.relu(x)', 'return torch.tanh(activated)') });
    expect([graph.inputs, Object.keys(graph.nodes), graph.outputs]).toEqual([
      ['x'],
      ['activated', 'output'],
      ['output'],
    ]);
    expect(graph.nodes[graph.outputs[0]].loc).toMatchObject({ op: 'aten::tanh' });
  });

  it('have several outputs, in tuples and dicts', async () => {
    const graph = await load({ code: forward('y = torch.relu(x)', 'return (y, [x, y], {"sum": torch.add(x, y)})') });
    expect(graph.outputs).toEqual(['output_0', 'output_1_0', 'output_1_1', 'output_2_sum']);
  });

  it('leave out nodes that nothing needs', async () => {
    const graph = await load({ code: forward('y = torch.exp(x)', 'return torch.relu(x)') });
    expect(Object.values(graph.nodes).map(({ op }) => op)).toEqual(['nn.relu']);
  });

  it('carry operators that are not known', async () => {
    const graph = await load({ code: forward('y = torch.fft_rfft(x, 3)', 'return torch.relu(y)') });
    expect(graph.origin?.unsupported).toEqual([
      { value: 'y', operator: 'aten::fft_rfft', reason: 'the operator is not known' },
    ]);
    expect(Object.values(graph.nodes).map(({ op }) => op)).toEqual(['opaque', 'opaque']);
    expect(() => interpret(graph, { x: tensor('f32', minus, [2, 3]) })).toThrow(/U2008.*aten::fft_rfft/);
  });

  it('take a traced batch of one from a reshape', async () => {
    const weights = p.quantized(p.storage('QInt8', 'w', 8), [2, 4], [4, 1], p.perTensor(0.5, 0));
    const s: Script = {
      code: forward(
        'q = torch.quantize_per_tensor(x, 0.5, 0, 13)',
        'y = ops.quantized.conv2d(q, CONSTANTS.c0, 0.5, 0)',
        'z = torch.reshape(torch.adaptive_avg_pool2d(y, [2, 2]), [1, -1])',
        'return torch.dequantize(ops.quantized.linear(z, CONSTANTS.c1, 1., 0))',
      ),
      constants: p.tuple(
        p.object('__torch__.torch.classes.quantized.Conv2dPackedParamsBase', conv2(1, 1)),
        p.object('__torch__.torch.classes.quantized.LinearPackedParamsBase', p.tuple(weights, p.none)),
      ),
      files: [{ name: 'm/constants/w', data: Uint8Array.from({ length: 64 }, () => 1) }, ...configFile],
    };
    const graph = await load(s, { inputShapes: { x: ['N', 1, 4, 4] } });
    expect(graph.values[graph.inputs[0]].type.shape).toEqual([1, 1, 4, 4]);
  });
});

/** Version 2 of packed convolution weights: [outputs, 1, 1, 1] of ones. */
const configFile = [
  { name: 'm/constants/config', data: new Uint8Array(Int16Array.of(2, 1, 1, 0, 0, 1, 1, 0, 0, 1, 0).buffer) },
];
const config = p.tensor(p.storage('Short', 'config', 11), 0, [11], [1]);
const filter = (outputs: number, inputs: number) =>
  p.quantized(
    p.storage('QInt8', 'w', outputs * inputs),
    [outputs, inputs, 1, 1],
    [inputs, 1, 1, 1],
    p.perTensor(0.5, 0),
  );
const conv2 = (outputs: number, inputs: number) =>
  p.tuple(p.string('2'), p.list(config, filter(outputs, inputs)), p.list(p.none));

describe('packed weights', () => {
  const one = (n: number) => p.tensor(p.storage('Long', `one${n}`, 1), 0, [1], [1]);
  const ones = [0, 1].map((n) => ({
    name: `m/constants/one${n}`,
    data: new Uint8Array(BigInt64Array.of(BigInt(n)).buffer),
  }));
  const w = { name: 'm/constants/w', data: Uint8Array.of(1, 2) };
  const versions = {
    1: p.tuple(filter(2, 1), p.none, p.list(one(1), one(1)), p.list(one(0), one(0)), p.list(one(1), one(1)), one(1)),
    2: conv2(2, 1),
    3: p.tuple(p.int(3), p.list(...[2, 1, 1, 0, 0, 1, 1, 0, 0, 1, 0].map(p.int)), p.list(p.none, filter(2, 1), p.none)),
  };
  const lines = (call: string) =>
    forward('q = torch.quantize_per_tensor(x, 0.5, 0, 13)', `return torch.dequantize(ops.quantized.conv2d(${call}))`);

  it.each([
    ...Object.entries(versions).map(
      ([version, state]) => [`version ${version}`, state, 'q, CONSTANTS.c0, 0.5, 0'] as const,
    ),
    ['the call of the first versions', versions[2], 'q, CONSTANTS.c0, [1, 1], [0, 0], [1, 1], 1, 0.5, 0'] as const,
  ])('%s', async (_what, state, call) => {
    const constants = p.tuple(p.object('__torch__.torch.classes.quantized.Conv2dPackedParamsBase', state));
    const x = tensor('f32', [1, 2], [1, 1, 1, 2]);
    const { output: y } = await run({ code: lines(call), constants, files: [w, ...ones, ...configFile] }, x, {});
    expect([...y.data]).toEqual([0.5, 1, 1, 2]);
  });

  it.each([
    ['of an unknown version', p.tuple(p.int(9), p.list(), p.list()), 'unknown version 9'],
    ['without a weight', p.tuple(p.string('2'), p.list(config, p.none), p.list(p.none)), 'no weight'],
    [
      'of absurd numbers',
      p.tuple(p.int(3), p.list(...[2, 1, 1, -1, 0, 1, 1, 0, 0, 1, 0].map(p.int)), p.list(p.none, filter(2, 1), p.none)),
      'negative',
    ],
    [
      'of a short configuration',
      p.tuple(p.int(3), p.list(p.int(2)), p.list(p.none, filter(2, 1), p.none)),
      'configuration of 1',
    ],
  ])('refuses those %s', async (_what, state, part) => {
    const constants = p.tuple(p.object('__torch__.torch.classes.quantized.Conv2dPackedParamsBase', state));
    await refused({ code: lines('q, CONSTANTS.c0, 0.5, 0'), constants, files: [w, ...configFile] }, 'U1004', part, {});
  });

  it('refuses classes that are not known', () =>
    refused(
      {
        code: lines('q, CONSTANTS.c0, 0.5, 0'),
        constants: p.tuple(p.object('__torch__.torch.classes.sparse.LinearPackedParamsBase', p.tuple())),
      },
      'U2008',
      '__torch__.torch.classes.sparse',
    ));
});

describe('code that is refused', () => {
  it.each([
    [
      'a branch on data',
      ['if bool(torch.gt(torch.sum(x), 0)):', '  y = x', 'else:', '  y = torch.neg(x)', 'return y'],
      'U2008',
      /depends on the data[\s\S]*code\/__torch__\.py:5/,
    ],
    [
      'a loop on data',
      ['while torch.gt(torch.sum(x), 0):', '  x = torch.neg(x)', 'return x'],
      'U2008',
      'control flow depends on the data',
    ],
    [
      'an exception',
      ['ops.prim.RaiseException("too bad")', 'return x'],
      'U2005',
      /too bad[\s\S]*code\/__torch__\.py:5/,
    ],
    ['a raise', ['raise Exception("no")', 'return x'], 'U2005', 'raises'],
    ['an assertion', ['assert 1 > 2', 'return x'], 'U2005', 'assertion'],
    ['a variable without a value', ['return y'], 'U1004', "'y' has no value"],
    ['an attribute that is not there', ['return self.y'], 'U1004', "no attribute 'y'"],
    ['a constant that is not there', ['return CONSTANTS.c3'], 'U1004', 'not one of the 0 constants'],
    ['a function that is not there', ['return __torch__.nothing(x)'], 'U2008', '__torch__.nothing'],
    ['an index outside of a list', ['return torch.add(x, [1, 2][5])'], 'U1004', 'outside of a list of 2'],
    ['too many values', ['a, b, = [1, 2, 3]', 'return x'], 'U1004', '3 values for 2 variables'],
    [
      'an operator with wrong arguments',
      ['return torch.permute(x, "a")'],
      'U2008',
      'not supported for these arguments',
    ],
    [
      'shapes that do not fit',
      ['return torch.matmul(x, x)'],
      'U2004',
      /inner sizes[\s\S]*code\/__torch__\.py:5 \(aten::matmul\)/,
    ],
    ['an axis outside', ['return torch.transpose(x, 0, 5)'], 'U2005', 'dim 5'],
    ['no tensor as a result', ['return 3'], 'U2008', 'only tensors can be outputs'],
    ['an endless loop', ['while True:', '  pass', 'return x'], 'U1006', 'does not end'],
    ['an endless range', ['for i in range(1000000000000):', '  pass', 'return x'], 'U1006', 'does not end'],
    ['endless recursion', ['return (self).forward(x, )'], 'U1006', 'nest too deeply'],
    [
      'a list that doubles',
      ['a = [1]', 'for i in range(64):', '  a = torch.add(a, a)', 'return x'],
      'U2008',
      'a list of',
    ],
    [
      'a string that doubles',
      ['a = "x"', 'for i in range(64):', '  a = torch.add(a, a)', 'return x'],
      'U2008',
      'very long string',
    ],
    ['a try statement', ['try:', '  y = x', 'return x'], 'U1004', /'try' is not supported[\s\S]*:5/],
    [
      'a with of a value that is not an object',
      ['with torch.no_grad():', '  y = x', 'return x'],
      'U2008',
      'aten::no_grad',
    ],
    ['a line that is not TorchScript', ['return x ? y'], 'U1004', /is not TorchScript[\s\S]*:5/],
    ['an open bracket', ['return torch.add(x,'], 'U1004', 'expected'],
    ['brackets without end', [`return ${'('.repeat(5000)}x${')'.repeat(5000)}`], 'U1004', 'levels of nesting'],
  ])('%s', (_what, lines, code, part) => refused({ code: forward(...lines) }, code, part));

  it('refuses inputs that are not tensors', () =>
    refused(
      { code: 'class M(Module):\n  def forward(self: __torch__.M, x: int) -> int:\n    return x\n' },
      'U2008',
      "'x' is not a tensor",
      {},
    ));
  it('modules that contain themselves', () => {
    const state = Buffer.concat([
      p.global('__torch__.M'),
      p.raw(')\x81'),
      p.raw('q\x05'),
      p.tuple(p.raw('h\x05')),
      p.raw('b'),
    ]);
    const code = `${forward('return x')}  def __setstate__(self: __torch__.M, state: Tuple[int]) -> NoneType:\n    self.a = (state)[0]\n    return None\n`;
    const bytes = zip([
      { name: 'm/data.pkl', data: Buffer.concat([Buffer.from('\x80\x02', 'latin1'), state, Buffer.from('.')]) },
      { name: 'm/code/__torch__.py', data: code, deflate: true },
      { name: 'm/constants.pkl', data: Buffer.from(').') },
    ]);
    return expect(importModel(bytes, shapes)).rejects.toMatchObject({
      code: 'U1004',
      message: expect.stringContaining('contains itself'),
    });
  });
});

describe('options', () => {
  const code = forward('return torch.flatten(x, 1)');
  it('asks for a shape that nothing tells', () =>
    refused({ code }, 'U2005', /shape of the input 'x' has to be known[\s\S]*inputShapes/, {}));
  it('takes symbols for sizes', async () => {
    const graph = await load({ code }, { inputShapes: { x: ['N', 2, 'L'] } });
    expect(graph.values[graph.outputs[0]].type.shape).toEqual(['N', 'L*2']);
  });
  it('refuses shapes of other inputs', () => refused({ code }, 'U4002', "no input 'y'", { inputShapes: { y: [1] } }));
  it('refuses a size that is not legal', () =>
    refused({ code }, 'U4002', "'-1' is not a legal size", { inputShapes: { x: [-1] } }));
  it('refuses profiles of ONNX', () => refused({ code }, 'U4002', "'ort' is not one for PyTorch", { profile: 'ort' }));
  it.each([
    [
      'a pickle of tensors',
      zip([
        { name: 'a/data.pkl', data: ').' },
        { name: 'a/version', data: '3' },
      ]),
      'torch.save',
    ],
    ['another ZIP', zip([{ name: 'word/document.xml', data: '' }]), 'not a program of PyTorch'],
    ['an old pickle', Buffer.from('80028a0a6cfc9c46f9206aa850192e', 'hex'), 'before 1.6'],
  ])('refuses %s', (_what, bytes, part) =>
    expect(importModel(bytes)).rejects.toMatchObject({ code: 'U1002', message: expect.stringContaining(part) }),
  );
});

describe('operators on values that are not tensors', () => {
  const weights = p.quantized(p.storage('QInt8', 'w', 4), [2, 2], [2, 1], p.perTensor(0.5, 0));
  const packed = p.object('__torch__.torch.classes.quantized.LinearPackedParamsBase', p.tuple(weights, p.none));
  const files = [{ name: 'm/constants/w', data: new Uint8Array(4) }];

  it('are named with their operands', async () => {
    const s = { code: forward('return torch.add(x, CONSTANTS.c0)'), constants: p.tuple(packed), files };
    await refused(s, 'U2008', 'not supported for these arguments: a tensor of float32[2, 3], packed linear weights');
  });

  it('are compared as objects', async () => {
    expect(await adds('value = 1 if x is x and torch.neg(x) is not x else 2')).toEqual(minus.map((v) => v + 1));
  });
});

describe('attributes that are None', () => {
  it('may be stored or not', async () => {
    const code = [
      'class M(Module):',
      '  stored : Optional[Tensor]',
      '  absent : Optional[Tensor]',
      '  never : NoneType',
      '  def forward(self: __torch__.M, x: Tensor) -> Tensor:',
      '    if self.stored is None and self.absent is None and self.never is None and getattr(self, "stored") is None:',
      '      y = torch.add(x, 1)',
      '    else:',
      '      y = x',
      '    return y',
      '',
    ].join('\n');
    expect(await output({ code, state: p.dict([p.string('stored'), p.none]) })).toEqual(minus.map((v) => v + 1));
  });
});

describe('sizes that no model needs', () => {
  it.each([
    ['torch.adaptive_avg_pool2d(torch.unsqueeze(torch.unsqueeze(x, 0), 0), [100000000, 7])', 'windows of'],
    ['torch.layer_norm(x, [1000000000, 1000])', 'are not the last axes'],
    ['torch.avg_pool2d(torch.dequantize(torch.quantize_per_tensor(x, 1., 0, 13)), [3, 3])', 'pool'],
    ['torch.eye(100000)', 'a matrix of 100000 rows'],
    ['torch.zeros([1000000000000, 1])', ''],
  ])('%s', async (call, part) => {
    const start = performance.now();
    const graph = await importModel(script({ code: forward(`return torch.add(x, ${call})`) }), shapes).catch(
      (error) => error,
    );
    expect(JSON.stringify(graph.origin?.unsupported ?? String(graph.message))).toContain(part);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

it('asks for the shape of an input whose sizes are arguments', () =>
  refused(
    { code: forward('return torch.reshape(x, [torch.size(x, 0), -1])') },
    'U2005',
    "the shape of the input 'x'",
    {},
  ));
