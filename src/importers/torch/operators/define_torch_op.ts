/** The declaration of a PyTorch operator: its schema, and its import. TorchScript and torch.export share it. */
import { GraphTensor, type TorchValue, UnknownTensor } from '../values.ts';
import type { Arguments } from './arguments.ts';
import type { TorchContext } from './context.ts';
import { parseSchema, type Schema } from './schema.ts';

export interface TorchOp extends Schema {
  /** True when the result has the shape of the first operand, known or not. */
  readonly keepsShape: boolean;
  /**
   * True when it is computed at once for small constants, in TorchScript as well: there a stored tensor may be state,
   * and folding treats it as a weight.
   */
  readonly folds: boolean;
  /** One result, or a list of them: null for a result that cannot be computed. */
  import(ctx: TorchContext, args: Arguments): TorchValue;
}

interface Declaration {
  /** One schema, or several that differ only in name and arguments. */
  readonly schema: string | readonly string[];
  readonly keepsShape?: boolean;
  readonly folds?: boolean;
  readonly import: TorchOp['import'];
}

/** One operator, or several of one meaning: names in place become the operator itself. */
export const defineTorchOp = ({ schema, keepsShape = false, folds = false, import: body }: Declaration) =>
  (typeof schema === 'string' ? [schema] : schema).map(
    (text): TorchOp => Object.freeze({ ...parseSchema(text), keepsShape, folds, import: body }),
  );

/** True when an operator involves tensors of the graph. */
export const readsGraph = (value: TorchValue): boolean =>
  value instanceof GraphTensor || value instanceof UnknownTensor || (Array.isArray(value) && value.some(readsGraph));
