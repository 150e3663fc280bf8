import { availableParallelism } from 'node:os';
import { legalize, usualTarget } from '../../codegen/index.ts';
import type { Graph } from '../../ir/index.ts';
import { usualBackend } from '../../runtime/index.ts';
import { checkRewritten, isForOnnxRuntimeAlone } from '../check_rewritten.ts';
import { workOf } from '../command.ts';
import type { check } from '../commands/check.ts';
import { compileSource } from '../compiling.ts';
import { openSource, type Source } from '../files.ts';
import type { withShapes } from '../inputs.ts';
import { compiledSide, interpreterSide, onnxModelOf, onnxRuntimeSide, type Side } from '../sides.ts';
import { sizedGraph } from '../sized.ts';
import type { Terminal } from '../terminal.ts';
import { compareSides, onnxRuntimeClaim, type Verdict, verdictText } from '../verdict.ts';

const RUNS = 3;

export const work = workOf<typeof check>()({
  async run(values, terminal) {
    const source = await openSource(values.model, values, terminal);
    const graph = await sizedGraph(source, values);
    if (isForOnnxRuntimeAlone(graph, values.against))
      return checkRewritten(source, graph, { ...values, seeds: seedsOf(values) }, terminal);
    const legal = source.compiled === undefined ? legalize(graph, { target: usualTarget, verify: false }) : undefined;
    const reference = legal?.quantized ?? graph;
    const grouping = legal?.certificate.grouping ?? [];
    const threads = values.threads ?? availableParallelism();
    const ours = compiledSide(
      compileSource(source, { ...values, backend: [usualBackend] }, graph, terminal),
      reference,
      threads,
      values.kernels,
    );
    const names = values.against.length === 0 ? ['interpreter'] : values.against;
    const seeds = seedsOf(values);
    const verdicts: Verdict[] = [];
    for (const name of names) {
      const other = await sideOf(name, source, { reference, graph }, values, terminal);
      const claims = () => [
        { side: ours, meaning: { graph: other.means ?? reference, engine: 'compiled' as const } },
        ...(name === 'onnxruntime' ? [onnxRuntimeClaim(other.side, graph, grouping)] : []),
      ];
      verdicts.push(await compareSides(other.side, ours, reference, seeds, terminal, { claims }));
      await other.side.dispose();
    }
    return { file: values.model, seeds, agrees: verdicts.every(({ agrees }) => agrees), verdicts };
  },
  failed: ({ agrees }) => !agrees,
  format: ({ verdicts }, terminal) => verdicts.map((verdict) => verdictText(verdict, terminal)).join('\n'),
});

const seedsOf = ({ runs = RUNS, random = 1 }: { runs: number | undefined; random: number | undefined }): number[] =>
  Array.from({ length: runs }, (_, i) => random + i);

/**
 * Opens the side that the compiled model is compared with. `means` is set when that side computes another graph than
 * its own.
 */
async function sideOf(
  name: string,
  source: Source,
  { reference, graph }: { readonly reference: Graph; readonly graph: Graph },
  values: { readonly threads: number | undefined } & Parameters<typeof withShapes>[1],
  terminal: Terminal,
): Promise<{ readonly side: Side; readonly means?: Graph }> {
  if (name === 'interpreter') return { side: interpreterSide(reference) };
  const options = values.threads === undefined ? {} : { threads: values.threads };
  if (name === 'onnxruntime') return { side: await onnxRuntimeSide(onnxModelOf(source), name, options, graph) };
  const other = await sizedGraph(await openSource(name, { shape: values.shape }, terminal), values);
  return { side: interpreterSide(other, name), means: other };
}
