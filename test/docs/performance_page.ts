/** docs/performance.md: the figures of docs/performance.json, which `npm run bench:zoo -- FOLDER --json=docs/performance.json` writes. */
import { readFileSync } from 'node:fs';
import type { EngineFigures, Row, ZooResult } from '../../bench/zoo/row.ts';

const result: ZooResult = JSON.parse(readFileSync(new URL('../../docs/performance.json', import.meta.url), 'utf8'));

const cell = (value: number | undefined, digits: number): string => (value === undefined ? '–' : value.toFixed(digits));

function spread(figures: EngineFigures | undefined): string {
  if (figures === undefined) return '–';
  const [low, middle, high] = figures.ratio;
  return `**${middle.toFixed(2)}** (${low.toFixed(2)}–${high.toFixed(2)})`;
}

const over = (a: number | undefined, b: number | undefined): string =>
  a === undefined || b === undefined ? '–' : (a / b).toFixed(1);

function line({ model, threads, engines, interpreted, difference }: Row): string {
  const { unskew, onnxruntime, openvino } = engines;
  return [
    model,
    threads,
    cell(unskew?.ms, 2),
    cell(onnxruntime?.ms, 2),
    spread(unskew && onnxruntime),
    spread(unskew && openvino),
    over(unskew?.coldMs, onnxruntime?.coldMs),
    over(unskew?.peakKiB, onnxruntime?.peakKiB),
    unskew ? interpreted : '–',
    difference ? difference.floats.toExponential(1) : '–',
  ].join(' | ');
}

const medianOf = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1];

function summary(rows: readonly Row[], engine: 'onnxruntime' | 'openvino', name: string): string {
  const ratios = rows.flatMap(({ engines }) => (engines.unskew && engines[engine] ? [engines[engine].ratio[1]] : []));
  const reached = ratios.filter((ratio) => ratio >= 1).length;
  return `* ${name}: at least as fast on ${reached} of ${ratios.length} rows, the median ratio is ${medianOf(ratios).toFixed(2)}.`;
}

const versionOf = (engine: 'onnxruntime' | 'openvino'): string =>
  result.rows.find(({ engines }) => engines[engine])?.engines[engine]?.version ?? '–';

export function performancePage(): string {
  const { rows, unread } = result;
  const refused = rows.filter(({ refused }) => refused.unskew !== undefined);
  return `# How fast networks run

Made from docs/performance.json by \`npm run docs\`; do not edit. The figures are of one run of
\`PY_ML=PYTHON npm run bench:zoo -- FOLDER --json=docs/performance.json\` on ${result.date}: ${result.machine};
onnxruntime-node ${versionOf('onnxruntime')}, OpenVINO ${versionOf('openvino')}. Each engine has a process of its own, and they take turns. The networks have the
architectures of their names and random weights, as PyTorch's exporters and ONNX Runtime's quantizers write them; batch 1.

* \`qdq-u8s8-channel\`: static, activations u8, weights s8 by channel. \`qdq-u8u8-asymmetric\`: weights u8 with zero points. \`dynamic-u8\`:
  quantize_dynamic with u8 weights.
* A ratio is the time of the other engine divided by ours: above 1 unskew is faster. In brackets the 10th and 90th percentile over rounds.
* cold: from the start of the process to the end of the first run; peak: resident memory. Both are ours divided by ONNX Runtime's: below 1 is
  better.
* interpreted: nodes that run on the interpreter. differ: the largest difference from ONNX Runtime's floats, over the largest float; dynamic
  quantization turns last bits of floats into whole steps.

${summary(rows, 'onnxruntime', 'ONNX Runtime')}
${summary(rows, 'openvino', 'OpenVINO')}

| network | threads | ms | ONNX Runtime ms | ONNX Runtime / ours | OpenVINO / ours | cold | peak | interpreted | differ |
|---|---|---|---|---|---|---|---|---|---|
${rows.map((row) => `| ${line(row)} |`).join('\n')}
${[
  ...refused.map(({ model, refused }) => `\n${model} does not run: ${refused.unskew}`),
  ...Object.entries(unread).map(([model, why]) => `\n${model} is not read: ${why}`),
].join('\n')}
`;
}
