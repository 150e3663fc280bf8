/**
 * Packed weights as PyTorch serializes them: the state of `__torch__.torch.classes.quantized.*`, in every version, and
 * the results of the `prepack` operators.
 */
import { fail, type Location } from '../../../diagnostics/index.ts';
import { type PickleObject, TorchTensor } from '../../../formats/torch/index.ts';
import { type PackedConv, PackedWeights, type TorchValue } from '../values.ts';

export const isPackedClass = (name: string): boolean => name.startsWith('__torch__.torch.classes.');

const CONV = /^__torch__\.torch\.classes\.quantized\.Conv[123]dPackedParamsBase$/;
const LINEAR = '__torch__.torch.classes.quantized.LinearPackedParamsBase';

/** @throws UnskewError U1004 for a state of an unknown version, U2008 for an unknown class */
export function packedOf({ className, state }: PickleObject, where: Location): PackedWeights {
  const refuse = (why: string): never => fail('U1004', `the packed weights of ${className} ${why}`, where);
  if (!Array.isArray(state)) return refuse('have no state');
  if (className === LINEAR) return linear(state, refuse);
  if (className === EMBEDDING) return embedding(state, refuse);
  if (CONV.test(className)) return conv(state, refuse);
  return fail('U2008', `objects of the class ${className} are not supported`, where);
}

const EMBEDDING = '__torch__.torch.classes.quantized.EmbeddingPackedParamsBase';

type Refuse = (why: string) => never;

/** (weight, bias) */
function linear([weight, bias]: readonly TorchValue[], refuse: Refuse): PackedWeights {
  if (!(weight instanceof TorchTensor)) return refuse('have no weight');
  return new PackedWeights(weight, biasOf(bias, refuse));
}

/** (version, [weight], [], [bits]) */
function embedding([, weights]: readonly TorchValue[], refuse: Refuse): PackedWeights {
  const [weight] = Array.isArray(weights) ? weights : [];
  return weight instanceof TorchTensor ? new PackedWeights(weight, undefined) : refuse('have no weight');
}

function biasOf(bias: TorchValue | undefined, refuse: Refuse): TorchTensor | undefined {
  if (bias === null || bias === undefined) return undefined;
  return bias instanceof TorchTensor ? bias : refuse('have a bias that is not a tensor');
}

/**
 * version 3: (3, [spatial axes, stride…, padding…, dilation…, output padding…, groups, flags], [None, weight, bias])
 * version 2: ('2', [the same without flags but with `transpose`, as a tensor; weight], [bias])
 * version 1: (weight, bias, [stride], [padding], [dilation], groups), the numbers as tensors of one element
 */
function conv(state: readonly TorchValue[], refuse: Refuse): PackedWeights {
  const [version, second, third] = state;
  const list = (value: TorchValue): readonly TorchValue[] => (Array.isArray(value) ? value : refuse('lack a list'));
  if (version instanceof TorchTensor) return firstVersion(version, state.slice(1), refuse);
  const isThird = Number(version) === 3;
  if (!isThird && Number(version) !== 2) return refuse(`are of the unknown version ${String(version)}`);
  const [first, weight, last] = list(isThird ? third : second);
  const config = isThird ? list(second).map(Number) : numbersOf(first, refuse);
  const bias = isThird ? last : list(third)[0];
  if (!(weight instanceof TorchTensor)) return refuse('have no weight');
  return new PackedWeights(weight, biasOf(bias, refuse), geometryOf(config, weight, refuse));
}

const numbersOf = (value: TorchValue, refuse: Refuse): readonly number[] =>
  value instanceof TorchTensor && value.count <= 64 ? value.numbers() : refuse('have no configuration');

function geometryOf(config: readonly number[], weight: TorchTensor, refuse: Refuse): PackedConv {
  const [rank] = config;
  if (config.length !== 4 * rank + 3)
    return refuse(`have a configuration of ${config.length} numbers for ${rank} axes`);
  const part = (i: number) => config.slice(1 + i * rank, 1 + (i + 1) * rank);
  const [groups, flags] = config.slice(1 + 4 * rank);
  return checked(
    {
      stride: part(0),
      padding: part(1),
      dilation: part(2),
      outputPadding: part(3),
      groups,
      transposed: (flags & 1) === 1,
    },
    weight,
    refuse,
  );
}

function firstVersion(weight: TorchTensor, rest: readonly TorchValue[], refuse: Refuse): PackedWeights {
  const [bias, stride, padding, dilation, groups] = rest;
  const ints = (value: TorchValue): readonly number[] =>
    (Array.isArray(value) ? value : refuse('lack a list')).map((item) =>
      typeof item === 'number' ? item : numbersOf(item, refuse)[0],
    );
  const geometry: PackedConv = {
    stride: ints(stride),
    padding: ints(padding),
    dilation: ints(dilation),
    outputPadding: ints(stride).map(() => 0),
    groups: ints([groups])[0],
    transposed: false,
  };
  return new PackedWeights(weight, biasOf(bias, refuse), checked(geometry, weight, refuse));
}

function checked(conv: PackedConv, weight: TorchTensor, refuse: Refuse): PackedConv {
  const rank = weight.shape.length - 2;
  const { stride, padding, dilation, outputPadding, groups } = conv;
  for (const list of [stride, padding, dilation, outputPadding])
    if (list.length !== rank) refuse(`have lists of ${list.length} for ${rank} spatial axes`);
  const isCount = (n: number) => Number.isSafeInteger(n) && n >= 0 && n < 2 ** 31;
  if (![...stride, ...padding, ...dilation, ...outputPadding, groups].every(isCount) || groups < 1)
    refuse('have a number that is negative or no integer');
  return conv;
}

/** ops.quantized.conv2d_prepack(weight, bias, stride, padding, dilation, groups) and its kin; undefined for other names. */
export function prepack(name: string, args: readonly TorchValue[], where: Location): PackedWeights | undefined {
  const match = /^quantized::(conv(_transpose)?[123]d|linear|embedding_bag)_prepack(_fp16)?$/.exec(name);
  if (match === null) return undefined;
  const refuse = (why: string): never => fail('U1004', `the weights given to ${name} ${why}`, where);
  const [weight, bias, ...rest] = args;
  if (!(weight instanceof TorchTensor)) return refuse('are not a stored tensor');
  if (match[1] === 'linear') return linear([weight, bias], refuse);
  if (match[1] === 'embedding_bag') return new PackedWeights(weight, undefined);
  const isTransposed = match[2] !== undefined;
  const rank = Math.max(1, weight.shape.length - 2);
  // a module of one spatial axis may hold its numbers as pairs, of which the last counts
  const ints = (list: TorchValue | undefined): readonly number[] =>
    Array.isArray(list)
      ? list.slice(-rank).map((n) => (typeof n === 'number' ? n : Number.NaN))
      : refuse('lack a list of numbers');
  const groups = rest.at(-1);
  const [stride, padding] = [ints(rest[0]), ints(rest[1])];
  const [outputPadding, dilation] = isTransposed
    ? [ints(rest[2]), ints(rest[3])]
    : [stride.map(() => 0), ints(rest[2])];
  const geometry = { stride, padding, dilation, outputPadding, groups: Number(groups), transposed: isTransposed };
  return new PackedWeights(weight, biasOf(bias, refuse), checked(geometry, weight, refuse));
}
