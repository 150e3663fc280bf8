/** The signature of an operator, for its checks and for the context of a node. */
export interface OnnxSignature {
  /** `''` is ai.onnx. */
  readonly domain: '' | 'com.microsoft' | 'com.microsoft.nchwc';
  readonly name: string;
  /** The first operator set version whose meaning `import` gives; older models get an opaque operator. */
  readonly since: number;
  readonly inputs: readonly OnnxInput[];
  /** The largest number of outputs. */
  readonly outputs: number;
  /** The attributes that `import` understands; a node with another one becomes an opaque operator. */
  readonly attributes: readonly string[];
  /** Operands that came with a version of the operator set; an attribute of the same name means nothing from then on. */
  readonly operandsSince: Readonly<Record<string, number | undefined>>;
  /** Attributes that mean nothing from a version on. */
  readonly attributesUntil: Readonly<Record<string, number>>;
}

export interface OnnxInput {
  readonly name: string;
  readonly presence: 'required' | 'optional' | 'variadic';
  /** Inputs with the same letter have the same element type. */
  readonly type?: string;
}
