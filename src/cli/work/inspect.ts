import { legalize, usualTarget } from '../../codegen/index.ts';
import { formatBytes } from '../../diagnostics/index.ts';
import { originOf } from '../../importers/index.ts';
import { type Graph, nodesOf } from '../../ir/index.ts';
import { metadataOf } from '../../runtime/index.ts';
import { workOf } from '../command.ts';
import type { inspect } from '../commands/inspect.ts';
import { openSource, type Source } from '../files.ts';

import { accountOf, accountTables, accountText } from '../layer_account.ts';
import { activationZeroPoints, type Layer, layersOf, notGrouped } from '../layers.ts';
import { count, formatTable, named, right } from '../table.ts';
import type { Terminal } from '../terminal.ts';

export const work = workOf<typeof inspect>()({
  async run({ model, ...values }, terminal) {
    const source = await openSource(model, values, terminal);
    const { graph } = source;
    return {
      file: model,
      format: source.kind,
      bytes: source.bytes.length,
      ...producerOf(graph),
      ...(terminal.told.profile !== undefined && { profile: terminal.told.profile }),
      inputs: metadataOf(graph, graph.inputs),
      outputs: metadataOf(graph, graph.outputs),
      operators: operatorsOf(graph),
      unsupported: graph.origin?.unsupported ?? [],
      ...quantizationOf(source),
    };
  },
  format(r, terminal) {
    const title = (text: string) => terminal.paint('bold', text);
    const about = [
      formatNames[r.format],
      formatBytes(r.bytes),
      ...(r.producer ? [`made by ${r.producer}`] : []),
      ...(r.profile ? [`arithmetic of ${r.profile}`] : []),
    ];
    const types = (values: typeof r.inputs) =>
      formatTable(
        [named('name'), 'type', 'dims'],
        values.map(({ name, type, dims }) => [name, type, `[${dims.join(', ')}]`]),
      );
    const operators = formatTable(
      ['operator', right('count')],
      r.operators.map(({ operator, count: n }) => [operator, n]),
    );
    const sections = [
      `${title(r.file)}: ${about.join(', ')}`,
      `${title('Inputs')}\n${types(r.inputs)}`,
      `${title('Outputs')}\n${types(r.outputs)}`,
      `${title('Operators')}\n${operators}`,
      ...quantizationText(r, terminal),
      unsupportedText(r.unsupported, r.format, terminal),
    ];
    return sections.join('\n\n');
  },
});

const formatNames = {
  onnx: 'ONNX',
  torch: 'PyTorch archive',
  tflite: 'TensorFlow Lite',
  ir: 'textual IR',
  compiled: 'compiled model',
} as const;

function producerOf(graph: Graph): { producer?: string; opsets?: Record<string, number> } {
  const file = originOf(graph)?.file;
  if (file === undefined) return {};
  const producer = [file.producerName, file.producerVersion].filter((part) => part !== '').join(' ');
  const opsets = Object.fromEntries([...file.opsets].map(([domain, version]) => [domain || 'ai.onnx', version]));
  return { producer, opsets };
}

/** Counts operators by their names in the model, or by their names in the IR when the model was not an ONNX file. */
function operatorsOf(graph: Graph): { operator: string; count: number }[] {
  const names =
    originOf(graph)?.file.graph.nodes.map(({ domain, opType }) => (domain === '' ? opType : `${domain}.${opType}`)) ??
    nodesOf(graph).map(({ op }) => op);
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([operator, n]) => ({ operator, count: n })).sort((a, b) => b.count - a.count);
}

function quantizationOf({ graph, compiled }: Source) {
  if (compiled !== undefined) {
    const { target, certificate, strategies } = compiled;
    const corrected = strategies.map(({ layer, chosen }) => ({ layer, way: chosen }));
    return { compiled: { target, verdict: certificate.verdict, corrected }, layers: [], notGrouped: [] };
  }
  const { quantized, misses, remaining } = legalize(graph, { target: usualTarget, verify: false });
  return {
    account: accountOf(graph, { quantized, remaining }),
    activations: activationZeroPoints(graph),
    layers: layersOf(quantized),
    notGrouped: notGrouped(quantized, misses),
  };
}

function quantizationText(r: ReturnType<typeof quantizationOf>, terminal: Terminal): string[] {
  const title = (text: string) => terminal.paint('bold', text);
  if (r.compiled !== undefined) {
    const { target, verdict, corrected } = r.compiled;
    const text = `for ${target.name} on ${target.isa}; ${verdict}; ${count(corrected.length, 'layer')} corrected`;
    return [`${title('Compiled')}: ${text}`];
  }
  const { total, nonZero } = r.activations ?? { total: 0, nonZero: 0 };
  const integer = r.layers.filter(({ isInteger }) => isInteger).length;
  const summary = [
    `${nonZero} of ${total} activation zero points are not zero`,
    `${integer} of ${count(r.layers.length, 'convolution and matmul', 'convolutions and matmuls')} in integers`,
    ...(r.account ? [accountText(r.account)] : []),
  ].join('; ');
  const texts = [`${title('Quantization')}: ${summary}${r.layers.length === 0 ? '' : `\n${layerTable(r.layers)}`}`];
  if (r.notGrouped.length > 0) {
    const rows = r.notGrouped.map(({ layer, op, reason }) => [layer, op, reason]);
    texts.push(`${title('Left in float')}, because:\n${formatTable([named('layer'), 'operator', 'reason'], rows)}`);
  }
  const carried = r.account ? accountTables({ ...r.account, left: [] }, terminal) : [];
  if (carried.length > 0) texts.push(carried.join('\n'));
  return texts;
}

const layerTable = (layers: readonly Layer[]): string =>
  formatTable(
    [named('layer'), 'computed as', 'input', 'weights', right('input zp'), right('weights zp'), 'bias'],
    layers.map((l) => [
      l.layer,
      l.op,
      l.input,
      l.weights,
      l.inputZeroPoint,
      l.weightsZeroPoint,
      l.hasBias ? 'yes' : 'no',
    ]),
  );

function unsupportedText(
  unsupported: readonly { value: string; operator: string; reason: string }[],
  format: keyof typeof formatNames,
  terminal: Terminal,
): string {
  if (unsupported.length === 0) return `${terminal.paint('bold', 'Unsupported')}: nothing`;
  const rows = unsupported.map(({ value, operator, reason }) => [operator, value, reason]);
  const table = formatTable(['operator', named('first value'), 'reason'], rows);
  return `${terminal.paint('bold', 'Unsupported')}: ${format === 'onnx' ? 'carried through a rewrite untouched, run by ONNX Runtime where onnxruntime-node is installed' : 'cannot be run'}\n${table}`;
}
