/** The declaration of a PyTorch operator: its schema, and what it becomes. TorchScript and torch.export share it. */
import { GraphTensor, type TorchValue, UnknownTensor } from '../values.ts';
import type { Arguments } from './arguments.ts';
import type { TorchContext } from './context.ts';
import { parseSchema, type Schema } from './schema.ts';

export interface TorchOp extends Schema {
  /** The result has the shape of the first operand, whatever that is. */
  readonly keepsShape: boolean;
  /**
   * It is computed at once where its operands are small constants, also in TorchScript, where a stored tensor may be state: whoever
   * folds one takes it for a weight.
   */
  readonly folds: boolean;
  /** One result, or a list of them: null for one that cannot be computed. */
  import(ctx: TorchContext, args: Arguments): TorchValue;
}

interface Declaration {
  /** One schema, or several that differ in name and arguments alone. */
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

/** Whether an operator is about tensors of the graph at all. */
export const readsGraph = (value: TorchValue): boolean =>
  value instanceof GraphTensor || value instanceof UnknownTensor || (Array.isArray(value) && value.some(readsGraph));
