import { formatBytes } from '../../diagnostics/index.ts';
import { exportOnnx } from '../../exporters/index.ts';
import { guarded, type StrategyReport } from '../../passes/index.ts';
import { workOf } from '../command.ts';
import type { rewrite } from '../commands/rewrite.ts';
import { compareFiles } from '../compare_files.ts';
import { inputsOf, openSource, writeOutput } from '../files.ts';
import { withShapes } from '../inputs.ts';
import { accountTables, accountText, leftText, placeOf } from '../layer_account.ts';
import { readBackOnnx } from '../read_back.ts';
import { shownPath } from '../read_input.ts';
import { rewriteGraph } from '../rewriting.ts';
import { onnxModelOf } from '../sides.ts';
import { count, formatPairs, formatTable, named } from '../table.ts';
import { STANDARD_STREAM } from '../terminal.ts';
import { UsageError } from '../usage_error.ts';
import { verdictText } from '../verdict.ts';
import { adviseOnExternal, externalFiles, operatorChanges } from '../written_model.ts';

export const work = workOf<typeof rewrite>()({
  async run(values, terminal) {
    const { model, output } = values;
    if (output === undefined) throw new UsageError('--output is missing', 'name the file to write: -o FILE');
    if (output === STANDARD_STREAM) terminal.claimStdout();
    terminal.progress(`reading ${shownPath(model)}`);
    const source = await openSource(model, values, terminal);
    if (source.compiled !== undefined)
      throw new UsageError(`${model} is compiled already`, 'rewrite the model that it was compiled from');
    const { graph, reference, certificate, strategies, account, passes } = await rewriteGraph(
      withShapes(source.graph, values),
      values,
      terminal,
      { inputs: inputsOf(source), outputs: [output] },
    );
    terminal.progress(`writing ${output}`);
    const bytes = guarded(graph, { name: 'export', replay: ['rewrite', '-o out.onnx'] }, {}, () => exportOnnx(graph));
    const written = await readBackOnnx(bytes, graph, inputsOf(source)[0]);
    await writeOutput(output, bytes, terminal, { inputs: inputsOf(source) });
    const external = externalFiles(source.graph);
    adviseOnExternal(external, model, output, terminal);
    const checks =
      values.check === undefined
        ? []
        : await compareFiles(
            {
              graphs: [reference, written],
              original: withShapes(source.graph, values),
              models: [
                source.kind === 'onnx' ? onnxModelOf(source) : undefined,
                external.length === 0 ? bytes : output === STANDARD_STREAM ? undefined : output,
              ],
              seeds: Array.from({ length: values.check }, (_, i) => i + 1),
            },
            terminal,
          );
    return {
      file: model,
      output,
      bytes: bytes.length,
      target: values.target,
      verdict: certificate.verdict,
      bounds: boundsOf(certificate.entries),
      grouped: {
        nodes: certificate.grouping.length,
        bounds: boundsOf(certificate.grouping),
        leftInFloat: certificate.grouping.flatMap(({ layer, bodyOf, onnxruntime }) =>
          onnxruntime === undefined ? [] : [{ layer, ...(bodyOf && { bodyOf }), why: onnxruntime }],
        ),
      },
      corrected: waysOf(strategies),
      layers: strategies.map(({ layer, bodyOf, chosen, insteadOf }) => ({
        layer,
        ...(bodyOf && { bodyOf }),
        way: chosen,
        ...(insteadOf && { insteadOf }),
      })),
      ...(account && { account }),
      operators: operatorChanges(source.graph, bytes),
      externalData: external,
      passes,
      checks,
    };
  },
  failed: ({ checks, account }) => checks.some(({ agrees }) => !agrees) || account?.reached === false,
  format(r, terminal) {
    const left = leftText(r.account);
    const ways = Object.entries(r.corrected).map(([way, layers]) => `${layers} by ${way}`);
    const changes = (sign: 1 | -1) =>
      Object.entries(r.operators)
        .flatMap(([op, n]) => (n * sign > 0 ? [`${Math.abs(n)} ${op}`] : []))
        .join(', ') || 'nothing';
    const summary = formatPairs([
      ['written', `${r.output}, ${formatBytes(r.bytes)}`],
      ...(r.account ? [['layers', accountText(r.account)] as const] : []),
      ['grouped', `${count(r.grouped.nodes, 'node')} read as integer arithmetic`],
      ...groupedText(r.grouped).map((line): [string, string] => ['', line]),
      ['corrected', ways.length > 0 ? ways.join(', ') : left ? 'no layer' : 'no layer had a zero point'],
      ...insteadText(r.layers).map((line): [string, string] => ['', line]),
      ...(left ? [['left', left] as const] : []),
      [
        'verdict',
        `${r.verdict}${left ? ', for the corrected layers' : ''}${r.verdict === 'bit-exact' ? VERDICT_COVERS : ''}`,
      ],
      ...r.bounds.map((bound): [string, string] => ['', `within ${bound}`]),
      ['dropped', changes(-1)],
      ['added', changes(1)],
    ]);
    const layers = formatTable(
      [named('layer'), 'corrected by'],
      r.layers.map(({ way, ...layer }) => [placeOf(layer), way]),
    );
    return [
      summary,
      ...(terminal.verbose ? [`\n${layers}\n`] : []),
      ...(r.account ? accountTables(r.account, terminal) : []),
      ...r.checks.map((verdict) => verdictText(verdict, terminal)),
    ].join('\n');
  },
});

/** Limits the verdict when a bound of the grouping is printed above it. */
const VERDICT_COVERS = ': no correction changes an integer of the grouped graph';

/** Prints the bounds of the grouping, and counts the groups that ONNX Runtime computes in float, by reason. */
function groupedText({
  bounds,
  leftInFloat,
}: {
  readonly bounds: readonly string[];
  readonly leftInFloat: readonly { readonly why: string }[];
}): string[] {
  const reasons = new Map<string, number>();
  for (const { why } of leftInFloat) reasons.set(why, (reasons.get(why) ?? 0) + 1);
  return [
    ...(bounds.length > 0 ? [`which may differ from the float operators of the file by ${bounds.join('; ')}`] : []),
    ...[...reasons].map(
      ([why, n]) =>
        `${n} of them onnxruntime computes in float, so that its integers may differ within that bound: ${why}`,
    ),
  ];
}

/** Counts the layers that could not use the strategy that was asked for, by reason. */
function insteadText(layers: readonly Pick<StrategyReport, 'insteadOf'>[]): string[] {
  const reasons = new Map<string, number>();
  for (const { insteadOf } of layers) {
    if (insteadOf === undefined) continue;
    const text = `not by ${insteadOf.way}: ${insteadOf.reason}`;
    reasons.set(text, (reasons.get(text) ?? 0) + 1);
  }
  return [...reasons].map(([text, n]) => `${count(n, 'layer')} ${text}`);
}

/** Layers by the way in which their zero point was corrected. */
function waysOf(strategies: readonly { readonly chosen: string }[]): Record<string, number> {
  const ways: Record<string, number> = {};
  for (const { chosen } of strategies) if (chosen !== 'none') ways[chosen] = (ways[chosen] ?? 0) + 1;
  return ways;
}

const boundsOf = (entries: readonly { readonly exactness: 'bit-exact' | { readonly bound: string } }[]): string[] => [
  ...new Set(entries.flatMap(({ exactness }) => (exactness === 'bit-exact' ? [] : exactness.bound.split('; ')))),
];
