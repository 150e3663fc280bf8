/** Classes of an archive beside modules: NamedTuples, context managers; and arguments of print. */
import { describe, expect, it } from 'vitest';
import { interpret } from '../../../src/ir/interpret.ts';
import { verify } from '../../../src/ir/verify.ts';
import { importModel } from '../../../src/runtime/import_model.ts';
import { tensor } from '../../../src/tensors/tensor.ts';
import { type Entry, forward, script } from './archives.ts';

const x = tensor('f32', [1, -2], [2]);
const manager = (name: string, enter: readonly string[], exit: readonly string[]): string[] => [
  `class ${name}:`,
  '  prev : Tensor',
  `  def __enter__(self: __torch__.tools.${name}) -> Tensor:`,
  ...enter.map((line) => `    ${line}`),
  `  def __exit__(self: __torch__.tools.${name},`,
  '    exc_type: Any,',
  '    exc_value: Any,',
  '    traceback: Any) -> NoneType:',
  ...exit.map((line) => `    ${line}`),
  `  def __init__(self: __torch__.tools.${name},`,
  '    x: Tensor) -> NoneType:',
  '    self.prev = x',
  '    return None',
];
const tools: Entry = {
  name: 'm/code/__torch__/tools.py',
  data: [
    'class Pair(NamedTuple):',
    '  first : Tensor',
    '  second : Tensor',
    '  third : Optional[Tensor]',
    'class Outer(NamedTuple):',
    '  pair : __torch__.tools.Pair',
    '  sum : Tensor',
    ...manager(
      'NoGrad',
      ['torch.set_grad_enabled(False)', 'return self.prev'],
      ['torch.set_grad_enabled(True)', 'return None'],
    ),
    ...manager('Adding', ['return torch.add(self.prev, 10.)'], ['_0 = torch.add_(self.prev, 100.)', 'return None']),
    'class Plain:',
    '  def __init__(self: __torch__.tools.Plain) -> NoneType:',
    '    return None',
    '',
  ].join('\n'),
};

async function run(...lines: readonly string[]): Promise<Record<string, number[]>> {
  const graph = await importModel(script({ code: forward(...lines), files: [tools] }), { inputShapes: { x: [2] } });
  expect(graph.origin?.unsupported).toEqual([]);
  expect(verify(graph)).toEqual([]);
  const results = interpret(graph, { x });
  return Object.fromEntries(graph.outputs.map((id) => [id, Array.from(results[id].data as Float32Array)]));
}

const made = (name: string, argument = 'torch.mul(x, 2.)'): string[] => [
  `_0 = __torch__.tools.${name}.__new__(__torch__.tools.${name})`,
  `_1 = (_0).__init__(${argument}, )`,
];

describe('NamedTuples', () => {
  const pair = 'p = __torch__.tools.Pair(torch.neg(x), torch.mul(x, 2.), None)';

  it.each([
    ['attributes', ['return torch.sub(p.second, p.first)'], { output: [3, -6] }],
    ['positions', ['return p[1]'], { output: [2, -4] }],
    ['unpacking', ['a, b, c, = p', 'return a'], { output: [-1, 2] }],
    ['None among them', ['if p.third is None:', '  y = p.first', 'else:', '  y = x', 'return y'], { output: [-1, 2] }],
  ])('are read by %s', async (_how, lines, expected) => {
    expect(await run(pair, ...lines)).toEqual(expected);
  });

  it('name the outputs; None is left out', async () => {
    expect(await run(pair, 'return p')).toEqual({ output_first: [-1, 2], output_second: [2, -4] });
    expect(await run(pair, 'return __torch__.tools.Outer(p, torch.add(p.first, p.second))')).toEqual({
      output_pair_first: [-1, 2],
      output_pair_second: [2, -4],
      output_sum: [1, -2],
    });
    expect(await run(pair, 'return (p.first, p)')).toEqual({
      output_0: [-1, 2],
      output_1_first: [-1, 2],
      output_1_second: [2, -4],
    });
  });

  it.each([
    ['__torch__.tools.Pair(x, x, x, x)', '4 values for the 3 fields'],
    ['__torch__.tools.Pair(x)', "the field 'second' of __torch__.tools.Pair is not given"],
    ['__torch__.tools.Plain()', 'a call of the class __torch__.tools.Plain'],
    ['__torch__.tools.None(x)', 'is not supported as a value'],
  ])('are refused: %s', async (call, message) => {
    await expect(run(`return ${call}`)).rejects.toMatchObject({
      code: 'U2008',
      message: expect.stringContaining(message),
    });
  });
});

describe('with', () => {
  it('runs its block, and returns from it', async () => {
    expect(await run(...made('NoGrad'), 'with _0:', '  y = torch.add(x, 1.)', 'return y')).toEqual({ output: [2, -1] });
    expect(await run(...made('NoGrad'), 'with _0:', '  return torch.add(x, 1.)', 'return x')).toEqual({
      output: [2, -1],
    });
  });

  it('gives the result of __enter__, and runs __exit__', async () => {
    const lines = [...made('Adding'), 'y = _0.prev', 'with _0 as z:', '  a = torch.add(y, z)', 'return (a, y)'];
    expect(await run(...lines)).toEqual({ output_0: [14, 2], output_1: [102, 96] });
  });

  it('takes several, and nests', async () => {
    const other = made('Adding', 'torch.mul(x, 3.)').map((line) => line.replaceAll('_0', '_2').replace('_1 =', '_3 ='));
    const lines = [...made('NoGrad'), ...other, 'with _0 as a, _2 as b:', '  y = torch.add(a, b)', 'return y'];
    expect(await run(...lines)).toEqual({ output: [15, 0] });
    const nested = [...made('NoGrad'), ...other, 'with _0:', '  with _2 as b:', '    y = torch.add(b, 1.)', 'return y'];
    expect(await run(...nested)).toEqual({ output: [14, 5] });
  });

  it('is refused for a value that cannot be entered', async () => {
    for (const what of ['x', '3'])
      await expect(run(`with ${what}:`, '  y = x', 'return y')).rejects.toMatchObject({ code: 'U2008' });
  });
});

it('prints nothing, and computes the arguments', async () => {
  expect(await run('print("shape", torch.size(x))', 'return torch.neg(x)')).toEqual({ output: [-1, 2] });
  expect(await run('y = torch.neg(x)', 'print(torch.add_(y, 5.))', 'return y')).toEqual({ output: [4, 7] });
});
