/**
 * Code that must not compile: the declarations of operators and rules are types. Checked by `npm run typecheck`; a line
 * that compiles although it is expected not to is an error there.
 */
import { orEqual } from '../../src/exporters/onnx/emitters/binary.ts';
import { resize } from '../../src/exporters/onnx/emitters/movement.ts';
import type { EmitOp } from '../../src/exporters/onnx/node_emitter.ts';
import { attr, byOp, defineOp, GraphBuilder, isOp, type Node, tensor, view } from '../../src/ir/index.ts';
import { nnCast } from '../../src/ir/ops/nn_cast.op.ts';
import { nnAdd } from '../../src/ir/ops/nn_elementwise_binary.op.ts';
import { nnElu } from '../../src/ir/ops/nn_elementwise_unary.op.ts';
import { nnMatmul } from '../../src/ir/ops/nn_matmul.op.ts';
import { nnPad, nnReshape } from '../../src/ir/ops/nn_movement.op.ts';
import { qnnConv } from '../../src/ir/ops/qnn_conv.op.ts';
import { qnnDynamicQuantize } from '../../src/ir/ops/qnn_dynamic_quantize.op.ts';
import { defineRule } from '../../src/passes/rewrite/rule.ts';

const b = new GraphBuilder();
const x = b.input('x', 'u8', ['N', 3, 8, 8]);
const f = b.input('f', 'f32', [4]);
const w = b.constant(tensor('s8', new Int8Array(27), [1, 3, 3, 3]));
const window = { strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1] };

// A call that is right gives a value whose element type is known.
const y = b.emit(qnnConv, { x, w }, window);
export const sum: 's32' = y.type.dtype;
export const like: 'f32' = b.emit(nnReshape, { x: f }, { shape: [2, 2] }).type.dtype;
export const cast: 'u8' = b.emit(nnCast, { x: f }, { to: 'u8' }).type.dtype;
export const integerProduct: 's32' = b.emit(nnMatmul, { a: x, b: w }).type.dtype;
export const floatProduct: 'f32' = b.emit(nnMatmul, { a: f, b: f }).type.dtype;
export const parts: 'u8' = b.emit(qnnDynamicQuantize, { x: f }).y.type.dtype;

// @ts-expect-error a wrong element type
b.emit(qnnConv, { x: f, w }, window);
// @ts-expect-error a value that is only carried
b.emit(nnAdd, { a: b.input('c', 'opaque', []), b: f });
// @ts-expect-error a value that may be one
b.emit(nnReshape, { x: b.lookup('c') ?? f }, { shape: [4] });
// @ts-expect-error a missing operand
b.emit(qnnConv, { x }, window);
// @ts-expect-error an operand that the operator does not have
b.emit(qnnConv, { x, w, bias: w }, window);
// @ts-expect-error a missing attribute
b.emit(qnnConv, { x, w }, { strides: [1, 1] });
// @ts-expect-error an attribute that the operator does not have
b.emit(qnnConv, { x, w }, { ...window, padding: 1 });
// @ts-expect-error an attribute of a wrong type
b.emit(qnnConv, { x, w }, { ...window, strides: 1 });
// @ts-expect-error the result is s32
export const wrong: 'f32' = y.type.dtype;
// @ts-expect-error the result is of the type that is asked for
export const otherCast: 's8' = b.emit(nnCast, { x: f }, { to: 'u8' }).type.dtype;
// @ts-expect-error the sum of products of integers is s32
export const narrowProduct: 'u8' = b.emit(nnMatmul, { a: x, b: x }).type.dtype;
// @ts-expect-error a word that the attribute does not have
b.emit(nnCast, { x: f }, { to: 'f33' });
// @ts-expect-error one operand is not enough
b.emit(nnAdd, { a: y });

defineRule({
  name: 'reads-what-is-not-there',
  root: qnnConv,
  law: '',
  exactness: 'bit-exact',
  // @ts-expect-error qnn.conv has no operand 'bias'
  rewrite: ({ bias }) => bias,
});
defineRule({
  name: 'zero-points-may-be-absent',
  root: qnnConv,
  law: '',
  exactness: 'bit-exact',
  // @ts-expect-error zx is optional
  rewrite: ({ zx }) => zx.type && zx,
});

// Declarations tell nodes apart: the code behind the test knows operands and attributes.
declare const node: Node;
if (isOp(node, nnPad)) {
  const mode: 'constant' | 'edge' | 'reflect' | 'wrap' = node.attrs.mode;
  // @ts-expect-error a word that the attribute does not have
  if (mode === 'mirror') throw new Error(mode);
}
const conv = view(qnnConv, node);
export const weights = conv?.w;
// @ts-expect-error an operand that the operator does not have
export const bias = conv?.bias;
// @ts-expect-error an operator that nobody declared
if (node.op === 'qnn.convolution') throw new Error();
// @ts-expect-error a table has entries for operators alone
byOp<number>({ nnAdd: 1, nnPlus: 2 });

// An emitter of one operator emits no other operator, unless the other has all fields that it reads.
// @ts-expect-error nn.pad has no scales
export const padding: EmitOp<typeof nnPad> = resize;
// @ts-expect-error nn.reshape has no operand 'b'
export const shaped: EmitOp<typeof nnReshape> = orEqual('Less');

// The form in ONNX names attributes of the operator.
const elu = { ...nnElu, attrs: { alpha: attr.float(1) } };
export const { onnx } = defineOp({ ...elu, onnx: { opType: 'Elu', attributes: { alpha: { since: 6 } } } });
// @ts-expect-error it has no attribute 'axis'
defineOp({ ...elu, onnx: { opType: 'Elu', attributes: { axis: { since: 6 } } } });
