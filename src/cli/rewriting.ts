/** The part that `rewrite` and `opt` share: they run a pipeline and report on it. */

import { legalize, resolveTarget, type TargetName } from '../codegen/index.ts';
import type { Diagnostic } from '../diagnostics/index.ts';
import { formatDiagnostic } from '../diagnostics/index.ts';
import { type Graph, print } from '../ir/index.ts';
import {
  type Certificate,
  certificateOf,
  claimsOf,
  type PassTrace,
  runPipeline,
  type Strategy,
  type StrategyReport,
} from '../passes/index.ts';
import { type Besides, writeOutput } from './files.ts';
import { accountOf, type LayerAccount } from './layer_account.ts';
import { makePasses } from './named_passes.ts';
import type { PassEntry } from './pass_list.ts';
import { readBackIr } from './read_back.ts';
import { formatTable, right } from './table.ts';
import { STANDARD_STREAM, type Terminal } from './terminal.ts';

export interface RewritingValues {
  readonly target: TargetName;
  readonly strategy: Strategy | undefined;
  readonly passes: readonly PassEntry[] | undefined;
  readonly printIrAfterChange: boolean;
  readonly timing: boolean;
  readonly emitIr: string | undefined;
}

export interface Rewritten {
  readonly graph: Graph;
  /** The graph that `graph` must equal. */
  readonly reference: Graph;
  readonly certificate: Certificate;
  readonly strategies: readonly StrategyReport[];
  /**
   * The zero points that are left; undefined when the user listed the passes, which promise nothing about zero points.
   */
  readonly account: LayerAccount | undefined;
  readonly passes: readonly { readonly pass: string; readonly milliseconds: number; readonly rewrites: number }[];
}

/** Legalizes, or runs the passes that were asked for. */
export async function rewriteGraph(
  graph: Graph,
  values: RewritingValues,
  terminal: Terminal,
  files: Besides,
): Promise<Rewritten> {
  if (values.emitIr === STANDARD_STREAM) terminal.claimStdout();
  const strategy = values.strategy ?? 'auto';
  const afterPass = (pass: { readonly name: string }, after: Graph): void => {
    terminal.progress(`after ${pass.name}`);
    if (values.printIrAfterChange)
      terminal.error(`// after ${pass.name}\n${print(after, { elideConstants: true, locations: false })}`);
  };
  const result =
    values.passes === undefined
      ? legalized(graph, { target: values.target, strategy, afterPass, onProof: terminal.proving })
      : runListed(graph, values.passes, { target: values.target, strategy, afterPass });
  const passes = result.trace.map(({ pass, milliseconds, events }) => ({
    pass,
    milliseconds,
    rewrites: events.length,
  }));
  if (values.timing) terminal.error(timingTable(passes));
  for (const note of result.notes) terminal.note(formatDiagnostic(note));
  if (values.emitIr !== undefined) {
    const ir = print(result.graph);
    readBackIr(ir, result.graph);
    await writeOutput(values.emitIr, ir, terminal, files);
  }
  return { ...result, passes };
}

interface Request {
  readonly target: TargetName;
  readonly strategy: Strategy;
  readonly afterPass: (pass: { readonly name: string }, graph: Graph) => void;
  readonly onProof?: Terminal['proving'];
}

type Outcome = Omit<Rewritten, 'passes'> & {
  readonly trace: readonly PassTrace[];
  readonly notes: readonly Diagnostic[];
};

function legalized(graph: Graph, request: Request): Outcome {
  const { quantized, ...result } = legalize(graph, request);
  const { remaining } = result;
  return { ...result, reference: quantized, account: accountOf(graph, { quantized, remaining }) };
}

function runListed(graph: Graph, list: readonly PassEntry[], { strategy, ...request }: Request): Outcome {
  const strategies: StrategyReport[] = [];
  const target = resolveTarget(request.target);
  const passes = makePasses(list, { target, strategy, report: (entry) => strategies.push(entry) });
  const result = runPipeline(graph, passes, { target, afterPass: request.afterPass });
  const certificate = certificateOf(result.graph, claimsOf(result.graph, [], result.trace));
  return { ...result, reference: graph, certificate, strategies, account: undefined };
}

const timingTable = (passes: Rewritten['passes']): string =>
  formatTable(
    ['pass', right('ms'), right('rewrites')],
    [
      ...passes.map((p) => [p.pass, p.milliseconds.toFixed(2), p.rewrites]),
      [
        'total',
        passes.reduce((sum, p) => sum + p.milliseconds, 0).toFixed(2),
        passes.reduce((sum, p) => sum + p.rewrites, 0),
      ],
    ],
  );
