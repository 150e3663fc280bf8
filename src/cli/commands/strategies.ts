import { legalize } from '../../passes/legalize.ts';
import { type StrategyReport, type Way, ways } from '../../passes/strategies.ts';
import { defineCommand } from '../command.ts';
import { openSource } from '../files.ts';
import { withShapes } from '../inputs.ts';
import { modelArgument, profileOption, shapeOption, strategyOption, targetOption } from '../shared_options.ts';
import { count, formatTable, right } from '../table.ts';
import type { Terminal } from '../terminal.ts';

export const strategies = defineCommand({
  name: 'strategies',
  summary: 'Show, layer by layer, the ways to correct a zero point, their costs and the one chosen',
  description: [
    'Costs are relative to the same layer without a zero point, from measurements. A layer whose input has no zero point needs no correction and is not listed.',
  ],
  arguments: { model: modelArgument },
  options: { ...targetOption('onednn'), ...strategyOption, ...shapeOption, ...profileOption },
  examples: [
    { command: 'unskew strategies model.onnx', does: 'what was chosen for each layer, and what it costs' },
    { command: 'unskew strategies model.onnx --target symmetric', does: 'the same where no zero point may remain' },
  ],
  async run(values) {
    const { graph, compiled } = await openSource(values.model, values.profile);
    const { target, strategy } = values;
    const layers =
      compiled?.strategies ?? legalize(withShapes(graph, values), { target, ...(strategy && { strategy }) }).strategies;
    return { file: values.model, target: compiled?.target.name ?? target, layers, ways: summaryOf(layers) };
  },
  format({ layers, ways: summary, target }, terminal) {
    if (layers.length === 0) return 'No layer has a zero point to correct.';
    const names = namesOf(layers);
    const table = formatTable(
      ['layer', 'operator', 'chosen', ...names.map(right)],
      layers.map((l) => [l.layer, l.op, l.chosen, ...names.map((name) => costOf(l, name))]),
    );
    const totals = formatTable(
      ['way', right('legal'), right('chosen'), 'exact', 'what it does'],
      summary.map((s) => [s.way, s.legal, s.chosen, s.exactness, s.doc]),
    );
    return [
      `${terminal.paint('bold', 'Costs')} for the target ${target}; a way without a cost is not legal for the layer`,
      table,
      '',
      `${terminal.paint('bold', 'Ways')}, of ${count(layers.length, 'layer')}`,
      totals,
      ...reasonTexts(layers, terminal),
    ].join('\n');
  },
});

const namesOf = (layers: readonly StrategyReport[]): string[] => [
  ...new Set(layers.flatMap((layer) => layer.ways.map(({ name }) => name))),
];

function costOf({ ways: judged }: StrategyReport, name: string): string {
  const way = judged.find((w) => w.name === name);
  return way?.legal ? way.cost.toFixed(2) : '';
}

function summaryOf(layers: readonly StrategyReport[]) {
  const known = new Map<string, Way>(ways.map((way) => [way.name, way]));
  return namesOf(layers).map((way) => {
    const exactness = known.get(way)?.rule?.exactness ?? 'bit-exact';
    return {
      way,
      legal: layers.filter((layer) => layer.ways.some((w) => w.name === way && w.legal)).length,
      chosen: layers.filter(({ chosen }) => chosen === way).length,
      exactness: typeof exactness === 'string' ? exactness : exactness.bound,
      doc: known.get(way)?.doc ?? '',
    };
  });
}

/** Why ways are not legal: per reason how often, or per layer when everything is to be said. */
function reasonTexts(layers: readonly StrategyReport[], { verbose, paint }: Terminal): string[] {
  const rows = layers.flatMap(({ layer, ways: judged }) =>
    judged.flatMap(({ name, legal, reason }) => (legal ? [] : [{ layer, name, reason: reason ?? '' }])),
  );
  if (rows.length === 0) return [];
  const title = `\n${paint('bold', 'Not legal')}, because:`;
  if (verbose)
    return [
      title,
      formatTable(
        ['layer', 'way', 'reason'],
        rows.map((r) => [r.layer, r.name, r.reason]),
      ),
    ];
  const counts = new Map<string, { name: string; reason: string; layers: number }>();
  for (const { name, reason } of rows) {
    const entry = counts.get(`${name} ${reason}`) ?? { name, reason, layers: 0 };
    counts.set(`${name} ${reason}`, { ...entry, layers: entry.layers + 1 });
  }
  return [
    title,
    formatTable(
      ['way', right('layers'), 'reason'],
      [...counts.values()].map((c) => [c.name, c.layers, c.reason]),
    ),
  ];
}
