/** Functions of the code without tensors of the graph: on numbers, sizes, lists, strings. */

import { TorchTensor } from '../../../formats/torch/index.ts';
import { addDims, divDims, mulDims } from '../../../ir/index.ts';
import { isFloat } from '../../../tensors/index.ts';
import {
  describe,
  dimOf,
  GraphTensor,
  integerOf,
  isTensor,
  isUnderstood,
  numberOf,
  SymInt,
  type TorchValue,
  Undetermined,
  UnknownTensor,
} from '../values.ts';

export interface Call {
  readonly name: string;
  readonly args: readonly TorchValue[];
  readonly keywords: ReadonlyMap<string, TorchValue>;
  refuse(why: string): never;
}

/** An argument that has to be there. */
const argument = ({ args, refuse }: Call, i: number): TorchValue =>
  i < args.length ? args[i] : refuse(`with ${args.length} arguments`);

/** A number that is known during the import. */
const numberAt = (call: Call, i: number): number =>
  numberOf(argument(call, i)) ?? call.refuse(`of ${describe(call.args[i])}: a number is needed`);

/** Elements of a list, and characters of a string, that no model needs. */
const LONGEST = 1_000_000;

/** An integer, of the sizes or a number: stored tensors without axes count. */
const integral = (value: TorchValue): number | SymInt | undefined => {
  if (value instanceof SymInt) return value;
  return value instanceof TorchTensor && value.shape.length > 0 ? undefined : numberOf(value);
};

/** True when arithmetic on it happens during the import. */
export const isPlain = (value: TorchValue): boolean =>
  value === null ||
  typeof value === 'string' ||
  typeof value === 'boolean' ||
  value instanceof Undetermined ||
  integral(value) !== undefined ||
  (Array.isArray(value) && value.every(isPlain));

type Arithmetic = {
  readonly numbers: (a: number, b: number) => number;
  readonly dims?: (a: number | string, b: number | string) => number | string | undefined;
};

const arithmetic =
  ({ numbers, dims }: Arithmetic) =>
  (call: Call): TorchValue => {
    const [left, right] = [integral(call.args[0] ?? null), integral(call.args[1] ?? null)];
    if (typeof left === 'number' && typeof right === 'number') return numbers(left, right);
    if (call.args.some((value) => value instanceof Undetermined))
      return new Undetermined('a number that depends on the size of an input', 'number');
    if (left === undefined || right === undefined)
      return call.refuse(`of ${describe(call.args[0] ?? null)} and ${describe(call.args[1] ?? null)}`);
    const dim = dims?.(dimOf(left), dimOf(right));
    if (dim === undefined) return new Undetermined('a number that depends on the size of an input', 'number');
    if (String(dim).length > 1000) return call.refuse('of sizes, whose result only a very long expression describes');
    return integerOf(dim);
  };

const difference = (a: number | string, b: number | string): number | string | undefined =>
  typeof b === 'number' ? addDims(a, -b) : a === b ? 0 : undefined;
const quotient = (a: number | string, b: number | string) => (b === 0 ? undefined : divDims(a, b));
const modulo = (a: number, b: number): number => a - Math.floor(a / b) * b;

function add(call: Call): TorchValue {
  const [a, b] = call.args;
  if (Array.isArray(a) && Array.isArray(b)) return limited(call, [...a, ...b]);
  if (typeof a === 'string' && typeof b === 'string') return text(call, a + b);
  return arithmetic({ numbers: (x, y) => x + y, dims: addDims })(call);
}

function multiply(call: Call): TorchValue {
  const [a, b] = call.args;
  if (Array.isArray(a) && typeof b === 'number') {
    if (!Number.isInteger(b) || Math.max(a.length, 1) * b > LONGEST)
      call.refuse(`makes a list of ${a.length} times ${b}`);
    return Array.from({ length: Math.max(0, b) }, () => a).flat();
  }
  return arithmetic({ numbers: (x, y) => x * y, dims: mulDims })(call);
}

function divide(call: Call): TorchValue {
  const mode = call.keywords.get('rounding_mode') ?? call.args[2] ?? null;
  if (mode === null) return arithmetic({ numbers: (a, b) => a / b })(call);
  return arithmetic({ numbers: (a, b) => (mode === 'floor' ? Math.floor(a / b) : Math.trunc(a / b)), dims: quotient })(
    call,
  );
}

const text = (call: Call, value: string): string =>
  value.length > LONGEST ? call.refuse('makes a very long string') : value;
const limited = (call: Call, list: TorchValue[]): TorchValue[] =>
  list.length > LONGEST ? call.refuse(`makes a list of ${list.length}`) : list;

/** Equal, different, or not known before a run. */
function same(a: TorchValue, b: TorchValue): boolean | undefined {
  if (a instanceof Undetermined || b instanceof Undetermined) return undefined;
  if (a instanceof SymInt || b instanceof SymInt)
    return a instanceof SymInt && b instanceof SymInt && a.dim === b.dim ? true : undefined;
  if (Array.isArray(a) && Array.isArray(b)) {
    if (a.length !== b.length) return false;
    const each = a.map((item, i) => same(item, b[i]));
    return each.includes(false) ? false : each.includes(undefined) ? undefined : true;
  }
  const [x, y] = [numberOf(a), numberOf(b)];
  return x !== undefined && y !== undefined ? x === y : a === b;
}

const undetermined = new Undetermined('a condition on the sizes of the inputs');

const equality =
  (positive: boolean) =>
  (call: Call): TorchValue => {
    const [a, b] = call.args;
    if (call.args.some((value) => value instanceof GraphTensor))
      return call.refuse(`of ${describe(a ?? null)} and ${describe(b ?? null)}`);
    const result = same(a ?? null, b ?? null);
    return result === undefined ? undetermined : result === positive;
  };

/** `is`: tensors and modules are themselves alone. */
const identity =
  (positive: boolean) =>
  (call: Call): TorchValue => {
    const [a = null, b = null] = call.args;
    return a instanceof Undetermined || b instanceof Undetermined ? undetermined : (a === b) === positive;
  };

const comparison =
  (compare: (a: number | string, b: number | string) => boolean) =>
  (call: Call): TorchValue => {
    const [a, b] = call.args;
    if (typeof a === 'string' && typeof b === 'string') return compare(a, b);
    const [x, y] = [numberOf(a ?? null), numberOf(b ?? null)];
    if (x !== undefined && y !== undefined) return compare(x, y);
    const isSize = (v: TorchValue) => v instanceof SymInt || v instanceof Undetermined;
    return isSize(a ?? null) || isSize(b ?? null)
      ? undetermined
      : call.refuse(`of ${describe(a ?? null)} and ${describe(b ?? null)}`);
  };

/** The truth of a value; undefined when only a run can tell. */
export function truth(value: TorchValue): boolean | undefined {
  if (
    value instanceof Undetermined ||
    value instanceof SymInt ||
    value instanceof GraphTensor ||
    value instanceof UnknownTensor
  )
    return undefined;
  if (value === null || value === '') return false;
  if (value instanceof TorchTensor) return value.count === 1 ? value.numbers()[0] !== 0 : undefined;
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof Map) return value.size > 0;
  return Boolean(value);
}

function logic(call: Call, combine: (a: boolean, b: boolean) => boolean): TorchValue {
  const [a, b] = call.args.map(truth);
  return a === undefined || b === undefined ? undetermined : combine(a, b);
}

function sizes(call: Call, value: TorchValue): readonly (number | SymInt)[] | undefined {
  if (value instanceof UnknownTensor) return undefined;
  if (value instanceof GraphTensor) {
    if (!isUnderstood(value)) call.refuse('of a result of an operator that is not supported');
    return value.shape.map(integerOf);
  }
  return value instanceof TorchTensor ? value.shape : call.refuse(`of ${describe(value)}`);
}

function size(call: Call): TorchValue {
  const [x, dim] = call.args;
  const known = sizes(call, x);
  if (known === undefined) return new Undetermined('the sizes of an input', 'number');
  if (dim === undefined) return [...known];
  const axis = numberAt(call, 1);
  return (
    known[axis < 0 ? axis + known.length : axis] ??
    call.refuse(`: the axis ${describe(dim)} is outside of a tensor of rank ${known.length}`)
  );
}

function length(call: Call): TorchValue {
  const [value] = call.args;
  if (value instanceof Undetermined) return value;
  if (Array.isArray(value) || typeof value === 'string') return value.length;
  if (value instanceof Map) return value.size;
  if (isTensor(value)) return sizes(call, value)?.[0] ?? new Undetermined('the size of an input', 'number');
  return call.refuse(`of ${describe(value)}`);
}

function toNumber(call: Call, convert: (x: number) => number): TorchValue {
  const [value] = call.args;
  if (value instanceof SymInt || value instanceof Undetermined) return value;
  if (typeof value === 'string') return Number(value);
  const number = numberOf(value ?? null);
  return number === undefined ? call.refuse(`of ${describe(value ?? null)}: it depends on the data`) : convert(number);
}

const list = (call: Call): TorchValue[] => {
  const [value] = call.args;
  return Array.isArray(value) ? value : call.refuse(`of ${describe(value ?? null)}`);
};

function extremum(call: Call, pick: (...numbers: number[]) => number): TorchValue {
  const values = call.args.length === 1 ? list(call) : call.args;
  const numbers = values.map((value) => numberOf(value) ?? call.refuse(`of ${describe(value)}`));
  if (numbers.length === 0) return call.refuse('of nothing');
  return numbers.length > LONGEST ? call.refuse('of a long list') : numbers.reduce((a, b) => pick(a, b));
}

const quantizationOf = (call: Call) => {
  const [x] = call.args;
  const q = x instanceof GraphTensor || x instanceof TorchTensor ? x.quantization : undefined;
  return q?.kind === 'per-tensor' ? q : call.refuse(`of ${describe(x ?? null)}`);
};

const typeOf = (call: Call) => {
  const [x] = call.args;
  if (x instanceof GraphTensor || x instanceof TorchTensor) return x.type;
  return call.refuse(`of ${describe(x ?? null)}`);
};

const rounded = (round: (x: number) => number) => (call: Call) => toNumber(call, round);
const first = ({ args }: Call): TorchValue => args[0] ?? null;

/**
 * The functions by the name of the operator. Names that operators on tensors share are used when all arguments are
 * plain.
 */
export const builtins: Readonly<Record<string, (call: Call) => TorchValue>> = {
  'aten::add': add,
  'aten::sub': arithmetic({ numbers: (a, b) => a - b, dims: difference }),
  'aten::mul': multiply,
  'aten::div': divide,
  'aten::floordiv': arithmetic({ numbers: (a, b) => Math.floor(a / b), dims: quotient }),
  'aten::floor_divide': arithmetic({ numbers: (a, b) => Math.floor(a / b), dims: quotient }),
  'aten::remainder': arithmetic({ numbers: modulo }),
  'aten::pow': arithmetic({ numbers: (a, b) => a ** b }),
  'aten::neg': (call) => toNumber(call, (x) => -x),
  'aten::abs': (call) => toNumber(call, Math.abs),
  'aten::sqrt': (call) => toNumber(call, Math.sqrt),
  'aten::ceil': rounded(Math.ceil),
  'aten::floor': rounded(Math.floor),
  'aten::Int': rounded(Math.trunc),
  'aten::IntImplicit': rounded(Math.trunc),
  'aten::Float': rounded(Number),
  'aten::FloatImplicit': rounded(Number),
  'aten::ScalarImplicit': rounded(Number),
  'aten::item': rounded(Number),
  'aten::Bool': (call) => truth(first(call)) ?? first(call),
  'aten::eq': equality(true),
  'aten::ne': equality(false),
  'aten::__is__': identity(true),
  'aten::__isnot__': identity(false),
  'aten::all': (call) => list(call).every((value) => truth(value) ?? call.refuse(`of ${describe(value)}`)),
  'aten::any': (call) => list(call).some((value) => truth(value) ?? call.refuse(`of ${describe(value)}`)),
  'aten::find': (call) => {
    const [a, b] = [argument(call, 0), argument(call, 1)];
    return typeof a === 'string' && typeof b === 'string'
      ? a.indexOf(b)
      : call.refuse(`of ${describe(b)} in ${describe(a)}`);
  },
  'aten::lt': comparison((a, b) => a < b),
  'aten::le': comparison((a, b) => a <= b),
  'aten::gt': comparison((a, b) => a > b),
  'aten::ge': comparison((a, b) => a >= b),
  'aten::__not__': (call) => {
    const value = truth(first(call));
    return value === undefined ? undetermined : !value;
  },
  'aten::__and__': (call) => logic(call, (a, b) => a && b),
  'aten::__or__': (call) => logic(call, (a, b) => a || b),
  'aten::__contains__': (call) => {
    const [container, item] = [argument(call, 0), argument(call, 1)];
    if (container instanceof Map) return container.has(item);
    if (typeof container === 'string' && typeof item === 'string') return container.includes(item);
    return list(call).some((x) => same(x, item) === true);
  },
  'aten::size': size,
  'aten::sym_size': size,
  'prim::shape': size,
  'aten::len': length,
  'aten::dim': (call) => sizes(call, first(call))?.length ?? new Undetermined('the rank of an input', 'number'),
  'aten::numel': (call) => {
    const known = sizes(call, first(call)) ?? call.refuse('of an input of unknown shape');
    return integerOf(known.map(dimOf).reduce(mulDims, 1));
  },
  'aten::slice': (call) => {
    const [values, start, end, step] = call.args;
    if (!Array.isArray(values) || (step ?? 1) !== 1) return call.refuse(`of ${describe(values ?? null)}`);
    const isAbsent = (bound: TorchValue | undefined) => bound === null || bound === undefined;
    return values.slice(isAbsent(start) ? 0 : numberAt(call, 1), isAbsent(end) ? undefined : numberAt(call, 2));
  },
  'aten::format': (call) => text(call, String(first(call))),
  'aten::str': (call) => text(call, String(numberOf(first(call)) ?? first(call))),
  'aten::warn': () => null,
  'aten::manual_seed': () => null,
  'prim::NumToTensor': first,
  'prim::unchecked_cast': first,
  'prim::unchecked_unwrap_optional': first,
  'aten::_unwrap_optional': first,
  'prim::data': first,
  'prim::min': (call) => extremum(call, Math.min),
  'prim::max': (call) => extremum(call, Math.max),
  'prim::dtype': (call) => typeOf(call).code,
  'prim::device': () => 'cpu',
  'prim::is_cuda': () => false,
  'prim::layout': () => 0,
  'prim::requires_grad': () => true,
  'aten::device': () => 'cpu',
  'prim::is_quantized': (call) => {
    const [x] = call.args;
    if (x instanceof UnknownTensor) return undetermined;
    return (x instanceof GraphTensor || x instanceof TorchTensor) && x.quantization !== undefined;
  },
  'aten::is_floating_point': (call) => isFloat(typeOf(call).dtype),
  'aten::q_scale': (call) => quantizationOf(call).scale,
  'aten::q_zero_point': (call) => quantizationOf(call).zeroPoint,
  'prim::is_nested': () => false,
  'aten::is_scripting': () => true,
  'aten::is_autocast_enabled': () => false,
  'aten::__range_length': (call) => {
    const [from, to, step] = [numberAt(call, 0), numberAt(call, 1), numberAt(call, 2)];
    return step === 0 ? call.refuse('with steps of 0') : Math.max(0, Math.ceil((to - from) / step));
  },
  'aten::__derive_index': (call) => {
    const [i, from, step] = [numberAt(call, 0), numberAt(call, 1), numberAt(call, 2)];
    return from + i * step;
  },
  'aten::to': first,
  'aten::set_grad_enabled': () => null,
  'aten::is_grad_enabled': () => true, // so that no branch with fused kernels of its own is taken
  'aten::_get_tracing_state': () => false,
};
