/**
 * unskew: quantized networks with zero points in, exact symmetric int8 execution out.
 *
 *   const graph  = await importModel('m.onnx');
 *   const result = legalize(graph, { target: 'symmetric' });
 *   const bytes  = exportOnnx(result.graph);
 *   const model  = await compile(graph, { threads: 2 });
 *   const out    = await model.run({ x: new Tensor('uint8', data, [1, 3, 32, 32]) });
 */

import { type Graph, interpret as interpretGraph, type TensorLike } from './ir/index.ts';
import { toFeeds } from './runtime/index.ts';
import { type Tensor, toPublic } from './tensors/index.ts';

export type { TargetDescription as Target } from './codegen/index.ts';
export { type LegalizeOptions, legalize } from './codegen/index.ts';
export {
  type Code,
  codes,
  type Diagnostic,
  formatDiagnostic,
  InternalError,
  type Location,
  UnskewError,
} from './diagnostics/index.ts';
export { exportOnnx } from './exporters/index.ts';
export type { ImportOptions } from './importers/index.ts';
export {
  type Graph,
  type Node,
  type PrintOptions,
  parse,
  print,
  type TensorLike,
  type TensorType,
  verify,
} from './ir/index.ts';
export type {
  Certificate,
  CertificateEntry,
  LegalizeResult,
  Miss,
  RemainingZeroPoint,
  Strategy,
  StrategyName,
  StrategyReport,
  WayReport,
} from './passes/index.ts';
export { type Obligation, type Witness, type WitnessInput, witnessFeeds } from './proofs/index.ts';
export type { ValueMetadata } from './runtime/index.ts';
export { type CompileOptions, compile, type Feed, importModel, type Model } from './runtime/index.ts';
export { Tensor } from './tensors/index.ts';

/**
 * Evaluates a graph by the meaning of its operators, without the addon.
 *
 * @param feeds a tensor for every input of the graph, by name
 * @returns a tensor for every output, by name
 * @throws UnskewError (as a rejection) U4001 for a feed that does not fit, U2008 for an operator that cannot be run
 */
export async function interpret(
  graph: Graph,
  feeds: Readonly<Record<string, TensorLike>>,
): Promise<Record<string, Tensor>> {
  const results = interpretGraph(graph, toFeeds(feeds));
  return Object.fromEntries(Object.entries(results).map(([name, value]) => [name, toPublic(value)]));
}
