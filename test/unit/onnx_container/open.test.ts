import { describe, expect, it } from 'vitest';
import { openOnnx } from '../../../src/formats/onnx/index.ts';
import { attributeModel, bytes, int, modelOf, nodeModel, text, varint } from './support.ts';

const attributeOf = (model: Uint8Array) => openOnnx(model).graph.nodes[0].attributes.get('a');
const f32 = (...values: number[]): number[] => [...new Uint8Array(new Float32Array(values).buffer)];

describe('the model', () => {
  it('gives its header', () => {
    const file = openOnnx(
      modelOf(text(2, 'main'), [
        ...text(2, 'torch'),
        ...text(3, '2.1'),
        ...text(4, 'org.example'),
        ...int(5, 3),
        ...bytes(8, [...text(1, 'com.microsoft'), ...int(2, 1)]),
        ...bytes(14, [...text(1, 'author'), ...text(2, 'Zoë')]),
        ...bytes(25, [...text(1, 'f'), ...text(10, 'local'), ...text(13, 'v2')]),
        ...int(99, 1),
      ]),
      { file: 'm.onnx' },
    );
    expect(file).toMatchObject({
      file: 'm.onnx',
      irVersion: 8,
      producerName: 'torch',
      producerVersion: '2.1',
      domain: 'org.example',
      modelVersion: 3,
      unknownFields: [99],
      functions: [{ name: 'f', domain: 'local', overload: 'v2' }],
    });
    expect(file.graph.name).toBe('main');
    expect(file.opsets).toEqual(
      new Map([
        ['', 17],
        ['com.microsoft', 1],
      ]),
    );
    expect(file.metadata).toEqual(new Map([['author', 'Zoë']]));
  });

  it('takes ai.onnx for the default domain, and a repeated import of the same version', () => {
    const file = openOnnx(modelOf([], bytes(8, [...text(1, 'ai.onnx'), ...int(2, 17)])));
    expect(file.opsets).toEqual(new Map([['', 17]]));
  });

  it('gives plain arrays, also for a Buffer', () => {
    const file = openOnnx(
      Buffer.from(modelOf(bytes(5, [...text(8, 't'), ...int(1, 2), ...int(2, 2), ...bytes(9, [7, 8])]))),
    );
    const raw = file.graph.initializers.get('t')?.raw();
    expect(raw?.constructor).toBe(Uint8Array);
    expect(raw?.buffer).toBe(file.bytes.buffer);
    expect([...raw!]).toEqual([7, 8]);
  });

  it('keeps a byte order mark in a name', () => {
    expect(openOnnx(modelOf(text(2, '\ufeffg'))).graph.name).toBe('\ufeffg');
  });

  it('lets the last of repeated scalars win', () => {
    expect(openOnnx(modelOf([...text(2, 'first'), ...text(2, 'second')], int(1, 9)))).toMatchObject({
      irVersion: 9,
      graph: { name: 'second' },
    });
  });
});

describe('nodes', () => {
  it('keep absent inputs, domain, overload, and a mark for unknown fields', () => {
    const named = openOnnx(
      nodeModel(
        text(1, 'x'),
        text(1, ''),
        text(1, 'z'),
        text(2, 'y'),
        text(7, 'com.microsoft'),
        text(8, 'o'),
        bytes(9, text(1, 'k')),
      ),
    ).graph.nodes[0];
    expect(named).toMatchObject({
      name: 'n',
      opType: 'Op',
      domain: 'com.microsoft',
      overload: 'o',
      inputs: ['x', '', 'z'],
      outputs: ['y'],
      unknownFields: false,
    });
    expect(openOnnx(nodeModel(int(123, 1))).graph.nodes[0].unknownFields).toBe(true);
    expect(openOnnx(attributeModel(int(20, 2), int(123, 1))).graph.nodes[0].unknownFields).toBe(true);
  });
});

describe('attributes', () => {
  it.each([
    ['int', [int(20, 2), int(3, -7)], -7],
    ['int', [int(20, 2)], 0],
    ['int', [int(3, 2n ** 62n)], 2n ** 62n],
    ['int', [int(3, -(2n ** 63n))], -(2n ** 63n)],
    ['int', [int(3, Number.MAX_SAFE_INTEGER)], Number.MAX_SAFE_INTEGER],
    ['float', [int(20, 1), [...varint(2 * 8 + 5), ...f32(0.1)]], Math.fround(0.1)],
    ['string', [int(20, 3), text(4, 'NOTSET')], 'NOTSET'],
    ['ints', [int(20, 7), int(8, 1), int(8, -2), bytes(8, [...varint(3), ...varint(-4)])], [1, -2, 3, -4]],
    ['ints', [int(20, 7)], []],
    ['floats', [int(20, 6), [...varint(7 * 8 + 5), ...f32(1)], bytes(7, f32(2, 3))], [1, 2, 3]],
    ['strings', [int(20, 8), text(9, 'a'), text(9, ''), text(9, 'ü')], ['a', '', 'ü']],
    ['reference', [int(20, 2), text(21, 'alpha')], 'alpha'],
  ])('%s %j', (kind, fields, value) => {
    expect(attributeOf(attributeModel(...fields))).toMatchObject({ kind, value });
  });

  it('may come without a type, as before IR version 2', () => {
    expect(attributeOf(attributeModel(bytes(8, [1, 2])))).toMatchObject({ kind: 'ints', value: [1, 2] });
  });

  it('keep the bytes of strings that are not UTF-8', () => {
    const attribute = attributeOf(attributeModel(int(20, 3), bytes(4, [0xff, 0x41])));
    expect(attribute).toMatchObject({ kind: 'string', value: '\ufffdA', bytes: Uint8Array.of(0xff, 0x41) });
  });

  it('hold tensors, types, sparse tensors and graphs', () => {
    const tensor = [...int(1, 1), ...int(2, 3), ...bytes(9, [5])];
    const graph = [...text(2, 'body'), ...bytes(1, text(4, 'Add'))];
    const sequence = bytes(4, bytes(1, bytes(1, int(1, 1))));
    const sparse = bytes(1, [...int(2, 1), ...int(1, 0), ...text(8, 'values')]);
    expect(attributeOf(attributeModel(int(20, 4), bytes(5, tensor)))).toMatchObject({
      kind: 'tensor',
      value: { dims: [1], dtype: 's8' },
    });
    expect(attributeOf(attributeModel(int(20, 9), bytes(10, tensor), bytes(10, tensor)))).toMatchObject({
      kind: 'tensors',
      value: [{}, {}],
    });
    expect(attributeOf(attributeModel(int(20, 5), bytes(6, graph)))).toMatchObject({
      kind: 'graph',
      value: { name: 'body', nodes: [{ opType: 'Add' }] },
    });
    expect(attributeOf(attributeModel(int(20, 10), bytes(11, graph)))).toMatchObject({
      kind: 'graphs',
      value: [{ name: 'body' }],
    });
    expect(attributeOf(attributeModel(int(20, 13), bytes(14, sequence)))).toMatchObject({
      kind: 'type',
      value: { kind: 'sequence' },
    });
    expect(attributeOf(attributeModel(int(20, 14), bytes(15, sequence)))).toMatchObject({
      kind: 'types',
      value: [{ kind: 'sequence' }],
    });
    expect(attributeOf(attributeModel(int(20, 11), bytes(22, sparse)))).toMatchObject({
      kind: 'sparseTensor',
      value: { name: 'values' },
    });
    expect(attributeOf(attributeModel(int(20, 12), bytes(23, sparse)))).toMatchObject({
      kind: 'sparseTensors',
      value: [{ name: 'values' }],
    });
  });
});

describe('value infos', () => {
  const dim = (...fields: number[][]): number[] => bytes(1, fields.flat());
  const typed = (...fields: number[][]): number[] => bytes(11, [...text(1, 'x'), ...bytes(2, bytes(1, fields.flat()))]);
  const input = (model: Uint8Array) => openOnnx(model).graph.inputs[0];

  it('give element type and dimensions: sizes, symbols, unknown', () => {
    const shape = bytes(2, [
      ...dim(int(1, 3)),
      ...dim(text(2, 'N')),
      ...dim(),
      ...dim(int(1, -1)),
      ...dim(text(2, '')),
      ...dim(int(1, 0)),
    ]);
    expect(input(modelOf(typed(int(1, 2), shape)))).toMatchObject({
      name: 'x',
      type: { kind: 'tensor', onnxType: 2, dtype: 'u8', dims: [3, 'N', undefined, undefined, undefined, 0] },
    });
  });

  it('tell rank 0 from unknown rank, and no type', () => {
    expect(input(modelOf(typed(int(1, 1), bytes(2, [])))).type).toMatchObject({ dims: [] });
    expect(input(modelOf(typed(int(1, 1)))).type).toMatchObject({ dtype: 'f32', dims: undefined });
    expect(input(modelOf(bytes(11, text(1, 'x')))).type).toBeUndefined();
  });

  it('carry types that are not tensors, and element types that are not known', () => {
    const kinds = [4, 5, 7, 8, 9].map(
      (field) => input(modelOf(bytes(11, [...text(1, 'x'), ...bytes(2, bytes(field, []))]))).type?.kind,
    );
    expect(kinds).toEqual(['sequence', 'map', 'opaque', 'sparseTensor', 'optional']);
    expect(input(modelOf(typed(int(1, 14)))).type).toMatchObject({ onnxType: 14, dtype: undefined });
  });
});
