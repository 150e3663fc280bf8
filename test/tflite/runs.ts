/** Runs of a model one after the other, each fed the state that the one before it left. */
import { type DType, type Graph, type ITensor, sizeOf, type TensorType, tensor, valueId } from '../../src/ir/index.ts';

type Tensors = Readonly<Record<string, ITensor>>;

const stateOf = (graph: Graph) => graph.origin?.state ?? [];

/** The state before the first run, as feeds. */
export const startOf = (graph: Graph): Tensors =>
  Object.fromEntries(
    stateOf(graph).map(({ input, start }) => {
      const { dtype, shape } = graph.values[valueId(input)].type as TensorType<DType> & { shape: readonly number[] };
      const values = Array<number>(sizeOf(shape)).fill(start);
      return [input, tensor(dtype, values, shape)];
    }),
  );

/** The state that results leave, as feeds. */
export const nextOf = (graph: Graph, results: Tensors): Tensors =>
  Object.fromEntries(stateOf(graph).map(({ input, output }) => [input, results[output]]));

/** The results of every run; `inputs` are those of each beside the state. */
export async function runsOf(
  graph: Graph,
  inputs: readonly Tensors[],
  run: (feeds: Tensors) => Promise<Tensors>,
): Promise<Tensors[]> {
  const all: Tensors[] = [];
  let state = startOf(graph);
  for (const given of inputs) {
    const results = await run({ ...given, ...state });
    state = nextOf(graph, results);
    all.push(results);
  }
  return all;
}
