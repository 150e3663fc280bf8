/** The compiler as a browser has it: rewrites a model and reports the result. */

import { legalize } from '../../src/codegen/legalize.ts';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { importBytes } from '../../src/importers/import_model.ts';
import { interpret, numbersOf, print } from '../../src/ir/index.ts';
import { feedsOf } from '../../src/testing/feeds.ts';

/** Plain data, which survives a message as JSON. */
export async function rewritten(bytes: Uint8Array) {
  const { graph, certificate } = legalize(await importBytes(bytes, {}));
  const results = interpret(graph, feedsOf(graph, { pattern: 'random', seed: 665 }));
  return {
    text: print(graph),
    certificate,
    exported: [...exportOnnx(graph)],
    results: Object.fromEntries(Object.entries(results).map(([name, value]) => [name, numbersOf(value).map(String)])),
  };
}
