/** A model that returns more of its values. */
import { field, join } from './bytes.ts';

const GRAPH_OF_MODEL = 7;
const OUTPUT_OF_GRAPH = 12;
const NAME_OF_VALUE = 1;

/** Two encodings of one message in a row mean both together: the second one adds outputs, of inferred types. */
export function withOutputs(model: Uint8Array, names: readonly string[]): Uint8Array {
  const text = new TextEncoder();
  const outputs = names.flatMap((name) => field(OUTPUT_OF_GRAPH, field(NAME_OF_VALUE, [text.encode(name)])));
  return join([model, ...field(GRAPH_OF_MODEL, outputs)], {});
}
