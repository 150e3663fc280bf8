import { availableParallelism } from 'node:os';
import { defaultTarget, type TargetDescription, type TargetName, targetFor } from '../../codegen/index.ts';
import { factorsOf, type Graph, type Node, nodesOf, readerOf, typeOf } from '../../ir/index.ts';
import {
  legalizeFor,
  type PassTrace,
  type StrategyReport,
  type Target,
  type Way,
  ways,
  weightRules,
} from '../../passes/index.ts';
import { addonAvailable, backends, costsHere, usualBackend } from '../../runtime/index.ts';
import { workOf } from '../command.ts';
import type { strategies } from '../commands/strategies.ts';
import { openSource } from '../files.ts';
import { withShapes } from '../inputs.ts';
import { accountOf, accountTables, accountText, type LayerAccount, leftText, placeOf } from '../layer_account.ts';
import { formatMeasured, type MeasuredModel, measureModel } from '../measured_strategies.ts';
import { count, formatTable, named, right } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { UsageError } from '../usage_error.ts';

export const work = workOf<typeof strategies>()({
  async run(values, terminal) {
    const { graph, compiled } = await openSource(values.model, values, terminal);
    if (compiled !== undefined) {
      if (values.measure !== undefined)
        throw new UsageError(`${values.model} is compiled already: its ways are chosen`, 'measure the model it is of');
      return resultOf(values.model, compiled.target, 'compiled', compiled.strategies);
    }
    const given = withShapes(graph, values);
    const { machine, backend } = backendFor(values);
    const target = targetFor(machine, backend);
    const { costs } = target;
    const { strategy } = values;
    const legal = legalizeFor(given, target, { ...(strategy && { strategy }), onProof: terminal.proving });
    const weights = [...weightsOf(legal.trace), ...weightsLeft(legal.graph, target)];
    const account = accountOf(given, legal);
    const result = { ...resultOf(values.model, machine, costs.origin, legal.strategies), weights, account };
    if (values.measure === undefined) return result;
    const keep = !values.ignoreMeasured;
    return {
      ...result,
      measured: measureModel(
        legal.quantized,
        { target, backend, threads: machine.threads, rounds: values.measure, keep },
        terminal,
      ),
    };
  },
  failed: ({ target, account }) => target === 'symmetric' && account?.reached === false,
  format({ layers, ways: summary, target, costs, measured: found, weights = [], account }, terminal) {
    const ofWeights = weightsText(weights, terminal);
    const ofFile = account
      ? ['', `${terminal.paint('bold', 'Layers')}: ${accountText(account)}`, ...accountTables(account, terminal)]
      : [];
    const none = leftText(account) === undefined ? '' : ' that a way is known for';
    if (layers.length === 0)
      return [`No layer has a zero point of its input to correct${none}.`, ...ofWeights, ...ofFile].join('\n');
    const names = namesOf(layers);
    const table = formatTable(
      [named('layer'), 'operator', 'chosen', ...names.map(right)],
      layers.map((l) => [placeOf(l), l.op, l.chosen, ...names.map((name) => costOf(l, name))]),
    );
    const totals = formatTable(
      ['way', right('legal'), right('chosen'), 'exact', 'computes'],
      summary.map((s) => [s.way, s.legal, s.chosen, s.exactness, s.doc]),
    );
    return [
      `${terminal.paint('bold', 'Costs')} for the target ${target} (${costs}); a way without a cost is not legal for the layer`,
      table,
      '',
      `${terminal.paint('bold', 'Ways')}, of ${count(layers.length, 'layer')}`,
      totals,
      ...reasonTexts(layers, terminal),
      ...ofWeights,
      ...ofFile,
      ...(found ? ['', formatMeasured(found, terminal)] : []),
    ].join('\n');
  },
});

interface Result {
  readonly file: string;
  readonly target: TargetName;
  readonly isa: TargetDescription['isa'];
  readonly threads: number;
  /** The source of the predicted costs. */
  readonly costs: string;
  readonly layers: readonly StrategyReport[];
  readonly ways: ReturnType<typeof summaryOf>;
  /** The rules that corrected weights, in order, then the layers whose kernel takes them; not of compiled models. */
  readonly weights?: readonly WeightCorrection[];
  /** The layers of the file, compared with the layers that were read and corrected; not of compiled models. */
  readonly account?: LayerAccount;
  readonly measured?: MeasuredModel;
}

interface WeightCorrection {
  readonly layer: string;
  readonly rule: string;
}

const resultOf = (
  file: string,
  target: TargetDescription,
  costs: string,
  layers: readonly StrategyReport[],
): Result => ({
  file,
  target: target.name,
  isa: target.isa,
  threads: target.threads,
  costs,
  layers,
  ways: summaryOf(layers),
});

interface Wanted {
  readonly target: TargetName;
  readonly threads: number | undefined;
  readonly measure: number | undefined;
  readonly ignoreMeasured: boolean;
}

/** The back end for this machine when its addon can be loaded; otherwise for a machine with VNNI. */
function backendFor({ target: name, threads: wanted, measure, ignoreMeasured }: Wanted) {
  const threads = wanted ?? availableParallelism();
  const usual = backends[usualBackend];
  const isHere = measure !== undefined || addonAvailable().available;
  const machine: TargetDescription = { ...(isHere ? usual.here(threads) : { ...defaultTarget(), threads }), name };
  const backend = usual.open(machine, isHere && !ignoreMeasured ? costsHere(usualBackend, threads) : []);
  return { machine, backend };
}

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

const lawOf = new Map(weightRules.map(({ name, law }) => [name, law]));

const weightsOf = (trace: readonly PassTrace[]): WeightCorrection[] =>
  trace
    .flatMap(({ events }) => events)
    .flatMap(({ rule, root, loc }) => (lawOf.has(rule) ? [{ layer: loc.node ?? root, rule }] : []));

/** The law of a product whose kernel takes the weights as they are. */
const LEFT = 'native';
const lawOfLeft = 'qconv(x, w; zx, zw) as it is: our kernel multiplies by w − zw';

const weightsLeft = (graph: Graph, target: Target): WeightCorrection[] =>
  nodesOf(graph).flatMap((node) =>
    target.takesZeroPoints?.(node, readerOf(graph)) && hasOpenWeights(graph, node)
      ? [{ layer: node.loc.node ?? node.id, rule: LEFT }]
      : [],
  );

function hasOpenWeights(graph: Graph, node: Node): boolean {
  const factors = factorsOf(node);
  return factors !== undefined && (factors.zw !== undefined || typeOf(graph, factors.w).dtype === 'u8');
}

/** Zero points of weights: no choice is made there, so they have no costs. */
function weightsText(weights: readonly WeightCorrection[], { verbose, paint }: Terminal): string[] {
  if (weights.length === 0) return [];
  const title = `\n${paint('bold', 'Weights')}, whose zero points are corrected first:`;
  if (verbose)
    return [
      title,
      formatTable(
        [named('layer'), 'rule'],
        weights.map(({ layer, rule }) => [layer, rule]),
      ),
    ];
  const rules = [...new Set(weights.map(({ rule }) => rule))];
  return [
    title,
    formatTable(
      ['rule', right('times'), 'law'],
      rules.map((name) => [
        name,
        weights.filter(({ rule }) => rule === name).length,
        name === LEFT ? lawOfLeft : (lawOf.get(name) ?? ''),
      ]),
    ),
  ];
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
        [named('layer'), 'way', 'reason'],
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
