/** Files of TensorFlow Lite: what is read, and what is refused with its place. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UnskewError } from '../../src/diagnostics/index.ts';
import { openTflite, readOptions, tfliteOptions } from '../../src/formats/tflite/index.ts';
import { importTflite } from '../../src/importers/tflite/import.ts';
import { interpret, tensor } from '../../src/ir/index.ts';
import { clampTo, roundHalfEven } from '../../src/numerics/index.ts';
import { type ModelInit, writeTflite } from '../support/tflite.ts';
import { convolution } from './own_models.ts';

const errorOf = (body: () => unknown): UnskewError => {
  try {
    body();
  } catch (error) {
    if (error instanceof UnskewError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
};

describe('a file', () => {
  it('is read with all that it says', () => {
    const model = openTflite(writeTflite(convolution), 'm.tflite');
    const [{ tensors, operators, inputs, outputs, name }] = model.subgraphs;
    expect([name, inputs, outputs]).toEqual(['main', [0], [3]]);
    expect(tensors.map((t) => [t.name, t.type, t.shape, t.data?.length])).toEqual([
      ['x', 'INT8', [1, 4, 5, 3], undefined],
      ['w', 'INT8', [2, 1, 1, 3], 6],
      ['b', 'INT32', [2], 8],
      ['y', 'INT8', [1, 4, 5, 2], undefined],
    ]);
    expect(tensors[1].quantization).toEqual({ scale: [0.25, 0.5], zeroPoint: [0, 0], axis: 0, isForeign: false });
    expect(operators[0].name).toBe('CONV_2D');
    const options = readOptions(model, operators[0], tfliteOptions.conv2dOptions);
    expect(options).toEqual({
      padding: 'VALID',
      strideW: 1,
      strideH: 1,
      activation: 'NONE',
      dilationW: 1,
      dilationH: 1,
    });
  });

  it('keeps names, order and layout of inputs and outputs, and computes', () => {
    const graph = importTflite(writeTflite(convolution));
    expect([graph.inputs, graph.outputs]).toEqual([['x'], ['y']]);
    const x = tensor(
      's8',
      Array.from({ length: 60 }, (_, i) => i - 30),
      [1, 4, 5, 3],
    );
    const { y } = interpret(graph, { x });
    expect(y.shape).toEqual([1, 4, 5, 2]);
    const sum = (i: number, w: number[]) => w.reduce((s, v, k) => s + v * (x.data[3 * i + k] - 3), 0);
    const at = (i: number, w: number[], scale: number) =>
      clampTo(-128, 127, roundHalfEven((sum(i, w) * 0.5 * scale) / 0.5) + 3);
    for (let i = 0; i < 20; i++)
      expect([y.data[2 * i], y.data[2 * i + 1]]).toEqual([at(i, [1, 2, 3], 0.25), at(i, [4, 5, 6], 0.5)]);
  });

  it('carries a custom operator by its name', () => {
    const [x, , , y] = convolution.tensors;
    const bytes = writeTflite({
      tensors: [x, { ...y, shape: x.shape }],
      operators: [{ op: 'Mine', custom: true, inputs: [0], outputs: [1] }],
      inputs: [0],
      outputs: [1],
    });
    const { origin } = importTflite(bytes);
    expect(origin?.unsupported).toEqual([{ value: 'y', operator: 'Mine', reason: 'a custom operator' }]);
  });

  it('gives tensors without a name, or with the same one, names of their own', () => {
    const tensors = convolution.tensors.map((t) => ({ ...t, name: t.name === 'y' ? 'x' : t.name === 'x' ? 'x' : '' }));
    const graph = importTflite(writeTflite({ ...convolution, tensors }));
    expect([graph.inputs, graph.outputs]).toEqual([['x'], ['x.1']]);
  });
});

describe('a wrong file', () => {
  const changed = (change: Partial<ModelInit>) => () =>
    importTflite(writeTflite({ ...convolution, ...change }), { file: 'm.tflite' });
  const [conv] = convolution.operators;
  const [x, w, b, y] = convolution.tensors;
  it.each<[string, () => unknown, string, RegExp]>([
    ['of another version', changed({ version: 2 }), 'U1004', /version 2/],
    [
      'an input beyond the tensors',
      changed({ operators: [{ ...conv, inputs: [0, 9, 2] }] }),
      'U1004',
      /tensor 9; there are 4/,
    ],
    ['an absent required input', changed({ operators: [{ ...conv, inputs: [-1, 1, 2] }] }), 'U2004', /'x' is absent/],
    ['too many inputs', changed({ operators: [{ ...conv, inputs: [0, 1, 2, 2] }] }), 'U2004', /takes 2 to 3 inputs/],
    ['an output beyond the tensors', changed({ outputs: [4] }), 'U1004', /tensor 4/],
    ['an output that nobody computes', changed({ operators: [] }), 'U2001', /'y' is never defined/],
    ['a value that is defined twice', changed({ operators: [conv, conv] }), 'U2002', /defined twice/],
    [
      'options of another operator',
      changed({ operators: [{ ...conv, optionsType: 5 }] }),
      'U1004',
      /options of another/,
    ],
    ['a negative size', changed({ tensors: [{ ...x, shape: [1, -4, 5, 3] }, w, b, y] }), 'U1004', /size of -4/],
    [
      'a constant that is too short',
      changed({ tensors: [x, { ...w, data: new Uint8Array(5) }, b, y] }),
      'U1004',
      /5 bytes/,
    ],
    ['a scale of infinity', changed({ tensors: [{ ...x, scale: [Infinity] }, w, b, y] }), 'U2007', /scale of Infinity/],
    ['a scale of 0', changed({ tensors: [{ ...x, scale: [0] }, w, b, y] }), 'U2007', /should be positive/],
    ['scales beside an axis', changed({ tensors: [x, { ...w, axis: 3 }, b, y] }), 'U2007', /2 scales along the axis 3/],
    [
      'zero points for other channels',
      changed({ tensors: [x, { ...w, zeroPoint: [1] }, b, y] }),
      'U2007',
      /2 scales and 1/,
    ],
    ['a filter of another depth', changed({ tensors: [{ ...x, shape: [1, 4, 5, 4] }, w, b, y] }), 'U2005', /depth 3/],
  ])('%s', (_, body, code, says) => {
    const error = errorOf(body);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(says);
    expect(error.diagnostics[0].location.file).toBe('m.tflite');
  });

  it('is refused, or read, whatever byte is changed', () => {
    const whole = writeTflite(convolution);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (changes) => {
          const bytes = whole.slice();
          for (const [at, value] of changes) bytes[at] = value;
          try {
            importTflite(bytes);
          } catch (error) {
            if (!(error instanceof UnskewError) || error.code === 'U9001') throw error;
          }
        },
      ),
      { numRuns: process.env.UNSKEW_DEEP ? 50_000 : 1500, endOnFailure: true },
    );
  });

  it('is refused at whatever length it is cut', () => {
    const whole = writeTflite(convolution);
    // the last bytes are constants, and what lies between them
    for (let length = 0; length < whole.length - 64; length++)
      expect(() => openTflite(whole.subarray(0, length))).toThrow(UnskewError);
  });

  it('cannot ask for more work than it is long', () => {
    // lists of 20,000 references to one subgraph, whose list has 20,000 references to one tensor
    const count = 20_000;
    const bytes = new Uint8Array(400 + 8 * count);
    const view = new DataView(bytes.buffer);
    let end = 8;
    const take = (size: number): number => {
      end += size;
      return end - size;
    };
    /** A table with one field, a reference; the vtable stands in front of it. */
    const tableOf = (field: number): number => {
      const vtable = take(12);
      view.setUint16(vtable, 6 + 2 * field, true);
      view.setUint16(vtable + 2, 8, true);
      view.setUint16(vtable + 4 + 2 * field, 4, true);
      const at = take(8);
      view.setInt32(at, at - vtable, true);
      return at;
    };
    const refer = (at: number, target: number): void => view.setUint32(at, target - at, true);
    const listOf = (): number => {
      const at = take(4 + 4 * count);
      view.setUint32(at, count, true);
      return at;
    };
    const [model, subgraphs] = [tableOf(2), listOf()];
    const [subgraph, tensors] = [tableOf(0), listOf()];
    const named = tableOf(3);
    view.setUint32(0, model, true);
    bytes.set(
      [...'TFL3'].map((letter) => letter.charCodeAt(0)),
      4,
    );
    refer(model + 4, subgraphs);
    refer(subgraph + 4, tensors);
    for (let i = 0; i < count; i++) {
      refer(subgraphs + 4 + 4 * i, subgraph);
      refer(tensors + 4 + 4 * i, named);
    }
    refer(named + 4, end); // a string behind everything, of length 0
    // processor time, since the clock says nothing on a busy machine
    const start = process.cpuUsage();
    expect(errorOf(() => openTflite(bytes)).code).toBe('U1006');
    const { user, system } = process.cpuUsage(start);
    expect((user + system) / 1000).toBeLessThan(5000);
  });
});
