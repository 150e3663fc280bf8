/**
 * Two-way rows: an operator that ONNX has with the same operands in the same order names it in its declaration, and files
 * are read and written by that one row. Attributes have the kind and the default of the declaration. `axis` and `axes`
 * count the axes of the first operand, from the end where they are negative, and no `axes` are all of them.
 */
export interface OnnxForm<A extends PropertyKey = string> {
  readonly opType: string;
  /** The first version of the operator set `ai.onnx` in which the operator is written this way; 1 when absent. */
  readonly since?: number;
  /** The first version that is read, where an older one means something else or does not exist. */
  readonly readSince?: number;
  /** The operands as the importer declares inputs, `X` when absent; one of those of type T stands for all of them. */
  readonly inputs?: readonly string[];
  /** Attributes of ours that ONNX has as inputs behind these from a version on, and as attributes before. */
  readonly inputsSince?: { readonly [K in A]?: number };
  /** Names that differ; an attribute that came with a version is written where it is not the default. */
  readonly attributes?: { readonly [K in A]?: { readonly name?: string; readonly since?: number } };
  /** Attributes of ONNX that say nothing about the results. */
  readonly ignored?: readonly string[];
  /** True where b broadcasts to a since version 7, and before when attributes say so. */
  readonly broadcasts?: boolean;
  /** The wider types that the operands of type T, or else the first one, are written in where runtimes have no kernel. */
  readonly wider?: 'modular' | 'exact' | 'ordered' | 'extremes' | 'powers' | 'choices' | 'positions' | 'blocks';
}
