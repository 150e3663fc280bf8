/**
 * Two-way rows: an operator that ONNX has with the same operand `x`, the same attributes and the same meaning names it in its
 * declaration, and files are read and written by that one row.
 */
import type { AttrSpec } from './define_op.ts';

export interface OnnxForm {
  readonly opType: string;
  /** The first version of the operator set `ai.onnx` in which the operator is written this way. */
  readonly since: number;
}

/** Attributes of ONNX with the same names: floats that may be left out there too. */
type FloatAttrs = Readonly<Record<string, AttrSpec<number, true>>>;

/** A declaration with its form in ONNX. */
export const withOnnx = <D extends { readonly attrs: FloatAttrs }>(
  declaration: D,
  opType: string,
  since = 1,
): D & { readonly onnx: OnnxForm } => Object.freeze({ ...declaration, onnx: { opType, since } });
