/** Operators that write to one of their operands, and the operators that compute the written values. */
import { isTensor, SymInt, type TorchValue } from '../values.ts';
import type { OperatorCall } from './objects.ts';

export interface Writer {
  readonly target: TorchValue;
  /** The call without the write. */
  readonly call: OperatorCall;
}

/** They end in `_` and change nothing that a graph has. */
const harmless = new Set(['aten::requires_grad_', 'aten::retains_grad_', 'aten::rename_']);
export const isHarmless = (name: string): boolean => harmless.has(name);

/** True for operators that write the same to all elements: they may write through a view that repeats elements. */
export const isUniform = (name: string): boolean => name === 'aten::fill' || name === 'aten::zero';

const twinOf = (name: string): string | undefined =>
  /[^_]_$/.test(name)
    ? name.slice(0, -1)
    : /^aten::__i(and|or|xor|lshift|rshift)__$/.test(name)
      ? name.replace('__i', '__')
      : undefined;

/** True for the name of an operator in place; lists have some too. */
const isInPlace = (name: string): boolean => twinOf(name) !== undefined;

/** Tensors without axes are numbers here: a write gives such a tensor another number. */
export const writesNumber = (name: string, [target]: readonly TorchValue[]): boolean =>
  isInPlace(name) && (typeof target === 'number' || target instanceof SymInt);

/** `op_(x, …)` is `op(x, …)` written to x, `op(…, out=y)` is `op(…)` written to y. */
export function writerOf(call: OperatorCall): Writer | undefined {
  const { name, args, keywords } = call;
  const twin = twinOf(name);
  if (twin !== undefined) return { target: args[0] ?? null, call: { ...call, name: twin } };
  const out = keywords.get('out');
  if (out !== undefined && out !== null) {
    const others = new Map([...keywords].filter(([key]) => key !== 'out'));
    return { target: out, call: { ...call, keywords: others } };
  }
  // among the operators of the engine, only this one obeys its flag
  const isFlagged = name === 'quantized::relu6' && (args[1] === true || keywords.get('inplace') === true);
  return isFlagged && isTensor(args[0])
    ? { target: args[0], call: { ...call, args: [args[0]], keywords: new Map() } }
    : undefined;
}
