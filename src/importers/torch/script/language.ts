/** The language itself: roots of names, words, and the operators that its signs stand for. */
import type { TorchValue } from '../values.ts';
import type { Block, Expression } from './ast.ts';

/** True when a block only raises. */
export const raises = (block: Block): boolean =>
  block.some(
    (s) =>
      s.kind === 'raise' ||
      (s.kind === 'expression' &&
        s.value.kind === 'call' &&
        s.value.callee.kind === 'attribute' &&
        s.value.callee.name === 'RaiseException'),
  );

/** The message of an exception in the code. */
export const raised = ([message]: readonly TorchValue[]): string =>
  `the code raises: ${String(message ?? 'an exception').slice(0, 500)}`;

/** Operators that make tensors of the type of the numbers that they are given. */
const typedByNumbers = new Set(['aten::full', 'aten::tensor', 'aten::arange', 'aten::scalar_tensor']);
const FLOAT32 = 6;

const hasFloat = (e: Expression): boolean =>
  e.kind === 'number'
    ? e.isFloat
    : e.kind === 'list'
      ? e.items.some(hasFloat)
      : e.kind === 'unary' && hasFloat(e.operand);

/** The keywords of a call, with the type float32 where a number is written as a float and nothing else says one. */
export function typed(
  name: string,
  args: readonly Expression[],
  keywords: ReadonlyMap<string, TorchValue>,
): ReadonlyMap<string, TorchValue> {
  const isOpen = typedByNumbers.has(name) && (keywords.get('dtype') ?? null) === null && args.some(hasFloat);
  return isOpen ? new Map([...keywords, ['dtype', FLOAT32]]) : keywords;
}

/** The numbers of `range(bounds…)`. */
export function* counted(bounds: readonly number[], refuse: (why: string) => never): Generator<number> {
  const [start, end, step] = bounds.length === 1 ? [0, bounds[0], 1] : [bounds[0], bounds[1], bounds[2] ?? 1];
  if (bounds.length < 1 || bounds.length > 3) refuse(`a range of ${bounds.length} numbers`);
  if (step === 0) refuse('a range with steps of 0');
  for (let i = start; step > 0 ? i < end : i > end; i += step) yield i;
}

const roots = new Set(['torch', 'ops', '__torch__', 'CONSTANTS']);

/** `torch.add` -> `aten::add`, `ops.quantized.add` -> `quantized::add`. */
export function operatorName(dotted: string): string {
  const [root, ...rest] = dotted.split('.');
  return root === 'ops' ? rest.join('::') : `aten::${rest.at(-1)}`;
}

export const words: Readonly<Record<string, TorchValue>> = Object.assign(Object.create(null), {
  None: null,
  True: true,
  False: false,
  inf: Infinity,
  nan: Number.NaN,
});

export const operators: Readonly<Record<string, string>> = {
  '+': 'aten::add',
  '-': 'aten::sub',
  '*': 'aten::mul',
  '/': 'aten::div',
  '//': 'aten::floordiv',
  '%': 'aten::remainder',
  '**': 'aten::pow',
  '@': 'aten::matmul',
  '==': 'aten::eq',
  '!=': 'aten::ne',
  '<': 'aten::lt',
  '<=': 'aten::le',
  '>': 'aten::gt',
  '>=': 'aten::ge',
  is: 'aten::__is__',
  'is not': 'aten::__isnot__',
  in: 'aten::__contains__',
  'not in': 'aten::__contains__',
  not: 'aten::__not__',
  negative: 'aten::neg',
  '&': 'aten::__and__',
  '|': 'aten::__or__',
};

/** The name of a chain of attributes that starts at one of the roots; variables hide them. */
export function dottedName(e: Expression, variables: ReadonlyMap<string, TorchValue>): string | undefined {
  if (e.kind === 'name') return roots.has(e.name) && !variables.has(e.name) ? e.name : undefined;
  const object = e.kind === 'attribute' ? dottedName(e.object, variables) : undefined;
  return object !== undefined && e.kind === 'attribute' ? `${object}.${e.name}` : undefined;
}
