import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type OnnxFile, openOnnx } from '../../../src/formats/onnx/index.ts';
import { buildModel, type Edits, spliceModel } from '../../../src/formats/onnx/splice/index.ts';
import { bytes, int, model, modelOf, onnx, text, unknownField, varint } from './support.ts';

/** x → a (A) → b (B) → c (C), one weight each, unknown fields and metadata on B. */
const exampleGraph = (): number[] =>
  [
    bytes(1, [...text(1, 'x'), ...text(1, 'wa'), ...text(2, 'a'), ...text(3, 'A'), ...text(4, 'OpA')]),
    bytes(13, text(1, 'a')),
    bytes(1, [
      ...int(150, 7),
      ...text(1, 'a'),
      ...text(1, 'wb'),
      ...text(2, 'b'),
      ...text(3, 'B'),
      ...text(4, 'OpB'),
      ...bytes(5, [...text(1, 'axis'), ...int(20, 2), ...int(3, 1), ...int(160, 1)]),
      ...bytes(5, [...text(1, 'mode'), ...int(20, 3), ...text(4, 'x')]),
      ...text(6, 'doc'),
      ...text(8, 'overload'),
      ...bytes(9, [...text(1, 'k'), ...text(2, 'v')]),
    ]),
    text(2, 'g'),
    bytes(1, [...text(1, 'b'), ...text(1, 'wc'), ...text(2, 'c'), ...text(3, 'C'), ...text(4, 'OpC')]),
    ...['wa', 'wb', 'wc'].map((name) => bytes(5, [...int(1, 1), ...int(2, 3), ...text(8, name), ...bytes(9, [1])])),
    bytes(11, text(1, 'x')),
    bytes(12, text(1, 'c')),
    bytes(13, text(1, 'b')),
    bytes(13, text(1, 'never defined')),
    bytes(14, text(1, 'a')),
    bytes(14, text(1, 'b')),
    int(170, 1),
  ].flat();
const more = [
  ...bytes(14, [...text(1, 'author'), ...text(2, 'me')]),
  ...bytes(20, [1, 2]),
  ...bytes(25, text(1, 'f')),
  ...int(180, 3),
];
const example = (): OnnxFile => openOnnx(modelOf(exampleGraph(), more));
const edited = (edits: Edits): OnnxFile => openOnnx(spliceModel(example(), edits));
const names = (file: OnnxFile) => file.graph.nodes.map((node) => node.name || node.opType);
const infos = (file: OnnxFile) => file.graph.valueInfos.map((info) => info.name);
const contains = (whole: Uint8Array, part: Uint8Array | number[]): boolean =>
  Buffer.from(whole).includes(Buffer.from(part));
const D = { opType: 'OpD', inputs: ['a'], outputs: ['b'] };

describe('a splice without edits', () => {
  it('is the file, byte for byte', () => {
    fc.assert(
      fc.property(model, (original) => {
        const file = openOnnx(original);
        const all = file.graph.nodes.map((_, keep) => ({ keep }));
        for (const edits of [{}, { nodes: all }, { dropInitializers: new Set<string>(), opsets: file.opsets }]) {
          expect(Buffer.from(spliceModel(file, edits)).equals(original)).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('is the file also where lengths are written with more bytes than needed', () => {
    const graph = exampleGraph();
    const long = [0x80 | (graph.length & 127), 0x80 | (graph.length >> 7), 0x80, 0];
    const original = Uint8Array.from([...int(1, 8), ...varint(58), ...long, ...graph, ...bytes(8, int(2, 17))]);
    expect(Buffer.from(spliceModel(openOnnx(original), {})).equals(original)).toBe(true);
  });

  it('is a copy', () => {
    const file = example();
    expect(spliceModel(file, {}).buffer).not.toBe(file.bytes.buffer);
  });
});

describe('types of inputs and outputs', () => {
  it('are replaced in their declarations, of which all else stays', () => {
    const doc = [...text(3, 'doc'), ...int(30, 7)];
    const graph = [...bytes(11, [...text(1, 'x'), ...doc]), ...bytes(12, text(1, 'x'))];
    const types = new Map([['x', { name: 'x', type: 'f32' as const, dims: [2, 'N', undefined] }]]);
    const file = openOnnx(spliceModel(openOnnx(modelOf(graph)), { types }));
    for (const { type } of [...file.graph.inputs, ...file.graph.outputs])
      expect(type).toMatchObject({ kind: 'tensor', dtype: 'f32', dims: [2, 'N', undefined] });
    expect(file.graph.inputs[0].unknownFields).toBe(true);
    expect(contains(file.bytes, doc)).toBe(true);
  });
});

describe('nodes', () => {
  it('are replaced in place, and everything else is kept byte for byte', () => {
    const file = example();
    const spliced = spliceModel(file, { nodes: [{ keep: 0 }, D, { keep: 2 }] });
    const node = [...text(1, 'a'), ...text(2, 'b'), ...text(4, 'OpD')];
    const { at, end } = file.graph.nodes[1].range;
    const { start, end: graphEnd } = file.graph.range;
    const graph = [...file.bytes.slice(start, at), ...bytes(1, node), ...file.bytes.slice(end, graphEnd)];
    expect([...spliced]).toEqual([...modelOf(graph, more)]);
  });

  it('are removed, inserted and put in another order', () => {
    expect(names(edited({ nodes: [] }))).toEqual([]);
    expect(names(edited({ nodes: [{ keep: 2 }] }))).toEqual(['C']);
    expect(names(edited({ nodes: [D, { keep: 0 }, D, { keep: 1 }, { keep: 2 }, D] }))).toEqual([
      'OpD',
      'A',
      'OpD',
      'B',
      'C',
      'OpD',
    ]);
    expect(names(edited({ nodes: [{ keep: 2 }, { keep: 0 }, D, { keep: 1 }] }))).toEqual(['C', 'A', 'OpD', 'B']);
    expect(names(openOnnx(spliceModel(openOnnx(modelOf([])), { nodes: [D] })))).toEqual(['OpD']);
  });

  it('come out in any order asked for', () => {
    fc.assert(
      fc.property(model, fc.array(fc.option(fc.nat()), { maxLength: 6 }), (original, list) => {
        const file = openOnnx(original);
        const count = file.graph.nodes.length;
        const nodes = list.map((i) => (i === null || count === 0 ? D : { keep: i % count }));
        const result = openOnnx(spliceModel(file, { nodes }));
        expect(result.graph.nodes.map(({ opType }) => opType)).toEqual(
          nodes.map((n) => ('keep' in n ? file.graph.nodes[n.keep].opType : n.opType)),
        );
      }),
    );
  });

  it('that change keep all parts that are not named: unknown fields, metadata, overload, other attributes', () => {
    const file = edited({
      nodes: [
        { keep: 0 },
        { keep: 1, inputs: ['x', '', 'wb'], attributes: { axis: { kind: 'int', value: -1 } } },
        { keep: 2 },
      ],
    });
    const node = file.graph.nodes[1];
    expect(node).toMatchObject({
      name: 'B',
      opType: 'OpB',
      overload: 'overload',
      inputs: ['x', '', 'wb'],
      outputs: ['b'],
      unknownFields: true,
    });
    expect(node.attributes.get('axis')).toMatchObject({ kind: 'int', value: -1 });
    expect(node.attributes.get('mode')).toMatchObject({ kind: 'string', value: 'x' });
    for (const kept of [int(150, 7), text(6, 'doc'), bytes(9, [...text(1, 'k'), ...text(2, 'v')])])
      expect(contains(file.bytes, kept)).toBe(true);
    expect(contains(file.bytes, int(160, 1))).toBe(false); // of the attribute that was replaced
  });

  it('change names, outputs, and lose attributes', () => {
    const file = edited({
      nodes: [
        { keep: 0 },
        { keep: 1, name: 'B2', outputs: ['b', 'b2'], attributes: { mode: null, absent: null } },
        { keep: 2 },
      ],
    });
    expect(file.graph.nodes[1]).toMatchObject({ name: 'B2', inputs: ['a', 'wb'], outputs: ['b', 'b2'] });
    expect([...file.graph.nodes[1].attributes.keys()]).toEqual(['axis']);
  });

  it('keep any unknown field when edited', () => {
    fc.assert(
      fc.property(fc.array(unknownField, { minLength: 1, maxLength: 4 }), (fields) => {
        const file = openOnnx(modelOf(bytes(1, [...fields[0], ...text(4, 'Op'), ...fields.slice(1).flat()])));
        const result = openOnnx(spliceModel(file, { nodes: [{ keep: 0, inputs: ['y'] }] }));
        for (const field of fields) expect(contains(result.bytes, field)).toBe(true);
        expect(result.graph.nodes[0].inputs).toEqual(['y']);
      }),
    );
  });

  it('that the file does not have are our own mistake', () => {
    expect(() => edited({ nodes: [{ keep: 3 }] })).toThrow(/does not have/);
  });
});

describe('values', () => {
  it('that are gone take their own value infos and annotations with them, and no others', () => {
    const file = edited({ nodes: [{ keep: 0 }, { opType: 'BC', inputs: ['a'], outputs: ['c'] }] });
    expect(infos(file)).toEqual(['a', 'never defined']);
    expect(contains(file.bytes, bytes(14, text(1, 'b')))).toBe(false);
    expect(contains(file.bytes, bytes(14, text(1, 'a')))).toBe(true);
  });

  it('get new value infos in place of old ones', () => {
    const file = edited({
      dropValueInfos: new Set(['b']),
      addValueInfos: [{ name: 'b', type: 's8', dims: ['N', 3, undefined] }],
    });
    expect(infos(file)).toEqual(['a', 'never defined', 'b']);
    expect(file.graph.valueInfos[2].type).toEqual({
      kind: 'tensor',
      onnxType: 3,
      dtype: 's8',
      dims: ['N', 3, undefined],
    });
  });
});

describe('initializers', () => {
  const w = {
    name: 'wb',
    type: 'f32',
    dims: [1, 2],
    data: new Uint8Array(new Float32Array([0.5, -2]).buffer),
  } as const;

  it('are dropped, added and replaced', () => {
    const file = edited({ dropInitializers: new Set(['wa', 'wb']), addInitializers: [w, { ...w, name: 'new' }] });
    expect([...file.graph.initializers.keys()]).toEqual(['wc', 'wb', 'new']);
    expect(file.graph.initializers.get('wb')).toMatchObject({ dtype: 'f32', dims: [1, 2] });
    expect([...file.graph.initializers.get('wb')!.raw()]).toEqual([...w.data]);
    expect(file.irVersion).toBe(8);
  });

  it('of IR version 3: a dropped one leaves the inputs, an added one need not be an input', () => {
    const graph = [
      ...bytes(11, text(1, 'x')),
      ...bytes(11, text(1, 'w')),
      ...bytes(5, [...text(8, 'w'), ...int(1, 0), ...int(2, 1)]),
    ];
    const file = openOnnx(modelOf(graph, int(1, 3)));
    expect(file.irVersion).toBe(3);
    const inputs = (edits: Edits) => openOnnx(spliceModel(file, edits)).graph.inputs.map(({ name }) => name);
    expect(inputs({ dropInitializers: new Set(['w']) })).toEqual(['x']);
    expect(inputs({ dropInitializers: new Set(['w']), addInitializers: [{ ...w, name: 'w' }] })).toEqual(['x', 'w']);
    expect(openOnnx(spliceModel(file, { addInitializers: [w] })).irVersion).toBe(4);
  });
});

describe('the rest of the model', () => {
  it('operator sets are raised in place and added', () => {
    const file = edited({ opsets: new Map(Object.entries({ '': 18, 'com.microsoft': 1 })) });
    expect(file.opsets).toEqual(new Map(Object.entries({ '': 18, 'com.microsoft': 1 })));
    expect(() => edited({ opsets: new Map([['', 16]]) })).toThrow(/cannot be lowered/);
  });

  it('metadata is replaced and added', () => {
    const file = edited({ metadata: new Map(Object.entries({ author: 'you', tool: 'unskew' })) });
    expect(file.metadata).toEqual(new Map(Object.entries({ author: 'you', tool: 'unskew' })));
  });

  it('functions, training information and unknown fields are carried through edits', () => {
    const file = edited({ nodes: [D], metadata: new Map([['k', 'v']]), opsets: new Map([['', 18]]) });
    expect(file.functions).toMatchObject([{ name: 'f' }]);
    for (const kept of [bytes(20, [1, 2]), bytes(25, text(1, 'f')), int(180, 3), int(170, 1)])
      expect(contains(file.bytes, kept)).toBe(true);
  });
});

describe('a built model', () => {
  const weights = Uint8Array.from({ length: 64 }, (_, i) => i);
  const attributes = {
    i: { kind: 'int', value: -5 },
    big: { kind: 'int', value: -(2n ** 63n) },
    f: { kind: 'float', value: 0.25 },
    s: { kind: 'string', value: 'SAME_UPPER' },
    is: { kind: 'ints', value: [1, -1, 2n ** 62n + 1n] },
    fs: { kind: 'floats', value: [1.5, Number.NEGATIVE_INFINITY] },
    ss: { kind: 'strings', value: ['ä', ''] },
    t: { kind: 'tensor', value: { type: 's64', dims: [], data: Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0) } },
    empty: { kind: 'ints', value: [] },
  } as const;
  const built = () =>
    buildModel({
      name: 'net',
      nodes: [{ opType: 'Op', name: 'n', domain: 'com.microsoft', inputs: ['x', '', 'w'], outputs: ['y'], attributes }],
      inputs: [{ name: 'x', type: 'u8', dims: ['N', 3] }],
      outputs: [{ name: 'y', type: 22 }],
      initializers: [{ name: 'w', type: 'u8', dims: [8, 8], data: weights }],
      valueInfos: [{ name: 'v', type: 'bool', dims: [] }],
      opsets: { '': 17, 'com.microsoft': 1 },
      metadata: { a: 'b' },
    });

  it('reads back', () => {
    const file = openOnnx(built());
    const { graph } = file;
    expect(file).toMatchObject({ irVersion: 8, producerName: 'unskew' });
    expect(file.opsets).toEqual(new Map(Object.entries({ '': 17, 'com.microsoft': 1 })));
    expect(file.metadata).toEqual(new Map([['a', 'b']]));
    expect(graph.inputs).toMatchObject([{ name: 'x', type: { dtype: 'u8', dims: ['N', 3] } }]);
    expect(graph.outputs).toMatchObject([{ name: 'y', type: { onnxType: 22, dims: undefined } }]);
    expect(graph.valueInfos).toMatchObject([{ name: 'v', type: { dtype: 'bool', dims: [] } }]);
    expect(graph.nodes).toMatchObject([
      { opType: 'Op', name: 'n', domain: 'com.microsoft', inputs: ['x', '', 'w'], outputs: ['y'] },
    ]);
    expect([...graph.initializers.get('w')!.raw()]).toEqual([...weights]);
    const read = graph.nodes[0].attributes;
    for (const [key, attribute] of Object.entries(attributes)) {
      if (attribute.kind === 'tensor')
        expect(read.get(key)).toMatchObject({ kind: 'tensor', value: { dtype: 's64', dims: [] } });
      else expect(read.get(key)).toMatchObject(attribute);
    }
  });

  it('is read alike by onnx-proto', () => {
    const { graph, opsetImport } = onnx.ModelProto.decode(built());
    expect(opsetImport).toMatchObject([{ version: { low: 17 } }, { domain: 'com.microsoft' }]);
    expect(graph?.node?.[0]).toMatchObject({ opType: 'Op', input: ['x', '', 'w'], output: ['y'] });
    expect(graph?.initializer?.[0]).toMatchObject({ name: 'w', dataType: 2, rawData: weights });
  });

  it('refuses tensors whose data does not fit', () => {
    const init = { name: 'w', type: 'f32', dims: [2], data: new Uint8Array(4) } as const;
    expect(() => buildModel({ nodes: [], inputs: [], outputs: [], initializers: [init], opsets: { '': 17 } })).toThrow(
      /8 bytes, but has 4/,
    );
  });

  it('of more than 2 GiB is refused before it is allocated', () => {
    const gib = new Uint8Array(2 ** 30); // never touched, so never resident
    const initializers = ['a', 'b'].map((name) => ({ name, type: 'u8' as const, dims: [2 ** 30], data: gib }));
    expect(() => buildModel({ nodes: [], inputs: [], outputs: [], initializers, opsets: { '': 17 } })).toThrow(
      /U1006.*2 GiB/,
    );
  });
});
