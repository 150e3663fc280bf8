/** Models that bend the standard: each is a small valid model with one thing done to it. */
import onnxProto from 'onnx-proto';
import { tensor } from '../../src/tensors/tensor.ts';
import { type Model, type ModelNode, writeModel } from './onnx.ts';

const { onnx } = onnxProto;
type Proto = InstanceType<typeof onnx.ModelProto>;

const float = (name: string, ...dims: (number | string)[]) => ({ name, type: 'float32', dims });
const node = (op: string, inputs: string[], outputs: string[], more: Partial<ModelNode> = {}): ModelNode => ({
  op,
  inputs,
  outputs,
  name: `${op}_${outputs[0]}`,
  ...more,
});
const w = tensor('f32', [0.5, -1, 2, 3], [4]);
const microsoft = { domain: 'com.microsoft' };

/** y = relu(x + w) of [1, 4]. */
const plain: Model = {
  nodes: [node('Add', ['x', 'w'], ['a']), node('Relu', ['a'], ['y'])],
  inputs: [float('x', 1, 4)],
  outputs: [float('y', 1, 4)],
  initializers: [{ name: 'w', tensor: w }],
};
/** Quantized and dequantized by operators of com.microsoft. */
const contrib: Model = {
  ...plain,
  nodes: [
    node('QuantizeLinear', ['x', 's', 'z'], ['q'], microsoft),
    node('DequantizeLinear', ['q', 's', 'z'], ['y'], microsoft),
  ],
  initializers: [
    { name: 's', tensor: tensor('f32', [0.25], []) },
    { name: 'z', tensor: tensor('u8', [3], []) },
  ],
  opsets: { '': 17, 'com.microsoft': 1 },
};

function edited(model: Model, edit: (proto: Proto) => unknown): Uint8Array {
  const proto = onnx.ModelProto.decode(writeModel(model)) as Proto;
  edit(proto);
  return onnx.ModelProto.encode(proto).finish();
}
/** The nodes, inputs and so on of a graph under edit. */
// biome-ignore lint/suspicious/noExplicitAny: the classes of onnx-proto do not tell what is there
const graphOf = (proto: Proto): any => proto.graph;
const opsets =
  (...list: [string, number][]) =>
  (proto: Proto) => {
    proto.opsetImport = list.map(([domain, version]) => ({ domain, version })) as Proto['opsetImport'];
  };
/** Fields that onnx-proto does not know. */
const withField = (bytes: Uint8Array, number: number, payload: Uint8Array): Uint8Array =>
  Buffer.concat([bytes, Buffer.from([...varint(number * 8 + 2), ...varint(payload.length)]), payload]);
function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}

const declared = (name: string, type: string, ...dims: (number | string)[]) => ({ name, type, dims });
const tensorProto = (name: string, more: object) => ({ name, dims: [4], dataType: 1, ...more });
const raw = (...values: number[]) => new Uint8Array(new Float32Array(values).buffer);

export const lenientModels: Readonly<Record<string, () => Uint8Array>> = {
  'as it should be': () => writeModel(plain),

  // operator sets
  'com.microsoft not imported': () => edited(contrib, opsets(['', 17])),
  'ai.onnx not imported': () => edited(contrib, opsets(['com.microsoft', 1])),
  'ai.onnx not imported, used': () => edited(plain, opsets(['com.microsoft', 1])),
  'nothing imported': () => edited(plain, opsets()),
  'nothing imported, IR version 2': () =>
    edited(plain, (m) => {
      m.opsetImport = [];
      m.irVersion = 2;
    }),
  'ai.onnx imported twice': () => edited(plain, opsets(['', 17], ['', 17])),
  'ai.onnx imported as 13 and 17': () => edited(plain, opsets(['', 13], ['', 17])),
  'ai.onnx imported as 17 and 13': () => edited(plain, opsets(['', 17], ['', 13])),
  'ai.onnx by both names': () => edited(plain, opsets(['', 17], ['ai.onnx', 17])),
  'ai.onnx by both names, 13 and 17': () => edited(plain, opsets(['', 13], ['ai.onnx', 17])),
  'a domain that nobody uses': () => edited(plain, opsets(['', 17], ['acme', 3])),
  'a domain that nobody uses, as 1 and 2': () => edited(plain, opsets(['', 17], ['acme', 1], ['acme', 2])),
  'com.microsoft imported as 2': () => edited(contrib, opsets(['', 17], ['com.microsoft', 2])),
  'com.microsoft imported as 0': () => edited(contrib, opsets(['', 17], ['com.microsoft', 0])),
  'a domain nobody knows, not imported': () =>
    edited(plain, (m) => {
      graphOf(m).node[1].domain = 'acme';
    }),
  'ai.onnx version 0': () => edited(plain, opsets(['', 0])),
  'ai.onnx version -1': () => edited(plain, opsets(['', -1])),
  'ai.onnx version 27': () => edited(plain, opsets(['', 27])),
  'ai.onnx version 28': () => edited(plain, opsets(['', 28])),
  'ai.onnx version 29': () => edited(plain, opsets(['', 29])),
  'ai.onnx version 1000': () => edited(plain, opsets(['', 1000])),

  // the model
  'IR version 0': () => edited(plain, (m) => (m.irVersion = 0)),
  'IR version 1': () => edited(plain, (m) => (m.irVersion = 1)),
  'IR version 3, initializers that are not inputs': () => edited(plain, (m) => (m.irVersion = 3)),
  'IR version 14': () => edited(plain, (m) => (m.irVersion = 14)),
  'IR version 99': () => edited(plain, (m) => (m.irVersion = 99)),
  'IR version 70000': () => edited(plain, (m) => (m.irVersion = 70000)),
  'IR version -1': () => edited(plain, (m) => (m.irVersion = -1)),
  'no name of the graph': () => edited(plain, (m) => (graphOf(m).name = '')),
  'no graph': () =>
    edited(plain, (m) => {
      m.graph = null as never;
    }),
  'a field of the future in the model': () => withField(writeModel(plain), 99, Buffer.from('later')),
  'training info': () => withField(writeModel(plain), 20, new Uint8Array(0)),
  'metadata with a key twice': () =>
    edited(plain, (m) => {
      m.metadataProps = [
        { key: 'a', value: '1' },
        { key: 'a', value: '2' },
      ] as Proto['metadataProps'];
    }),
  'a graph without nodes': () => writeModel({ nodes: [], inputs: [], outputs: [] }),
  'no outputs': () => edited(plain, (m) => (graphOf(m).output = [])),

  // names
  'no names of nodes': () =>
    edited(plain, (m) => {
      for (const n of graphOf(m).node) n.name = '';
    }),
  'all nodes of one name': () =>
    edited(plain, (m) => {
      for (const n of graphOf(m).node) n.name = 'same';
    }),
  'nodes in the wrong order': () =>
    edited(plain, (m) => {
      graphOf(m).node.reverse();
    }),
  'an initializer twice, the same': () =>
    edited(plain, (m) => {
      graphOf(m).initializer.push(graphOf(m).initializer[0]);
    }),
  'an initializer twice, other elements': () =>
    edited(plain, (m) => {
      graphOf(m).initializer.push(tensorProto('w', { rawData: raw(9, 9, 9, 9) }));
    }),
  'an initializer twice, another type': () =>
    edited(plain, (m) => {
      graphOf(m).initializer.push(tensorProto('w', { dataType: 6, rawData: raw(9, 9, 9, 9) }));
    }),
  'an initializer that nobody uses, twice': () =>
    edited(plain, (m) => {
      graphOf(m).initializer.push(tensorProto('v', { rawData: raw(9, 9, 9, 9) }));
      graphOf(m).initializer.push(tensorProto('v', { rawData: raw(8, 9, 9, 9) }));
    }),
  'an initializer that nobody uses': () =>
    edited(plain, (m) => {
      graphOf(m).initializer.push(tensorProto('v', { rawData: raw(9, 9, 9, 9) }));
    }),
  'an initializer without a name': () =>
    edited(plain, (m) => {
      graphOf(m).initializer.push(tensorProto('', { rawData: raw(9, 9, 9, 9) }));
    }),
  'an input without a name': () =>
    edited(plain, (m) => {
      graphOf(m).input.push({ name: '' });
    }),
  'an output without a name': () =>
    edited(plain, (m) => {
      graphOf(m).output.push({ name: '' });
    }),
  'an input twice': () =>
    edited(plain, (m) => {
      graphOf(m).input.push(graphOf(m).input[0]);
    }),
  'an input twice, other shapes': () => edited({ ...plain, inputs: [float('x', 1, 4), float('x', 'N', 4)] }, () => {}),
  'an input twice, other types': () =>
    edited({ ...plain, inputs: [float('x', 1, 4), declared('x', 'int32', 1, 4)] }, () => {}),
  'an output twice': () =>
    edited(plain, (m) => {
      graphOf(m).output.push(graphOf(m).output[0]);
    }),
  'a value_info twice': () => writeModel({ ...plain, valueInfo: [float('a', 1, 4), float('a', 1, 4)] }),
  'a value_info twice, other shapes': () => writeModel({ ...plain, valueInfo: [float('a', 1, 4), float('a', 'N', 4)] }),
  'a value_info of the input': () => writeModel({ ...plain, valueInfo: [float('x', 1, 4)] }),
  'a value_info of the output': () => writeModel({ ...plain, valueInfo: [float('y', 1, 4)] }),
  'a value_info of nothing': () => writeModel({ ...plain, valueInfo: [float('gone', 1, 4)] }),
  'a value_info without a type': () => writeModel({ ...plain, valueInfo: [{ name: 'a' }] }),
  'a value_info without a name': () => writeModel({ ...plain, valueInfo: [float('', 1, 4)] }),
  'a node result twice': () => writeModel({ ...plain, nodes: [...plain.nodes, node('Abs', ['a'], ['y'])] }),
  'a node result of the name of an initializer': () =>
    writeModel({ ...plain, nodes: [...plain.nodes, node('Abs', ['a'], ['w'])] }),
  'a node result of the name of an input': () =>
    writeModel({ ...plain, nodes: [...plain.nodes, node('Abs', ['a'], ['x'])] }),
  'an unused node that reads nothing known': () =>
    writeModel({ ...plain, nodes: [...plain.nodes, node('Abs', ['gone'], ['b'])] }),

  // inputs and outputs
  'an initializer that is an input': () => writeModel({ ...plain, inputs: [...plain.inputs, float('w', 4)] }),
  'an initializer that is an input of another shape': () =>
    writeModel({ ...plain, inputs: [...plain.inputs, float('w', 1, 4)] }),
  'an initializer that is an input of another type': () =>
    writeModel({ ...plain, inputs: [...plain.inputs, declared('w', 'int32', 4)] }),
  'an output that is an initializer': () => writeModel({ ...plain, outputs: [...plain.outputs, float('w', 4)] }),
  'an output that is an input': () => writeModel({ ...plain, outputs: [...plain.outputs, float('x', 1, 4)] }),
  'an input that nobody reads': () => writeModel({ ...plain, inputs: [...plain.inputs, float('v', 3)] }),
  'an output without a type': () => writeModel({ ...plain, outputs: [{ name: 'y' }] }),
  'an output without a shape': () => writeModel({ ...plain, outputs: [{ name: 'y', type: 'float32' }] }),
  'an input without a type': () => writeModel({ ...plain, inputs: [{ name: 'x' }] }),
  'an input without a shape': () => writeModel({ ...plain, inputs: [{ name: 'x', type: 'float32' }] }),
  'an output of another size': () => writeModel({ ...plain, outputs: [float('y', 2, 4)] }),
  'an output of another rank': () => writeModel({ ...plain, outputs: [float('y', 4)] }),
  'an output of rank 0': () => writeModel({ ...plain, outputs: [float('y')] }),
  'an output of another element type': () => writeModel({ ...plain, outputs: [declared('y', 'int8', 1, 4)] }),
  'an output of an undefined element type': () =>
    edited(plain, (m) => {
      graphOf(m).output[0].type.tensorType.elemType = 0;
    }),
  'an input of an undefined element type': () =>
    edited(plain, (m) => {
      graphOf(m).input[0].type.tensorType.elemType = 0;
    }),
  'an output that is a sequence': () =>
    edited(plain, (m) => {
      graphOf(m).output[0].type = { sequenceType: { elemType: { tensorType: { elemType: 1 } } } };
    }),
  'a value_info of another size': () => writeModel({ ...plain, valueInfo: [float('a', 7, 4)] }),
  'a value_info of another rank': () => writeModel({ ...plain, valueInfo: [float('a', 7)] }),
  'a value_info of another element type': () => writeModel({ ...plain, valueInfo: [declared('a', 'int64', 1, 4)] }),
  'one symbol with two sizes': () =>
    writeModel({
      ...plain,
      nodes: [...plain.nodes, node('Abs', ['v'], ['b'])],
      inputs: [float('x', 'N', 4), float('v', 'N')],
      outputs: [float('y', 'N', 4), float('b', 'N')],
    }),
  'a negative size': () =>
    edited(plain, (m) => {
      graphOf(m).input[0].type.tensorType.shape.dim[0] = { dimValue: -1 };
    }),
  'a symbol of an output with another size': () =>
    writeModel({ ...plain, inputs: [float('x', 1, 4)], outputs: [float('y', 'N', 'N')] }),

  // nodes
  'empty names behind the inputs': () =>
    edited(plain, (m) => {
      graphOf(m).node[1].input.push('', '');
    }),
  'empty names behind the outputs': () =>
    edited(plain, (m) => {
      graphOf(m).node[1].output.push('', '');
    }),
  'empty names behind optional inputs': () => writeModel({ ...plain, nodes: [node('Clip', ['x', '', ''], ['y'])] }),
  'empty names behind optional inputs, too many': () =>
    writeModel({ ...plain, nodes: [node('Clip', ['x', '', '', ''], ['y'])] }),
  'a node without outputs': () => writeModel({ ...plain, nodes: [...plain.nodes, node('Abs', ['x'], [])] }),
  'a node whose output is empty': () => writeModel({ ...plain, nodes: [...plain.nodes, node('Abs', ['x'], [''])] }),
  'an attribute that the operator does not have': () =>
    edited(plain, (m) => {
      graphOf(m).node[1].attribute.push({ name: 'extra', type: 2, i: 3 });
    }),
  'an attribute of an older version': () =>
    writeModel({ ...plain, nodes: [plain.nodes[0], node('Relu', ['a'], ['y'], { attrs: { consumed_inputs: [0] } })] }),
  'axes of a reduction of before version 18': () =>
    writeModel({
      ...plain,
      nodes: [node('ReduceMax', ['x'], ['y'], { attrs: { axes: [1] } })],
      outputs: [{ name: 'y', type: 'float32' }],
      opsets: { '': 18 },
    }),
  'an input of a later version': () =>
    writeModel({
      ...plain,
      nodes: [node('Clip', ['x', 'low'], ['y'])],
      initializers: [{ name: 'low', tensor: tensor('f32', [0], []) }],
      opsets: { '': 6 },
    }),
  'attributes of an earlier version': () =>
    writeModel({ ...plain, nodes: [node('Clip', ['x'], ['y'], { attrs: { min: { f: 0 } } })] }),
  'axes of a Squeeze of before version 13': () =>
    writeModel({
      ...plain,
      nodes: [node('Squeeze', ['x'], ['y'], { attrs: { axes: [0] } })],
      outputs: [{ name: 'y', type: 'float32' }],
    }),
  'broadcasting of before version 7': () =>
    writeModel({ ...plain, nodes: [node('Add', ['x', 'w'], ['y'], { attrs: { broadcast: 1, axis: 1 } })] }),
  'an attribute without a type': () =>
    edited(
      { ...plain, nodes: [node('Softmax', ['x'], ['y'], { attrs: { axis: 1 } })] },
      (m) => delete graphOf(m).node[0].attribute[0].type,
    ),
  'an attribute without a type, IR version 1': () =>
    edited({ ...plain, nodes: [node('Softmax', ['x'], ['y'], { attrs: { axis: 1 } })] }, (m) => {
      m.irVersion = 1;
      delete graphOf(m).node[0].attribute[0].type;
    }),
  'an attribute of another type': () =>
    edited({ ...plain, nodes: [node('Softmax', ['x'], ['y'], { attrs: { axis: 1 } })] }, (m) => {
      graphOf(m).node[0].attribute[0].type = 1;
    }),
  'an attribute with two values': () =>
    edited({ ...plain, nodes: [node('Softmax', ['x'], ['y'], { attrs: { axis: 1 } })] }, (m) => {
      graphOf(m).node[0].attribute[0].f = 2;
    }),
  'an attribute of an unknown type': () =>
    edited({ ...plain, nodes: [node('Softmax', ['x'], ['y'], { attrs: { axis: 1 } })] }, (m) => {
      graphOf(m).node[0].attribute[0].type = 77;
    }),
  'an attribute twice, the same': () =>
    edited({ ...plain, nodes: [node('Softmax', ['x'], ['y'], { attrs: { axis: 1 } })] }, (m) => {
      graphOf(m).node[0].attribute.push(graphOf(m).node[0].attribute[0]);
    }),
  'an attribute twice, other values': () =>
    edited({ ...plain, nodes: [node('Softmax', ['x'], ['y'], { attrs: { axis: 1 } })] }, (m) => {
      graphOf(m).node[0].attribute.push({ name: 'axis', type: 2, i: 0 });
    }),
  'an attribute without a name': () =>
    edited(plain, (m) => {
      graphOf(m).node[1].attribute.push({ name: '', type: 2, i: 3 });
    }),
  'the domain ai.onnx spelled out': () =>
    edited(plain, (m) => {
      graphOf(m).node[0].domain = 'ai.onnx';
    }),

  // tensors
  'elements in raw_data and in float_data, the same': () =>
    edited(plain, (m) => {
      graphOf(m).initializer[0].floatData = [0.5, -1, 2, 3];
    }),
  'elements in raw_data and in float_data': () =>
    edited(plain, (m) => {
      graphOf(m).initializer[0].floatData = [9, 9, 9, 9];
    }),
  'elements in float_data': () =>
    edited(plain, (m) => {
      graphOf(m).initializer[0] = tensorProto('w', { floatData: [0.5, -1, 2, 3] });
    }),
  'elements of the wrong field': () =>
    edited(plain, (m) => {
      graphOf(m).initializer[0] = tensorProto('w', { int32Data: [1, 1, 2, 3] });
    }),
  'elements in float_data and in int32_data': () =>
    edited(plain, (m) => {
      graphOf(m).initializer[0] = tensorProto('w', { floatData: [0.5, -1, 2, 3], int32Data: [1, 1, 2, 3] });
    }),
  'fewer elements than dims say': () =>
    edited(plain, (m) => {
      graphOf(m).initializer[0] = tensorProto('w', { floatData: [0.5, -1, 2] });
    }),
  'more elements than dims say': () =>
    edited(plain, (m) => {
      graphOf(m).initializer[0] = tensorProto('w', { floatData: [0.5, -1, 2, 3, 4] });
    }),
  'more bytes than dims say': () =>
    edited(plain, (m) => {
      graphOf(m).initializer[0] = tensorProto('w', { rawData: raw(0.5, -1, 2, 3, 4) });
    }),
  'no elements at all': () =>
    edited(plain, (m) => {
      graphOf(m).initializer[0] = tensorProto('w', {});
    }),
  'one element of no elements': () =>
    edited(plain, (m) => {
      graphOf(m).initializer.push(tensorProto('v', { dims: [0], floatData: [1] }));
    }),
  'an initializer without an element type': () =>
    edited(plain, (m) => {
      graphOf(m).initializer[0].dataType = 0;
    }),
  'an unused initializer of an unknown element type': () =>
    edited(plain, (m) => {
      graphOf(m).initializer.push(tensorProto('v', { dataType: 77, rawData: raw(1, 2, 3, 4) }));
    }),
  'a byte in int32_data': () =>
    edited(contrib, (m) => {
      graphOf(m).initializer[1] = tensorProto('z', { dims: [], dataType: 2, int32Data: [3] });
    }),
  'a byte in int32_data that is too large': () =>
    edited(contrib, (m) => {
      graphOf(m).initializer[1] = tensorProto('z', { dims: [], dataType: 2, int32Data: [259] });
    }),
  'a segment': () =>
    edited(plain, (m) => {
      graphOf(m).initializer[0].segment = { begin: 0, end: 4 };
    }),
  'a negative dimension of an initializer': () =>
    edited(plain, (m) => {
      graphOf(m).initializer[0].dims = [-4];
    }),

  // functions: f(X) = X * X in the place of an operator of the same name
  'a function of the name of an operator': () =>
    withField(
      writeModel(plain),
      25,
      onnx.FunctionProto.encode({
        name: 'Relu',
        input: ['X'],
        output: ['Y'],
        opsetImport: [{ domain: '', version: 17 }],
        node: [{ opType: 'Mul', input: ['X', 'X'], output: ['Y'] }],
      } as object).finish(),
    ),
};

/** y = (q − 7) · w, which a rewrite corrects. */
const corrected: Model = {
  nodes: [node('MatMulInteger', ['q', 'w', 'z'], ['y'])],
  inputs: [{ name: 'q', type: 'uint8', dims: [2, 3] }],
  outputs: [{ name: 'y', type: 'int32', dims: [2, 2] }],
  initializers: [
    { name: 'z', tensor: tensor('u8', [7], []) },
    { name: 'w', tensor: tensor('s8', [1, -2, 3, 4, -5, 6], [3, 2]) },
  ],
};

/** The same with layers that a rewrite corrects. */
export const lenientLayers: Readonly<Record<string, () => Uint8Array>> = {
  'all initializers twice': () =>
    edited(corrected, (m) => {
      graphOf(m).initializer.push(...graphOf(m).initializer);
    }),
  'an initializer without a name in front': () =>
    edited(corrected, (m) => {
      graphOf(m).initializer.unshift(tensorProto('', { rawData: raw(9, 9, 9, 9) }));
    }),
  'an output twice': () =>
    edited(corrected, (m) => {
      graphOf(m).output.unshift(graphOf(m).output[0]);
    }),
  'an output of another size': () =>
    writeModel({ ...corrected, outputs: [{ name: 'y', type: 'int32', dims: [7, 2] }] }),
  'ai.onnx not imported': () => edited(corrected, opsets(['com.microsoft', 1])),
  'com.microsoft not imported': () =>
    writeModel({
      ...corrected,
      nodes: [
        node('QuantizeLinear', ['x', 's', 'z'], ['q'], microsoft),
        ...corrected.nodes,
        node('DequantizeLinear', ['q', 's', 'z'], ['d'], microsoft),
      ],
      inputs: [float('x', 2, 3)],
      outputs: [...corrected.outputs, float('d', 2, 3)],
      initializers: [...(corrected.initializers ?? []), { name: 's', tensor: tensor('f32', [0.25], []) }],
    }),
  'no IR version': () => edited(corrected, (m) => (m.irVersion = 0)),
  'a domain that nobody uses, as 1 and 2': () => edited(corrected, opsets(['acme', 1], ['', 17], ['acme', 2])),
};
