import { type ITensor, tensor } from '../../tensors/index.ts';
import { attr, type BodyGraph, defineOp, tensorOf, variadic } from '../define_op.ts';
import { isStatic, type TensorType } from '../types.ts';
import { anything, capturedFeeds, checkBody, everyType, follow, resultTypes, type Steps, stacked } from './control.ts';

/** The inputs of a body before the carried values: the count of turns before, and the condition. */
const OWN = 2;

/** A graph that runs again and again. */
export const controlLoop = defineOp({
  name: 'control.loop',
  doc: 'Runs the graph `body` while `cond` is true, at most `trip` times. Its inputs are the count of turns before, the condition, the carried values, which begin as the first operands of `rest`, and captured values by the names in `captures`, the last operands of `rest`. Its outputs are the next condition, the next carried values, and values that are stacked along a new first axis, one of each turn. `results` are the types of the last carried values and of the stacked ones.',
  operands: { trip: tensorOf('s64'), cond: tensorOf('bool'), rest: variadic(anything) },
  attrs: { captures: attr.strings(), body: attr.graph(), results: attr.types() },
  results: { y: everyType },
  traits: ['bodies'],
  infer({ trip, cond, rest }, { captures, body, results }, refuse) {
    for (const [name, { shape }] of Object.entries({ trip, cond }))
      if (shape.some((dim) => typeof dim === 'number' && dim !== 1)) refuse(`'${name}' has one element`, name);
    const types = resultTypes(results, refuse);
    const count = rest.length - captures.length;
    if (count < 0 || count > types.length) refuse(`there are ${count} carried values and ${types.length} results`);
    const carried = rest.slice(0, count);
    if (body.inputs.length < OWN) refuse("the body 'body' takes the count of turns and the condition");
    const [turn, goes] = body.inputs.slice(0, OWN).map((id) => body.values[id]?.type);
    if (turn?.dtype !== 's64' || goes?.dtype !== 'bool' || !isOne(turn) || !isOne(goes))
      refuse("the inputs of the body 'body' begin with the count of turns, s64, and the condition, bool");
    const captured = rest.slice(count);
    const own = [undefined, undefined, ...carried.map((type) => type ?? undefined)];
    const scanned = types.slice(count).map(({ dtype, shape }) => ({ dtype, shape: shape.slice(1) }));
    const outputs = [undefined, ...types.slice(0, count), ...scanned];
    checkBody('body', body, { own, captures, captured, outputs }, refuse);
    const next = body.values[body.outputs[0]]?.type;
    if (next?.dtype !== 'bool' || !isOne(next)) refuse("the first output of the body 'body' is the condition, bool");
    return types;
  },
  evaluate: (tensors, attrs, _types, run) => follow(loopSteps(tensors, attrs), run),
});

const isOne = ({ shape }: TensorType): boolean => shape.every((dim) => typeof dim !== 'number' || dim === 1);

interface Operands {
  readonly trip: ITensor;
  readonly cond: ITensor;
  readonly rest: readonly (ITensor | null)[];
}

/** Runs the body, turn after turn. */
export function* loopSteps(
  { trip, cond, rest }: Operands,
  { captures, body }: { readonly captures: readonly string[]; readonly body: BodyGraph },
): Steps {
  const count = rest.length - captures.length;
  const captured = capturedFeeds(body, captures, rest.slice(count));
  const [turn, goes, ...names] = body.inputs;
  const shapeOf = (id: typeof turn) => {
    const { shape } = body.values[id].type;
    return isStatic(shape) ? shape : shape.map(() => 1);
  };
  const scanned: ITensor[][] = body.outputs.slice(1 + count).map(() => []);
  let carried = rest.slice(0, count) as readonly ITensor[];
  let isGoing = Boolean(cond.data[0]);
  const most = BigInt(trip.data[0]);
  // one object for all turns: a turn begins when the one before it has ended
  const feeds: Record<string, ITensor> = { ...captured, [goes]: tensor('bool', [1], shapeOf(goes)) };
  const turnShape = shapeOf(turn);
  for (let i = 0n; isGoing && i < most; i++) {
    feeds[turn] = tensor('s64', BigInt64Array.of(i), turnShape);
    for (const [at, value] of carried.entries()) feeds[names[at]] = value;
    const [next, ...results] = yield { body: 'body', feeds };
    isGoing = Boolean(next.data[0]);
    carried = results.slice(0, count);
    for (const [at, list] of scanned.entries()) list.push(results[count + at]);
  }
  return [...carried, ...scanned.map((list, at) => stacked(list, body.values[body.outputs[1 + count + at]].type))];
}
