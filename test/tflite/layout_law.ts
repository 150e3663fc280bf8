/** One operator in a model of its own, on a tensor that is held channels last, or channels first. */
import { importTflite } from '../../src/importers/tflite/import.ts';
import type { TfliteProfile } from '../../src/importers/tflite/profiles.ts';
import { type Graph, type ITensor, interpret, isOp, nnTranspose, nodesOf, opaqueOp } from '../../src/ir/index.ts';
import { modelBytes, type OperatorInit, type TensorInit } from './model_writer.ts';

export interface OperatorTest {
  readonly name: string;
  readonly options?: OperatorInit['options'];
  /** The operands in order: a tensor that is fed, or a constant; the quantization of those that have one. */
  readonly operands: readonly (Omit<TensorInit, 'dtype' | 'shape' | 'data'> & {
    readonly value: ITensor;
    readonly isConstant?: boolean;
  })[];
  readonly results: readonly TensorInit[];
}

/** A maximum over windows of one cell: the operand as it is, and held channels first. */
const identity = (input: number, output: number): OperatorInit => ({
  name: 'MAX_POOL_2D',
  inputs: [input],
  outputs: [output],
  options: {
    number: 5,
    fields: [
      [0, 1, 'int8'],
      [1, 1],
      [2, 1],
      [3, 1],
      [4, 1],
    ],
  },
});

const isPooled = ({ dtype, shape }: ITensor): boolean =>
  shape.length === 4 && (dtype === 'f32' || dtype === 'u8' || dtype === 's8');

export interface Answer {
  readonly graph: Graph;
  readonly results: readonly ITensor[];
  /** Transpositions in the graph. */
  readonly moves: number;
}

/** Imports and interprets the model, operands of four axes being held in the given layout. */
export function answerOf(
  { name, options, operands, results }: OperatorTest,
  layout: 'last' | 'first',
  profile: TfliteProfile = 'tflite',
): Answer {
  const tensors: TensorInit[] = operands.map(({ value, isConstant = false, ...quantization }) => ({
    dtype: value.dtype,
    shape: value.shape,
    ...quantization,
    ...(isConstant && { data: value }),
  }));
  const fed = operands.flatMap(({ isConstant }, i) => (isConstant ? [] : [i]));
  const before: OperatorInit[] = [];
  const inputs = operands.map(({ value, isConstant }, i) => {
    if (isConstant || layout === 'last' || !isPooled(value)) return i;
    tensors.push({ ...tensors[i] });
    before.push(identity(i, tensors.length - 1));
    return tensors.length - 1;
  });
  const outputs = results.map((_, i) => tensors.length + i);
  const operator = { name, inputs, outputs, ...(options && { options }) };
  const bytes = modelBytes({
    tensors: [...tensors, ...results],
    inputs: fed,
    outputs,
    operators: [...before, operator],
  });
  const graph = importTflite(bytes, { profile });
  const carried = nodesOf(graph).find((node) => isOp(node, opaqueOp));
  if (carried) throw new Error(`carried: ${graph.origin?.unsupported[0]?.reason}`);
  const feeds = Object.fromEntries(fed.map((i) => [`t${i}`, operands[i].value]));
  const answers = interpret(graph, feeds);
  const moves = nodesOf(graph).filter((node) => isOp(node, nnTranspose)).length;
  return { graph, results: graph.outputs.map((id) => answers[id]), moves };
}
