/** Models that are not valid ONNX: a located diagnostic, never anything else. */
import { describe, expect, it } from 'vitest';
import { UnskewError } from '../../../src/diagnostics/index.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { tensor } from '../../../src/tensors/tensor.ts';
import { type Model, type ModelNode, writeModel } from '../../support/onnx.ts';

const float = (name: string, ...dims: (number | string)[]) => ({ name, type: 'float32', dims });

function refusal(model: Partial<Model>): string {
  const complete = { nodes: [], inputs: [float('x', 1, 3, 8, 8)], outputs: [{ name: 'y', type: 'float32' }], ...model };
  try {
    importOnnx(writeModel(complete), { file: 'm.onnx' });
  } catch (error) {
    if (error instanceof UnskewError) return error.message;
    throw error;
  }
  return 'imported';
}

const node = (op: string, inputs: string[], outputs = ['y'], attrs: ModelNode['attrs'] = {}): ModelNode => ({
  op,
  inputs,
  outputs,
  attrs,
  name: 'n',
});
const initializers = [
  { name: 'w', tensor: tensor('f32', new Float32Array(4 * 2 * 3 * 3), [4, 2, 3, 3]) },
  { name: 'scale', tensor: tensor('f32', [0.5], []) },
  { name: 'scales', tensor: tensor('f32', [0.5, 0.25], [2]) },
  { name: 's8', tensor: tensor('s8', [1], []) },
  { name: 'u8', tensor: tensor('u8', [1], []) },
  { name: 'ints', tensor: tensor('s64', [2, 5]) },
];
const quantized = { inputs: [{ name: 'q', type: 'uint8', dims: [1, 3, 8, 8] }] };

describe('the graph', () => {
  it.each<[string, Partial<Model>, string]>([
    [
      'an undefined value',
      { nodes: [node('Add', ['x', 'gone'])] },
      "U2001]: the value 'gone' is used and never defined\n  at m.onnx › n (Add) › gone",
    ],
    [
      'an undefined output',
      { nodes: [node('Relu', ['x'], ['z'])] },
      "U2001]: the output 'y' is never defined\n  at m.onnx › y",
    ],
    [
      'a value defined twice',
      { nodes: [node('Relu', ['x']), node('Relu', ['x'])] },
      "U2002]: the value 'y' is defined twice\n  at m.onnx › n (Relu)",
    ],
    ['a result that is an input', { nodes: [node('Relu', ['x'], ['x'])] }, "U2002]: the value 'x' is defined twice"],
    [
      'a cycle',
      {
        nodes: [
          { ...node('Add', ['x', 'b'], ['a']), name: 'first' },
          { ...node('Relu', ['a'], ['b']), name: 'second' },
          node('Relu', ['b']),
        ],
      },
      'U2003]: nodes depend on themselves: second → first\n  at m.onnx › first (Add)',
    ],
    [
      'no version of the operator set',
      { nodes: [{ ...node('Relu', ['x']), domain: 'acme' }] },
      'U1004]: the model does not import an operator set for the domain acme',
    ],
  ])('%s', (_, model, message) => expect(refusal(model)).toContain(message));

  it('may have its nodes in any order', () => {
    expect(refusal({ nodes: [node('Relu', ['a']), node('Abs', ['x'], ['a'])] })).toBe('imported');
  });
});

describe('operators', () => {
  it.each<[string, Partial<Model>, string]>([
    [
      'an input too many',
      { nodes: [node('Relu', ['x', 'x'])] },
      'U2004]: Relu takes at most 1 inputs, but has 2\n  at m.onnx › n (Relu)',
    ],
    [
      'a missing input',
      { nodes: [node('Conv', ['x', ''])] },
      "U2004]: Conv needs the input 'W'\n  at m.onnx › n (Conv) › W",
    ],
    [
      'an output too many',
      { nodes: [node('Relu', ['x'], ['y', 'z'])] },
      'U2004]: Relu has at most 1 outputs, but has 2',
    ],
    [
      'channels that do not fit',
      { nodes: [node('Conv', ['x', 'w'])] },
      'the input has 3 channels, the filter expects 2 x 1 groups\n  at m.onnx › n (Conv) › x',
    ],
    [
      'kernel_shape against the filter',
      { nodes: [node('Conv', ['x', 'w'], ['y'], { kernel_shape: [5, 5] })] },
      'U2005]: kernel_shape is [5,5], the filter has [3,3]\n  at m.onnx › n (Conv) › W',
    ],
    [
      'pads of the wrong number',
      { nodes: [node('Conv', ['x', 'w'], ['y'], { pads: [1, 1] })] },
      "U2004]: 'pads' should have 4 entries, but is [1,1]",
    ],
    [
      'an attribute of the wrong kind',
      { nodes: [node('Softmax', ['x'], ['y'], { axis: 'last' })] },
      "U2004]: attribute 'axis' is of kind string, it should be int",
    ],
    [
      'an axis outside',
      { nodes: [node('Softmax', ['x'], ['y'], { axis: 4 })] },
      'U2005]: axis 4 is outside of a tensor of rank 4',
    ],
    [
      'operands of different types',
      { nodes: [node('Add', ['x', 'u8'])] },
      "U2006]: 'B' is u8[], but 'A' is f32[1,3,8,8]\n  at m.onnx › n (Add) › B",
    ],
    [
      'a reshape that cannot be',
      { nodes: [node('Reshape', ['x', 'ints'])] },
      '[1,3,8,8] has 192 elements, [2, 5] holds 10',
    ],
    [
      'a declared output of another type',
      { nodes: [node('Relu', ['x'])], outputs: [{ name: 'y', type: 'int8' }] },
      "U2006]: 'y' is declared as int8, but is f32[1,3,8,8]",
    ],
    [
      'a zero point of the wrong type',
      { ...quantized, nodes: [node('DequantizeLinear', ['q', 'scale', 's8'])] },
      "U2007]: 'x_zero_point' is s8[], but 'x' is u8[1,3,8,8]\n  at m.onnx › n (DequantizeLinear) › x_zero_point",
    ],
    [
      'a scale for each of the wrong axis',
      { ...quantized, nodes: [node('DequantizeLinear', ['q', 'scales'])] },
      "'scale' has 2 elements, axis 1 of the input has 3\n  at m.onnx › n (DequantizeLinear) › scale",
    ],
  ])('%s', (_, model, message) => expect(refusal({ initializers, ...model })).toContain(message));

  it('names the next step for element types', () => {
    expect(refusal({ initializers, nodes: [node('Add', ['x', 'u8'])] })).toContain(
      'help: their element types should be the same',
    );
  });

  it('passes over stale declarations of values in between', () => {
    const model = { nodes: [node('Relu', ['x'], ['a']), node('Relu', ['a'])], valueInfo: [float('a', 7, 3, 8, 8)] };
    expect(refusal(model)).toBe('imported');
  });
});
