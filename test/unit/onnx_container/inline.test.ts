/** Functions of a model, written out: the model computes the same as one without functions. */
import { describe, expect, it } from 'vitest';
import { exportOnnx } from '../../../src/exporters/onnx/export.ts';
import { inlineFunctions, openOnnx } from '../../../src/formats/onnx/index.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { capturedNames } from '../../../src/importers/onnx/node_checks.ts';
import { originOf } from '../../../src/importers/onnx/origin.ts';
import { interpret } from '../../../src/ir/interpret.ts';
import { verify } from '../../../src/ir/verify.ts';
import { tensor } from '../../../src/tensors/tensor.ts';
import { bytes, errorOf, int, text, varint } from './support.ts';

type Message = readonly number[];
const floatField = (field: number, value: number): Message => [
  ...varint(field * 8 + 5),
  ...new Uint8Array(Float32Array.of(value).buffer),
];
const given = (name: string, value: number): Message => [...text(1, name), ...floatField(2, value), ...int(20, 1)];
const reference = (name: string, to: string): Message => [...text(1, name), ...text(21, to), ...int(20, 1)];
const body = (name: string, graph: Message): Message => [...text(1, name), ...bytes(6, graph), ...int(20, 5)];

interface Call {
  readonly attrs?: readonly Message[];
  readonly domain?: string;
  readonly name?: string;
  readonly overload?: string;
}
const node = (op: string, inputs: readonly string[], outputs: readonly string[], call: Call = {}): Message => [
  ...inputs.flatMap((name) => text(1, name)),
  ...outputs.flatMap((name) => text(2, name)),
  ...text(3, call.name ?? ''),
  ...text(4, op),
  ...(call.attrs ?? []).flatMap((attribute) => bytes(5, attribute)),
  ...text(7, call.domain ?? ''),
  ...text(8, call.overload ?? ''),
];
const call = (op: string, inputs: readonly string[], outputs: readonly string[], more: Call = {}): Message =>
  node(op, inputs, outputs, { domain: 'own', ...more });

interface Declared {
  readonly attributes?: readonly string[];
  readonly defaults?: readonly Message[];
  readonly opset?: number;
  readonly overload?: string;
}
const define = (
  name: string,
  inputs: readonly string[],
  outputs: readonly string[],
  nodes: readonly Message[],
  more: Declared = {},
): Message =>
  bytes(25, [
    ...text(1, name),
    ...inputs.flatMap((input) => text(4, input)),
    ...outputs.flatMap((output) => text(5, output)),
    ...(more.attributes ?? []).flatMap((attribute) => text(6, attribute)),
    ...nodes.flatMap((each) => bytes(7, each)),
    ...bytes(9, int(2, more.opset ?? 17)),
    ...bytes(9, [...text(1, 'own'), ...int(2, 1)]),
    ...text(10, 'own'),
    ...(more.defaults ?? []).flatMap((attribute) => bytes(11, attribute)),
    ...text(13, more.overload ?? ''),
  ]);
const floats = (field: number, name: string): Message =>
  bytes(field, [...text(1, name), ...bytes(2, bytes(1, [...int(1, 1), ...bytes(2, bytes(1, int(1, 2)))]))]);
const model = (nodes: readonly Message[], functions: readonly Message[], ...outputs: readonly string[]): Uint8Array =>
  Uint8Array.from([
    ...int(1, 8),
    ...bytes(7, [
      ...nodes.flatMap((each) => bytes(1, each)),
      ...floats(11, 'x'),
      ...outputs.flatMap((name) => floats(12, name)),
    ]),
    ...bytes(8, int(2, 17)),
    ...bytes(8, [...text(1, 'own'), ...int(2, 1)]),
    ...functions.flat(),
  ]);

const twice = define('twice', ['a'], ['b'], [node('Add', ['a', 'a'], ['b'])]);
const leaky = (more: Declared = {}) =>
  define('leaky', ['a'], ['b'], [node('LeakyRelu', ['a'], ['b'], { attrs: [reference('alpha', 'slope')] })], {
    attributes: ['slope'],
    ...more,
  });
const x = [-4, 3];

describe('functions are written out', () => {
  it.each<[string, Uint8Array, Readonly<Record<string, readonly number[]>>]>([
    ['called twice', model([call('twice', ['x'], ['t']), call('twice', ['t'], ['y'])], [twice], 'y'), { y: [-16, 12] }],
    [
      'names inside are those of no other call, nor of the model',
      model(
        [
          call('f', ['x'], ['t'], { name: 'n' }),
          call('f', ['t'], ['y'], { name: 'n' }),
          node('Neg', ['x'], ['n/inner']),
        ],
        [define('f', ['x'], ['y'], [node('Neg', ['x'], ['inner']), node('Add', ['inner', 'inner'], ['y'])])],
        'y',
        'n/inner',
      ),
      { y: [-16, 12], 'n/inner': [4, -3] },
    ],
    [
      'within one another',
      model(
        [call('four', ['x'], ['y'])],
        [twice, define('four', ['a'], ['b'], [call('twice', ['a'], ['c']), call('twice', ['c'], ['b'])])],
        'y',
      ),
      { y: [-16, 12] },
    ],
    [
      'attributes of the call',
      model([call('leaky', ['x'], ['y'], { attrs: [given('slope', 0.5)] })], [leaky()], 'y'),
      { y: [-2, 3] },
    ],
    [
      'attributes left to their default',
      model([call('leaky', ['x'], ['y'])], [leaky({ attributes: [], defaults: [given('slope', 0.25)] })], 'y'),
      { y: [-1, 3] },
    ],
    [
      'attributes left to the operator',
      model([call('leaky', ['x'], ['y'])], [leaky()], 'y'),
      { y: [Math.fround(0.01) * -4, 3] },
    ],
    [
      'attributes handed on',
      model(
        [call('outer', ['x'], ['y'], { attrs: [given('k', 0.5)] })],
        [
          leaky(),
          define('outer', ['a'], ['b'], [call('leaky', ['a'], ['b'], { attrs: [reference('slope', 'k')] })], {
            attributes: ['k'],
          }),
        ],
        'y',
      ),
      { y: [-2, 3] },
    ],
    [
      'inputs that are left out, and outputs that nobody wants',
      model(
        [call('f', ['x', ''], ['', 'y'])],
        [define('f', ['a', 'low'], ['n', 'b'], [node('Neg', ['a'], ['n']), node('Clip', ['a', 'low'], ['b'])])],
        'y',
      ),
      { y: [-4, 3] },
    ],
    [
      'an output that is an input',
      model([call('same', ['x'], ['y'])], [define('same', ['a'], ['a'], [])], 'y'),
      { y: [-4, 3] },
    ],
    [
      'by overload',
      model(
        [call('f', ['x'], ['y'], { overload: 'neg' })],
        [
          define('f', ['a'], ['b'], [node('Abs', ['a'], ['b'])]),
          define('f', ['a'], ['b'], [node('Neg', ['a'], ['b'])], { overload: 'neg' }),
        ],
        'y',
      ),
      { y: [4, -3] },
    ],
  ])('%s', (_, file, expected) => {
    const graph = importOnnx(file);
    expect(verify(graph)).toEqual([]);
    expect(originOf(graph)?.unsupported).toEqual([]);
    expect(originOf(graph)?.file.functions).toEqual([]);
    const results = interpret(graph, { x: tensor('f32', x) });
    for (const [name, values] of Object.entries(expected))
      expect(Array.from(results[name].data as Float32Array)).toEqual(values.map(Math.fround));
    expect(exportOnnx(graph)).toEqual(file); // as it was: nothing is rewritten
  });

  it('in bodies too, whose names belong to the place', () => {
    const branch = (op: string) => [
      ...bytes(1, node(op, ['inner'], ['r'])),
      ...bytes(1, call('twice', ['r'], ['s'])),
      ...bytes(12, text(1, 's')),
    ];
    const f = define(
      'f',
      ['c', 'a'],
      ['b'],
      [
        node('Neg', ['a'], ['inner']),
        node('If', ['c'], ['b'], { attrs: [body('then_branch', branch('Abs')), body('else_branch', branch('Neg'))] }),
      ],
    );
    const file = openOnnx(model([call('f', ['x', 'x'], ['y'], { name: 'n' })], [f, twice], 'y'));
    const { graph, functions } = openOnnx(inlineFunctions(file) as Uint8Array);
    expect(functions).toEqual([]);
    expect(graph.nodes.map(({ opType, outputs }) => `${opType} ${outputs}`)).toEqual(['Neg n/inner', 'If y']);
    expect(capturedNames(graph.nodes[1])).toEqual(['n/inner']);
    const branches = [...graph.nodes[1].attributes.values()].flatMap((a) => (a.kind === 'graph' ? [a.value] : []));
    expect(branches.map(({ nodes }) => nodes.map(({ opType }) => opType))).toEqual([
      ['Abs', 'Add'],
      ['Neg', 'Add'],
    ]);
  });

  it('but where they call themselves they are refused, and where they are of another version they stay', () => {
    const itself = define('f', ['a'], ['b'], [call('f', ['a'], ['b'])]);
    expect(errorOf(() => importOnnx(model([call('f', ['x'], ['y'])], [itself], 'y'))).code).toBe('U2003');
    const old = define('f', ['a'], ['b'], [node('Neg', ['a'], ['b'])], { opset: 5 });
    const graph = importOnnx(model([call('f', ['x'], ['y'])], [old], 'y'));
    expect(originOf(graph)?.unsupported.map(({ reason }) => reason)).toEqual([
      'a function of the model, for another version of an operator set',
    ]);
  });

  it('and functions that nobody calls are left alone', () => {
    const file = model([node('Neg', ['x'], ['y'])], [twice], 'y');
    expect(inlineFunctions(openOnnx(file))).toBeUndefined();
    expect(exportOnnx(importOnnx(file))).toEqual(file);
  });
});

it('names of nodes get the prefix of the call, and nodes without one stay without', () => {
  const f = define(
    'f',
    ['a'],
    ['b'],
    [node('Neg', ['a'], ['c']), node('Neg', ['c'], ['d'], { name: 'named' }), node('Neg', ['d'], ['b'])],
  );
  const written = inlineFunctions(openOnnx(model([call('f', ['x'], ['y'], { name: 'n' })], [f], 'y')));
  expect(written && openOnnx(written).graph.nodes.map(({ name }) => name)).toEqual(['', 'n/named', '']);
});
