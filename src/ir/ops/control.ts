/**
 * Graphs inside of operators of control flow. A body is a graph of its own: values of the graph around it that it reads are operands of
 * the operator, and inputs of the body by the names in `captures`. Its symbols are those of the graph around it.
 */
import { fail } from '../../diagnostics/index.ts';
import {
  allDTypes,
  type DType,
  type ITensor,
  newArray,
  packed,
  patternsOf,
  type SharedType,
  sharesBytes,
  storedTypes,
  type TypedArray,
} from '../../tensors/index.ts';
import { type BodyGraph, type Refuse, tensorOf } from '../define_op.ts';
import { parseType } from '../parse_type.ts';
import { formatType, type TensorType, type ValueId } from '../types.ts';

/** Bodies take and give values of every type, also of those that no operator computes with. */
export const everyType: readonly DType[] = [...allDTypes, ...storedTypes];
export const anything = tensorOf(...everyType, 'opaque');

/** The next body to run: the attribute that holds it, and its inputs by name. */
export interface BodyCall {
  readonly body: string;
  readonly feeds: Readonly<Record<string, ITensor>>;
}
/** The work of an operator between the runs of its bodies: it asks for a run, is given the outputs of the body, and ends with its results. */
export type Steps = Generator<BodyCall, readonly ITensor[], readonly ITensor[]>;

/** Does the steps with bodies that run at once. */
export function follow(steps: Steps, run: (call: BodyCall) => readonly ITensor[]): readonly ITensor[] {
  let step = steps.next();
  while (!step.done) step = steps.next(run(step.value));
  return step.value;
}

/** The declared types of the results. */
export const resultTypes = (texts: readonly string[], refuse: Refuse): readonly TensorType[] =>
  texts.map((text) => parseType(text) ?? refuse(`'${text}' is not a type`));

interface Border {
  /** Inputs that the operator itself feeds, in order; undefined where any type does. */
  readonly own: readonly (TensorType | undefined)[];
  readonly captures: readonly string[];
  readonly captured: readonly (TensorType | null)[];
  /** The outputs; undefined where any type does. */
  readonly outputs: readonly (TensorType | undefined)[];
}

/** Refuses a body that does not fit its operator. Sizes that are not known are judged when they are. */
export function checkBody(name: string, body: BodyGraph, border: Border, refuse: Refuse): void {
  const { own, captures, captured, outputs } = border;
  if (captured.length !== captures.length)
    refuse(`'captures' has ${captures.length} names for ${captured.length} operands`);
  if (new Set(captures).size !== captures.length) refuse(`'captures' has a name twice`);
  if (body.inputs.length < own.length)
    refuse(`the body '${name}' has ${body.inputs.length} inputs, and at least ${own.length} are given`);
  const typeOf = (id: ValueId): TensorType => body.values[id]?.type ?? refuse(`the body '${name}' has no value %${id}`);
  const check = (what: string, given: TensorType, taken: TensorType) => {
    if (!fits(given, taken))
      refuse(`${what} of the body '${name}' is ${formatType(taken)}, and ${formatType(given)} is at its place`);
  };
  body.inputs.forEach((id, i) => {
    const at = captures.indexOf(id);
    if (i >= own.length && at < 0) refuse(`the input %${id} of the body '${name}' is not one of 'captures'`);
    const given = i < own.length ? own[i] : captured[at];
    if (given) check(`the input %${id}`, given, typeOf(id));
  });
  if (body.outputs.length !== outputs.length)
    refuse(`the body '${name}' has ${body.outputs.length} outputs, not ${outputs.length}`);
  body.outputs.forEach((id, i) => {
    const wanted = outputs[i];
    if (wanted) check(`the output %${id}`, wanted, typeOf(id));
  });
}

const fits = (a: TensorType, b: TensorType): boolean =>
  a.dtype === b.dtype &&
  a.shape.length === b.shape.length &&
  a.shape.every((dim, axis) => {
    const other = b.shape[axis];
    return typeof dim !== 'number' || typeof other !== 'number' || dim === other;
  });

/** The captured values that a body reads, by name. */
export function capturedFeeds(
  body: BodyGraph,
  captures: readonly string[],
  captured: readonly (ITensor | null)[],
): Record<string, ITensor> {
  const feeds: Record<string, ITensor> = {};
  const inputs = new Set<string>(body.inputs);
  captures.forEach((name, i) => {
    const tensor = captured[i];
    if (tensor && inputs.has(name)) feeds[name] = tensor;
  });
  return feeds;
}

/** The tensors along a new first axis; of none, `type` says what is left out. @throws UnskewError U2005 where their shapes differ */
export function stacked(list: readonly ITensor[], type: TensorType): ITensor {
  const [first] = list;
  if (first === undefined) {
    if (type.dtype === 'opaque') return fail('U2008', 'a loop without turns has results of a type that nobody knows');
    // nobody computed an open size
    const shape = [0, ...type.shape.map((dim) => (typeof dim === 'number' ? dim : 0))];
    return { dtype: type.dtype, shape, data: newArray(type.dtype, 0) } as ITensor;
  }
  for (const tensor of list)
    if (formatType(tensor) !== formatType(first))
      fail('U2005', `turns of a loop give ${formatType(first)} and ${formatType(tensor)}, which cannot be stacked`);
  const shape = [list.length, ...first.shape];
  // a turn may begin within a byte
  if (sharesBytes(first.dtype))
    return packed(
      first.dtype,
      list.flatMap((tensor) => [...patternsOf(tensor as ITensor<SharedType>)]),
      shape,
    );
  const size = first.data.length;
  const data = newArray(first.dtype, size * list.length) as TypedArray;
  list.forEach((tensor, i) => {
    data.set(tensor.data as never, i * size);
  });
  return { dtype: first.dtype, shape, data } as ITensor;
}
