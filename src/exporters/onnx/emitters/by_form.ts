/** Operators that are written by the form in their declaration, small integers by way of wider types. */
import { assert } from '../../../diagnostics/index.ts';
import type { AttributeInit } from '../../../formats/onnx/index.ts';
import {
  type AttrSpec,
  type AttrValue,
  type Dim,
  type DType,
  dtypes,
  hasOnnxForm,
  isFloat,
  isList,
  keysOf,
  type OnnxForm,
  type OpOfForm,
  opOf,
} from '../../../ir/index.ts';
import { type Attributes, flag, float, int, ints, type NodeWriter, text, type Written } from '../node_writer.ts';
import { finishVia, ordered, via, widened } from './elements.ts';
import { sizeList } from './sizes.ts';

type Wider = (dtype: DType, opset: number) => DType | undefined;

/** For the elements of each kind of operator: the type that holds them and that runtimes compute in, none for their own. */
const widerTypes: Readonly<Record<NonNullable<OnnxForm['wider']>, Wider>> = {
  modular: widened,
  ordered,
  // u64 is beyond s64: only sums and products can use s64. All other operators need a runtime that has them for u64.
  exact: (dtype) => (dtype === 'bool' ? 's32' : dtype === 'u64' ? undefined : widened(dtype)),
  // before version 12 integers of up to 32 bits go through f64
  extremes: (dtype, opset) => (isFloat(dtype) ? undefined : opset < 12 ? 'f64' : ordered(dtype)),
  // in binary64, truncated; 64-bit integers as the runtime does it
  powers: (dtype) => (isFloat(dtype) || dtypes[dtype].bits === 64 ? undefined : 'f64'),
  choices: (dtype) => (dtype === 'u8' ? undefined : dtype === 'bool' ? 'u8' : widened(dtype)),
  positions: (dtype) => (dtype === 'u32' || dtype === 'u16' || dtype === 's16' ? 'f64' : undefined),
  blocks: (dtype) =>
    dtype === 'f32' || dtypes[dtype].bits === 64 ? undefined : dtypes[dtype].bits === 8 ? 'f32' : 'f64',
};

/** The node of an operator by its form. */
export interface Parts {
  readonly opType: string;
  readonly inputs: readonly string[];
  readonly attributes: Attributes;
  /** The type that the operands of type T were cast to. */
  readonly wider: DType | undefined;
}

/** The node that computes the results; `operands` stand for those of the operator. */
export function byForm(e: NodeWriter, operands?: readonly string[]): Written {
  const { opType, inputs, attributes, wider } = partsOf(e, operands);
  const [result] = Object.values(opOf(e.node).results);
  return finishVia(e, 'like' in result ? wider : undefined, opType, inputs, attributes);
}

export function partsOf(e: NodeWriter, operands?: readonly string[]): Parts {
  const { attrs, onnx } = formOf(e);
  const { opType, since = 1, broadcasts, attributes: forms = {}, inputsSince = {} } = onnx;
  e.since(since, opType);
  if (broadcasts) e.since(7, 'broadcasting');
  const { names, wider, rank } = operandsOf(e);
  const inputs = [...(operands ?? names)];
  const attributes: Record<string, AttributeInit> = {};
  for (const key of keysOf(attrs)) {
    const value = fromStart(key, e.node.attrs[key], rank);
    const { name = key, since: version } = forms[key] ?? {};
    if (key === 'axes' && isList(value) && value.length === 0) continue; // of a scalar
    if (e.opset >= (inputsSince[key] ?? Number.POSITIVE_INFINITY)) {
      inputs.push(isList(value) ? sizeList(e, value, key) : e.scalar('s64', Number(value)));
    } else if (version === undefined || value !== attrs[key].default) {
      e.since(version ?? 1, `the attribute ${name}`);
      attributes[name] = attributeOf(e, attrs[key], value);
    }
  }
  return { opType, inputs, attributes, wider };
}

export function formOf({ node }: NodeWriter): OpOfForm {
  const op = opOf(node);
  assert(hasOnnxForm(op), `${op.name} has no form in ONNX`);
  return op;
}

/** The names of the operands: in the type `wider`, when there is one, those that have a type T, or else the first. */
export function operandsOf(e: NodeWriter) {
  const { inputs = ['X'], wider: elements } = formOf(e).onnx;
  const { operands } = e.node;
  const isTyped = inputs.map((input) => input.includes(': '));
  const isWidened = (i: number) => (isTyped.includes(true) ? isTyped[Math.min(i, inputs.length - 1)] : i === 0);
  const first = operands[Math.max(0, isTyped.indexOf(true))];
  assert(first, `${e.node.op} lacks its first operand`);
  const { dtype, shape } = e.typeOf(first);
  const wider = elements && widerTypes[elements](dtype, e.opset);
  const names = operands.map((id, i) => (id && isWidened(i) ? via(e, wider, id)[0] : e.value(id ?? undefined)));
  return { names, wider, rank: shape.length };
}

/** Axes counted from the start; no axes are all of them. */
function fromStart(key: string, value: AttrValue, rank: number): AttrValue {
  if (key !== 'axis' && key !== 'axes') return value;
  const counted = (axis: Dim): number => (Number(axis) < 0 ? Number(axis) + rank : Number(axis));
  if (!isList(value)) return counted(Number(value));
  return value.length === 0 ? [...Array(rank).keys()] : value.map(counted);
}

function attributeOf(e: NodeWriter, { kind }: AttrSpec, value: AttrValue): AttributeInit {
  if (isList(value)) return ints(e.known(value));
  if (typeof value === 'number') return kind === 'float' ? float(value) : int(value);
  return typeof value === 'boolean' ? flag(value) : text(String(value));
}
