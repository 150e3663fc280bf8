/** Calls with arguments missing, too many, or of another kind, and code that ends anywhere: refused, never a fault of ours. */
import { describe, expect, it } from 'vitest';
import { UnskewError } from '../../../src/diagnostics/index.ts';
import { scalarTypes, TorchTensor } from '../../../src/formats/torch/pickle/index.ts';
import { torchOps } from '../../../src/importers/torch/op_table.ts';
import { PositionsFound, ShapeFound } from '../../../src/importers/torch/operators/context.ts';
import type { Parameter } from '../../../src/importers/torch/operators/schema.ts';
import { builtins } from '../../../src/importers/torch/script/builtins.ts';
import { GraphSink } from '../../../src/importers/torch/script/graph_sink.ts';
import { ModuleObject } from '../../../src/importers/torch/script/objects.ts';
import { parseSource } from '../../../src/importers/torch/script/parser.ts';
import { specials } from '../../../src/importers/torch/script/specials.ts';
import { TensorOperators } from '../../../src/importers/torch/script/tensor_operators.ts';
import {
  GraphTensor,
  PackedWeights,
  SymInt,
  type TorchValue,
  Undetermined,
  UnknownTensor,
} from '../../../src/importers/torch/values.ts';
import { interpret } from '../../../src/ir/interpret.ts';
import { importModel } from '../../../src/runtime/import_model.ts';
import { tensor } from '../../../src/tensors/tensor.ts';
import { forward, script } from './archives.ts';

class Refusal extends Error {}

/** True when the body is refused; any other error is a fault. */
function isRefused(what: string, body: () => unknown): boolean {
  try {
    body();
    return false;
  } catch (error) {
    if (error instanceof Refusal || error instanceof ShapeFound || error instanceof PositionsFound) return true;
    if (error instanceof UnskewError && Object.keys(error.diagnostics[0].location ?? {}).length > 0) return true;
    throw new Error(what, { cause: error });
  }
}

describe('source text', () => {
  const whole = [
    'op_version_set = 1',
    'from a import b',
    forward(
      'a: List[int] = [1, -x[0:1]]',
      'if not a is None:',
      '  for i in {"a": (1,)}:',
      '    a += f(b=1)',
      'return a',
    ),
    'def f(x: int=1, *, y) -> int:',
    '  assert x, "y"',
    '  return x if y else 1; pass',
    'class N(Module):',
    '  a : Final[int] = 2',
    '',
  ].join('\n');
  const parse = (text: string): boolean =>
    isRefused(JSON.stringify(text), () =>
      parseSource(text, (line, why) => {
        expect(line).toBeGreaterThan(0);
        throw new Refusal(why);
      }),
    );

  it('is read whole', () => expect(parse(whole)).toBe(false));
  it('ends anywhere', () => {
    const refused = [...whole].filter((_, at) => parse(whole.slice(0, at)));
    expect(refused.length).toBeGreaterThan(whole.length / 4);
  });
  it('starts anywhere', () => {
    for (let at = 0; at < whole.length; at++) parse(whole.slice(at));
  });
  it.each([
    'class',
    'class M(',
    'class M(Module',
    'class M:\n  a',
    'import',
    'from a',
    'def',
    'def f(',
    'def f(*',
    'not',
    'x is not',
  ])("refuses '%s' at its end, or takes it for a line", (text) => {
    parse(text);
    parse(`${text}\n`);
  });
});

describe('functions of the language', () => {
  const values = ['None', '1', '"a"', '[]', 'x', 'self', 'nothing', '[1][0:1]'];
  const lists = [
    [],
    ...values.map((a) => [a]),
    ...values.flatMap((a) => values.map((b) => [a, b])),
    ['x', 'x', 'x'],
    ['x', 'a=x'],
  ];
  it.each(Object.keys(specials))('%s', async (name) => {
    for (const list of lists) {
      const bytes = script({ code: forward(`y = ${name}(${list.join(', ')})`, 'return torch.neg(x)') });
      const error = await importModel(bytes, { inputShapes: { x: [2, 3] } }).catch((e: unknown) => e);
      isRefused(`${name}(${list})`, () => {
        if (error instanceof Error) throw error;
      });
      const isMiscounted = name !== 'print' && (list.length === 0 || list.length > 2);
      if (isMiscounted || list.includes('a=x')) expect(error).toMatchObject({ code: 'U1004' });
    }
  });
  it.each(['', 'None', '"a"', '1, 2, 0', '1, 2, 3, 4', 'x'])('range(%s) in a loop', async (list) => {
    const bytes = script({ code: forward(`for i in range(${list}):`, '  pass', 'return torch.neg(x)') });
    const error = await importModel(bytes, { inputShapes: { x: [2, 3] } }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(UnskewError);
  });
  it.each(['-3', '0.5', '3', 'None', '"a"', 'x', 'nan'])('an assignment to the element %s of a list', async (index) => {
    const bytes = script({ code: forward('a = [1, 2]', `a[${index}] = 3`, 'return torch.neg(x)') });
    const error = await importModel(bytes, { inputShapes: { x: [2, 3] } }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(UnskewError);
  });
});

// ---- operators

const perTensor = { kind: 'per-tensor', scale: 0.5, zeroPoint: 3 } as const;
const perChannel = { kind: 'per-channel', scales: [0.5, 0.25], zeroPoints: [0, 0], axis: 0 } as const;

/** One of each kind of value, made anew: operators change lists in place. */
function valuesOf(sink: GraphSink): readonly TorchValue[] {
  const input = (name: string, shape: readonly (number | string)[]) =>
    new GraphTensor(sink.input(name, { dtype: 'f32', shape }), scalarTypes.float32);
  const image = input('image', [1, 4, 4, 4]);
  const quantized = new GraphTensor(sink.input('q', { dtype: 'u8', shape: [1, 4, 4, 4] }), scalarTypes.quint8, {
    quantization: perTensor,
  });
  const weight = TorchTensor.of(scalarTypes.qint8, [1, 2, 3, 4], [2, 2], perChannel);
  const point = TorchTensor.of(scalarTypes.float32, [2], []);
  return [
    image,
    quantized,
    input('rows', ['N', 3]),
    TorchTensor.of(scalarTypes.int64, [0, 1]),
    TorchTensor.of(scalarTypes.bool, []),
    point,
    weight,
    new UnknownTensor('unknown'),
    new PackedWeights(weight, undefined),
    new PackedWeights(weight, point, { ...geometry, transposed: false }),
    null,
    true,
    0,
    1,
    -1,
    0.5,
    1e300,
    Number.NaN,
    '',
    'ij,jk',
    new SymInt('N'),
    new Undetermined('a number', 'number'),
    [],
    [1, 1],
    [-1, 2 ** 31, 0.5],
    [2, -3],
    2 ** 33,
    [1, 1, 1, 2 ** 40],
    [null],
    [image, null],
    [image, image],
    [quantized],
    [[1, [2]], 'a'],
    new Map<TorchValue, TorchValue>([['a', image]]),
    new ModuleObject('M'),
  ];
}
const geometry = { stride: [1, 1], padding: [0, 0], dilation: [1, 1], outputPadding: [0, 0], groups: 1 };

describe('operators of the language', () => {
  const count = valuesOf(new GraphSink()).length;
  const each = Array.from({ length: count }, (_, i) => i);
  const tuples = [
    [],
    ...each.map((a) => [a]),
    ...each.flatMap((a) => each.map((b) => [a, b])),
    ...each.flatMap((a) => each.map((b) => [a, b, (a * 7 + b * 5) % count])),
    ...each.flatMap((a) => each.map((b) => [a, b, (a + b * 3) % count, (a * 3 + b) % count])),
  ];
  it.each(Object.keys(builtins))('%s', (name) => {
    let values: readonly TorchValue[] = [];
    for (const [i, tuple] of tuples.entries()) {
      if (i % 64 === 0) values = valuesOf(new GraphSink());
      const args = tuple.map((at) => values[at]);
      const refuse = (why: string): never => {
        throw new Refusal(why);
      };
      isRefused(`${name} of ${tuple}`, () => {
        const result = builtins[name]({ name, args, keywords: new Map(), refuse });
        expect(result).not.toBeUndefined();
        if (Array.isArray(result)) expect(result.includes(undefined as never)).toBe(false);
      });
      for (const value of args) if (Array.isArray(value)) expect(value.includes(undefined as never)).toBe(false);
    }
  });
});

describe('operators on tensors', () => {
  const count = valuesOf(new GraphSink()).length;
  const [IMAGE, QUANTIZED, , , , , , , PACKED, PACKED_CONV] = Array.from({ length: count }, (_, i) => i);

  const samples: Readonly<Record<Parameter['type'], TorchValue>> = {
    Tensor: null,
    Operand: null,
    ScalarType: 1,
    Scalar: 1,
    int: 1,
    float: 0.5,
    bool: false,
    str: 'a',
    packed: null,
    any: null,
  };
  function sample({ type, isList }: Parameter, values: readonly TorchValue[], base: number): TorchValue {
    const one =
      type === 'Tensor' || type === 'Operand' || type === 'any'
        ? values[base]
        : type === 'packed'
          ? values[base === IMAGE ? PACKED : PACKED_CONV]
          : samples[type];
    return isList ? [one, one] : one;
  }

  const everyOther = (values: number, parameters: number, at: number) =>
    Array.from({ length: values }, (_, other) => other).flatMap((other) =>
      (at + 1 < parameters ? [parameters, at + 1] : [parameters]).map((given) => [other, given] as const),
    );

  it.each(torchOps.map((op, i) => [`${op.name} (${i})`, op] as const))('%s', (_title, { name, parameters }) => {
    // with all arguments, and with as few as the defaults allow
    for (const base of [IMAGE, QUANTIZED])
      for (const at of parameters.keys())
        for (const [other, given] of everyOther(count, parameters.length, at)) {
          const sink = new GraphSink();
          const values = valuesOf(sink);
          const operators = new TensorOperators(sink, { profile: 'torch-qnnpack' }, {}, new Map());
          const all = parameters
            .slice(0, given)
            .map((p, i) => [p, i === at ? values[other] : sample(p, values, base)] as const);
          const args = all.flatMap(([p, value]) => (p.isKeyword ? [] : [value]));
          const keywords = new Map(all.flatMap(([p, value]) => (p.isKeyword ? [[p.name, value] as const] : [])));
          const where = { node: 'code/a.py:1' };
          const call = { name, args, keywords, module: '', variable: undefined, where };
          isRefused(`argument ${at}: ${other}`, () => expect(operators.apply(call)).not.toBeUndefined());
        }
  });
});

/** The result of `forward` for rows of zeros, or the code of the error. */
async function answer(...lines: readonly string[]): Promise<readonly number[] | string> {
  const bytes = script({ code: forward(...lines) });
  try {
    const graph = await importModel(bytes, { inputShapes: { x: [1, 2] } });
    const [unsupported] = graph.origin?.unsupported ?? [];
    if (unsupported) return unsupported.reason;
    return Array.from(interpret(graph, { x: tensor('f32', [0, 0], [1, 2]) }).output.data as Float32Array, Number);
  } catch (error) {
    return (error as UnskewError).code;
  }
}

describe('numbers that an element type does not have', () => {
  it.each<[string, string | readonly number[]]>([
    ['torch.add(x, torch.full([2], 2.5, dtype=4))', [2, 2]],
    ['torch.add(x, torch.full([2], inf, dtype=4))', 'a tensor of int64 of numbers that are not integers'],
    ['torch.full_like(torch.to(x, 4), 1.5)', [1, 1]],
    ['torch.masked_fill(torch.to(x, 4), torch.eq(x, 0), 0.5)', 'the number 0.5 as s64'],
    ['torch.add(torch.to(x, 3), torch.to(x, 3), alpha=0.5)', 'the number 0.5 as s32'],
    ['torch.full([-1], 1)', 'U2005'],
    ['torch.add(x, torch.full([1], 0.5, dtype=5))', [0.5, 0.5]],
    ['torch.add(x, torch.full([1], 0., dtype=5))', [0, 0]],
    ['torch.isinf(torch.to(x, 3))', 'infinities among integers'],
  ])('%s', async (call, expected) => expect(await answer(`return ${call}`)).toEqual(expected));
});

describe('lists', () => {
  it.each<[readonly string[], string | readonly number[]]>([
    [
      ['a = [1, 2, 3]', 'b = torch.pop(a, 0)', 'return torch.add(x, b * 10 + torch.len(a))'],
      [12, 12],
    ],
    [
      ['a = [1, 2, 3]', 'b = torch.pop(a)', 'return torch.add(x, b * 10 + torch.len(a))'],
      [32, 32],
    ],
    [['a = [1, 2, 3]', 'b = torch.pop(a, 3)', 'return x'], 'U2008'],
    [
      ['a = [1, 2]', 'a[1] = 5', 'return torch.add(x, a[1])'],
      [5, 5],
    ],
    [['a = [1, 2]', 'return torch.add(x, a["b":][0])'], 'U2008'],
    [['return torch.add(x, 1 if "b" in "abc" else 2)'], [1, 1]],
    [['return torch.add(x, 1 if "b" in 3 else 2)'], 'U2008'],
    [['ops.prim.RaiseException()', 'return x'], 'U2005'],
  ])('%s', async (lines, expected) => expect(await answer(...lines)).toEqual(expected));
});

describe('names of outputs', () => {
  it.each<[readonly string[], readonly number[]]>([
    [['return torch.full([2], 3.)'], [3, 3]],
    [
      ['output = torch.add(x, 1)', 'output_0 = torch.add(output, output)', 'return torch.add(output_0, output)'],
      [3, 3],
    ],
    [
      ['output = torch.add(x, 1)', 'output = torch.add(output, 1)', 'return output'],
      [2, 2],
    ],
  ])('%s', async (lines, expected) => expect(await answer(...lines)).toEqual(expected));
});
