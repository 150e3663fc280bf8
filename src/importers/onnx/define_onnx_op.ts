/** The declaration of an ONNX operator, for the importer, `inspect` and the documentation. */
import { assert } from '../../diagnostics/index.ts';
import type { Value } from '../../ir/index.ts';
import type { NodeContext } from './node_context.ts';
import type { OnnxInput, OnnxSignature } from './signature.ts';

export interface OnnxOp extends OnnxSignature {
  /** The results in the order of the node's outputs; undefined for a result that cannot be computed. */
  import(ctx: NodeContext): Value | readonly (Value | undefined)[];
}

interface Declaration {
  readonly domain?: Exclude<OnnxSignature['domain'], ''>;
  readonly name: string;
  readonly since?: number;
  /** `x`, `bias?` (optional) or `xs...` (variadic), with the variable of its element type: `zero_point?: T`. */
  readonly inputs: readonly string[];
  readonly outputs?: number;
  readonly attributes?: readonly string[];
  readonly operandsSince?: OnnxOp['operandsSince'];
  readonly attributesUntil?: OnnxOp['attributesUntil'];
  readonly import: OnnxOp['import'];
}

export function defineOnnxOp(declaration: Declaration): OnnxOp {
  const { operandsSince = {}, attributesUntil = {}, inputs, ...rest } = declaration;
  const complete = { domain: '' as const, since: 1, outputs: 1, attributes: [], ...rest };
  return Object.freeze({ ...complete, operandsSince, attributesUntil, inputs: inputs.map(parseInput) });
}

function parseInput(text: string): OnnxInput {
  const match = /^(\w+)(\?|\.\.\.)?(?:: (\w+))?$/.exec(text);
  assert(match, `'${text}' does not declare an input`);
  const [, name, mark, type] = match;
  const presence = mark === '?' ? 'optional' : mark === undefined ? 'required' : 'variadic';
  return { name, presence, ...(type !== undefined && { type }) };
}
