/** Every operator, by the name of its declaration. Code that has to treat all of them derives from this table. */
import { assert } from '../diagnostics/index.ts';
import type { DType } from '../tensors/index.ts';
import type { AttrSpecs, OpDeclaration, OperandSpec, OperandSpecs, ResultSpec, ResultSpecs } from './define_op.ts';
import type { OnnxForm } from './onnx_form.ts';
import * as control from './ops/control_ops.ts';
import * as dnnl from './ops/dnnl_ops.ts';
import * as nn from './ops/nn_ops.ts';
import { opaqueOp } from './ops/opaque.op.ts';
import * as qnn from './ops/qnn_ops.ts';

export const ops = { ...qnn, ...nn, ...control, ...dnnl, opaqueOp } as const;

/** The declaration of one of the operators. */
export type Op = (typeof ops)[keyof typeof ops];
/** The names of operators in the text of the IR: `qnn.conv`. */
export type OpName = Op['name'];
/** The declaration of a reduction over axes. */
export type Reduction = Extract<Op, { readonly name: `nn.reduce_${string}` }>;
/** The declaration of an operator with one result whose operands have just these names, all of them required, and these attributes. */
export type OpWith<K extends string, A extends AttrSpecs = Record<never, never>> = OpDeclaration<
  Readonly<Record<K, OperandSpec<DType | 'opaque', 'required'>>>,
  A,
  { readonly y: ResultSpec },
  OpName
>;
// biome-ignore lint/suspicious/noExplicitAny: methods of different parameters share no other supertype
type AnyDeclaration = OpDeclaration<any, any, any, OpName>;
/** The declaration of any operator, its parameters forgotten. */
export interface AnyOp extends Omit<AnyDeclaration, 'operands' | 'attrs' | 'results'> {
  readonly operands: OperandSpecs;
  readonly attrs: AttrSpecs;
  readonly results: ResultSpecs;
}

export const allOps: readonly AnyOp[] = Object.values(ops);

const byName: ReadonlyMap<string, AnyOp> = new Map(allOps.map((op) => [op.name, op]));

/** The declaration of this name, undefined for an unknown one. */
export const findOp = (name: string): AnyOp | undefined => byName.get(name);

/** The declaration of a node's operator. */
export function opOf({ op }: { readonly op: OpName }): AnyOp {
  const found = byName.get(op);
  assert(found, `${op} is not an operator`);
  return found;
}

/** An operator that names its form in ONNX. */
export interface OpOfForm extends AnyOp {
  readonly onnx: OnnxForm;
}
export const hasOnnxForm = (op: AnyOp): op is OpOfForm => 'onnx' in op;
