import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UnskewError } from '../../../src/diagnostics/index.ts';
import { type OnnxGraph, openOnnx } from '../../../src/formats/onnx/index.ts';
import {
  attributeModel,
  bytes,
  errorOf,
  int,
  model,
  modelOf,
  nodeModel,
  tensorModel,
  text,
  varint,
} from './support.ts';

const failure = (file: Uint8Array): UnskewError => errorOf(() => openOnnx(file, { file: 'm.onnx' }));

describe('bytes that are not an ONNX model', () => {
  it.each([
    ['', 'is empty'],
    ['PK\x03\x04\x14\x00', 'zip archive', 'PyTorch'],
    ['\x1f\x8b\x08\x00', 'gzip'],
    ['\x89HDF\r\n', 'HDF5', 'Keras'],
    ['\x1c\x00\x00\x00TFL3', 'TensorFlow Lite'],
    ['\x1c\x00\x00\x00ORTM', 'ORT format'],
    ['\x80\x02}q\x00', 'pickle', 'torch.onnx'],
    ['version https://git-lfs.github.com/spec/v1\noid sha256:00\n', 'Git LFS', 'git lfs pull'],
    ['{ "graph": [] }', 'JSON'],
    ['<html></html>', 'HTML'],
    ['import torch', 'text'],
  ])('%j', (content, ...words) => {
    const error = failure(Uint8Array.from(content, (c) => c.charCodeAt(0)));
    expect(error.code).toBe('U1002');
    expect(error.diagnostics[0].location.file).toBe('m.onnx');
    for (const word of words) expect(error.message).toContain(word);
  });
});

describe('malformed protobuf', () => {
  const graph = (...fields: number[][]): Uint8Array => modelOf(fields.flat());
  const deepGroups = (depth: number): number[] =>
    [...new Array(depth).fill(varint(100 * 8 + 3)), ...new Array(depth).fill(varint(100 * 8 + 4))].flat();
  it.each<[string, Uint8Array, RegExp]>([
    [
      'a length past the end',
      Uint8Array.from([...int(1, 8), ...varint(58), ...varint(1000), 1]),
      /field 7 claims 1000 bytes, the message has 1 left at byte 2/,
    ],
    [
      'a length of 2^35',
      Uint8Array.from([...int(1, 8), ...varint(58), ...varint(2 ** 35)]),
      /claims 34359738368 bytes/,
    ],
    ['a negative length', Uint8Array.from([...int(1, 8), ...varint(58), ...varint(-1)]), /claims -1 bytes/],
    [
      'a child longer than its parent',
      graph([...varint(10), 9, 1]),
      /field 1 claims 9 bytes, the message has 1 left at byte 4/,
    ],
    ['a truncated varint', Uint8Array.from([...int(1, 8), 8, 0x80]), /truncated varint at byte 3/],
    ['a varint of 11 bytes', Uint8Array.from([8, ...new Array(10).fill(0x80), 1]), /longer than 10 bytes at byte 1/],
    ['field number 0', Uint8Array.from([...int(1, 8), 2, 0]), /invalid field tag at byte 2/],
    ['a tag of 64 bits', Uint8Array.from([...int(1, 8), ...varint(2 ** 40), 0]), /invalid field tag/],
    ['wire type 7', Uint8Array.from([...int(1, 8), 15]), /invalid wire type 7/],
    [
      'an integer for the graph',
      Uint8Array.from([...int(1, 8), ...int(7, 1)]),
      /ModelProto.graph \(field 7\) has wire type 0 instead of 2/,
    ],
    [
      'bytes for the IR version',
      Uint8Array.from([...text(1, 'a'), ...int(7, 1)]),
      /ModelProto.irVersion \(field 1\) has wire type 2/,
    ],
    [
      'bytes for an attribute value',
      attributeModel(int(20, 1), bytes(2, [0, 0, 0, 0])),
      /AttributeProto.f .* wire type 2 instead of 5/,
    ],
    [
      'packed floats of 6 bytes',
      attributeModel(int(20, 6), bytes(7, [0, 0, 0, 0, 0, 0])),
      /a packed field of 6 bytes holds 4-byte values/,
    ],
    ['a packed varint cut short', attributeModel(int(20, 7), bytes(8, [1, 0x80])), /truncated varint/],
    ['truncated unknown fields', graph([...varint(100 * 8 + 1), 1, 2]), /truncated 8-byte value/],
    ['a group without end', graph(varint(100 * 8 + 3)), /a group does not end/],
    ['an end without group', graph(varint(100 * 8 + 4)), /a group ends that never began/],
    ['crossed groups', graph(varint(100 * 8 + 3), varint(101 * 8 + 4)), /a group ends that never began/],
    ['a bomb of groups', graph(deepGroups(100_000)), /groups are nested too deeply/],
    ['a name that is not UTF-8', graph(bytes(2, [0xc3, 0x28])), /not UTF-8/],
    ['a long name that is not UTF-8', graph(bytes(2, [...new Array(80).fill(65), 0xff])), /not UTF-8/],
  ])('%s', (_name, file, message) => {
    const error = failure(file);
    expect(error.code).toBe('U1003');
    expect(error.message).toMatch(message);
  });

  it('names the place: file, node and attribute', () => {
    const error = failure(attributeModel(int(20, 4), bytes(5, [...int(1, 4), ...int(2, 1), ...bytes(9, [0])])));
    expect(error.message).toMatch(/^ {2}at m\.onnx › n \(Op\) › a$/m);
    expect(failure(nodeModel(text(3, 'later'), bytes(5, [9]))).diagnostics[0].location).toEqual({
      file: 'm.onnx',
      node: 'later',
      op: 'Op',
    });
    expect(failure(modelOf([...bytes(1, text(4, 'Add')), ...bytes(1, [10, 9])])).diagnostics[0].location.node).toBe(
      '#1',
    );
  });

  it('names nodes of inner graphs by the way to them, control characters escaped', () => {
    const inner = bytes(6, bytes(1, [...text(3, 'in\nner'), ...text(4, 'Add'), ...bytes(5, [])]));
    expect(failure(attributeModel(int(20, 5), inner)).diagnostics[0].location).toEqual({
      file: 'm.onnx',
      node: 'n › in\\nner',
      op: 'Add',
    });
  });
});

const relu = bytes(1, [...text(1, 'x'), ...text(2, 'y'), ...text(4, 'Relu')]);

describe('invalid models', () => {
  const nested = (depth: number): number[] =>
    depth === 0
      ? []
      : bytes(1, [...text(4, 'If'), ...bytes(5, [...text(1, 'b'), ...int(20, 5), ...bytes(6, nested(depth - 1))])]);
  const opset = bytes(8, int(2, 17));
  it.each<[string, Uint8Array, string, RegExp]>([
    ['no graph', Uint8Array.from([...int(1, 8), ...opset]), 'U1004', /no graph/],
    ['two graphs', modelOf([], bytes(7, [])), 'U1004', /ModelProto.graph is given twice/],
    ['no operator set', Uint8Array.from([...int(1, 8), ...bytes(7, [])]), 'U1004', /no operator set/],
    [
      'operator set 0',
      Uint8Array.from([...int(1, 8), ...bytes(7, relu), ...bytes(8, int(2, 0))]),
      'U1004',
      /'ai.onnx' has version 0/,
    ],
    ['two versions of one operator set', modelOf(relu, bytes(8, int(2, 18))), 'U1004', /imported as 17 and as 18/],
    ['a node without operator', modelOf(bytes(1, text(3, 'n'))), 'U1004', /no operator/],
    ['an attribute without name', nodeModel(bytes(5, int(3, 1))), 'U1004', /an attribute has no name/],
    [
      'an attribute twice',
      nodeModel(bytes(5, [...text(1, 'a'), ...int(3, 1)]), bytes(5, [...text(1, 'a'), ...int(3, 1)])),
      'U1004',
      /'a' is given twice/,
    ],
    ['an attribute with neither type nor value', attributeModel(), 'U1004', /neither type nor value/],
    ['an attribute of type 15', attributeModel(int(20, 15)), 'U1004', /unknown attribute type 15/],
    [
      'an attribute of two kinds',
      attributeModel(int(20, 2), int(3, 1), text(4, 's')),
      'U1004',
      /values of two kinds: i and s/,
    ],
    ['a tensor attribute without tensor', attributeModel(int(20, 4)), 'U1004', /a type and no value/],
    [
      'an initializer twice',
      modelOf([
        ...bytes(12, text(1, 'w')),
        ...[1, 2].flatMap((value) => bytes(5, [...text(8, 'w'), ...int(1, 1), ...int(2, 2), ...bytes(9, [value])])),
      ]),
      'U2002',
      /'w' is given twice/,
    ],
    [
      'an input twice',
      modelOf([1, 2].flatMap(() => bytes(11, text(1, 'x')))),
      'U2002',
      /graph input 'x' is given twice/,
    ],
    ['an output without name', modelOf(bytes(12, [])), 'U1004', /a graph output has no name/],
    [
      'a type of two kinds',
      modelOf(bytes(11, [...text(1, 'x'), ...bytes(2, [...bytes(1, []), ...bytes(4, [])])])),
      'U1004',
      /tensor and sequence/,
    ],
    ['graphs 65 deep', modelOf(nested(64)), 'U1004', /nested more than 64 deep/],
    ['graphs 3000 deep', modelOf(nested(3000)), 'U1004', /nested more than 64 deep/],
  ])('%s', (_name, file, code, message) => {
    const error = failure(file);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  it('graphs may be 64 deep', () => {
    let graph: OnnxGraph = openOnnx(modelOf(nested(63))).graph;
    let depth = 1;
    for (; graph.nodes.length > 0; depth++) graph = graph.nodes[0].attributes.get('b')?.value as OnnxGraph;
    expect(depth).toBe(64);
  });

  it('a flood of tiny objects ends with a diagnostic, not with memory', () => {
    const flood = new Uint8Array(5_000_000);
    for (let i = 0; i < flood.length; i += 2) flood.set([0x0a, 0], i); // graph nodes of zero bytes
    const head = [...int(1, 8), ...opset, 58, ...varint(flood.length)];
    const error = failure(Uint8Array.from([...head, ...flood]));
    expect(error.code).toBe('U1006');
  });
});

describe('large lists', () => {
  /** A model with one attribute whose payload is mostly `value`. */
  function withAttribute(head: number[], tag: number, value: Uint8Array): Uint8Array {
    const attribute = Buffer.concat([
      Uint8Array.from([...text(1, 'a'), ...head, ...varint(tag), ...varint(value.length)]),
      value,
    ]);
    const node = Buffer.concat([Uint8Array.from([...text(4, 'Op'), 42, ...varint(attribute.length)]), attribute]);
    const graph = Buffer.concat([Uint8Array.from([10, ...varint(node.length)]), node]);
    return Buffer.concat([
      Uint8Array.from([...int(1, 8), ...bytes(8, int(2, 17)), 58, ...varint(graph.length)]),
      graph,
    ]);
  }

  it('are carried, and refused only where their values are asked for', () => {
    const attribute = openOnnx(
      withAttribute(int(20, 7), 66, new Uint8Array(2 ** 24 + 1)),
    ).graph.nodes[0].attributes.get('a');
    expect(errorOf(() => attribute?.value).code).toBe('U1006');
    const blob = openOnnx(withAttribute(int(20, 3), 34, new Uint8Array(2 ** 26 + 1))).graph.nodes[0].attributes.get(
      'a',
    );
    expect(errorOf(() => blob?.value).code).toBe('U1006');
  });

  it('names of more than 64 MiB are refused', () => {
    const name = Buffer.concat([
      Uint8Array.from([...int(1, 8), 18, ...varint(2 ** 26 + 1)]),
      new Uint8Array(2 ** 26 + 1),
    ]);
    expect(failure(name).code).toBe('U1006');
  });

  it('of unknown fields take linear time', () => {
    const fields = new Uint8Array(900_000 * 5);
    for (let i = 0; i < 900_000; i++) fields.set([...varint((i + 2 ** 18) * 8), 1], i * 5);
    const graph = [...int(1, 8), ...bytes(8, int(2, 17)), 58, ...varint(fields.length)];
    const start = performance.now();
    expect(openOnnx(Buffer.concat([Uint8Array.from(graph), fields])).graph.unknownFields).toHaveLength(8);
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

describe('damaged models', () => {
  /** Whatever can be asked of a file is asked. */
  function touch(file: Uint8Array): void {
    const opened = openOnnx(file, { file: 'm.onnx', readExternal: () => new Uint8Array(0) });
    const walk = ({ nodes, initializers }: OnnxGraph): void => {
      for (const tensor of initializers.values()) tensor.raw();
      for (const attribute of nodes.flatMap((node) => [...node.attributes.values()])) {
        if (attribute.kind === 'graph') walk(attribute.value);
        if (attribute.kind === 'tensor') attribute.value.raw();
        expect(attribute.value).toBeDefined();
      }
    };
    walk(opened.graph);
  }
  function onlyDiagnostics(file: Uint8Array): void {
    const start = performance.now();
    try {
      touch(file);
    } catch (error) {
      expect(error).toBeInstanceOf(UnskewError);
      expect((error as UnskewError).code).toMatch(/^U(100[1-6]|200[26])$/);
    }
    expect(performance.now() - start).toBeLessThan(2000);
  }
  const numRuns = process.env.UNSKEW_DEEP ? 20_000 : 1000;

  it('are valid before the damage', () => {
    fc.assert(fc.property(model, touch), { numRuns: 200 });
  });

  it('truncated anywhere', () => {
    fc.assert(
      fc.property(model, fc.nat(), (file, cut) => {
        const short = file.subarray(0, cut % file.length);
        onlyDiagnostics(short);
      }),
      { numRuns },
    );
  });

  it('with flipped bits and bytes replaced, inserted and removed', () => {
    const change = fc.record({
      at: fc.nat(),
      remove: fc.nat(2),
      insert: fc.uint8Array({ maxLength: 3 }),
      flip: fc.nat(255),
    });
    fc.assert(
      fc.property(model, fc.array(change, { minLength: 1, maxLength: 4 }), (file, changes) => {
        let damaged = [...file];
        for (const { at, remove, insert, flip } of changes) {
          const place = at % (damaged.length + 1);
          damaged = [...damaged.slice(0, place), ...insert, ...damaged.slice(place + remove)];
          if (damaged.length > 0) damaged[place % damaged.length] ^= flip;
        }
        onlyDiagnostics(Uint8Array.from(damaged));
      }),
      { numRuns },
    );
  });

  it('or no model at all', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), onlyDiagnostics), { numRuns });
  });

  it('every prefix of a model fails or opens cleanly', () => {
    const whole = tensorModel(int(1, 2), int(2, 1), bytes(4, [0, 0, 128, 63, 0, 0, 0, 64]));
    for (let length = 0; length < whole.length; length++) onlyDiagnostics(whole.subarray(0, length));
    expect(errorOf(() => openOnnx(whole.subarray(0, whole.length - 5))).code).toBe('U1003');
  });
});
