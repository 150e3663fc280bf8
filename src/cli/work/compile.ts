import { availableParallelism } from 'node:os';
import { type CompiledModel, type Fallback, fallbacksOf, partition, writeCompiledFile } from '../../codegen/index.ts';
import { formatBytes } from '../../diagnostics/index.ts';
import { isStatic } from '../../ir/index.ts';
import { compileGraph, openHere, readyModelOf, usualBackend } from '../../runtime/index.ts';
import { workOf } from '../command.ts';
import type { compile } from '../commands/compile.ts';
import { inputsOf, openSource, writeOutput } from '../files.ts';
import { withShapes } from '../inputs.ts';
import { accountOf, accountTables, accountText, leftText } from '../layer_account.ts';
import { readBackCompiled } from '../read_back.ts';
import { count, formatPairs } from '../table.ts';
import { STANDARD_STREAM } from '../terminal.ts';
import { UsageError } from '../usage_error.ts';

export const work = workOf<typeof compile>()({
  async run(values, terminal) {
    const { model, output } = values;
    if (output === undefined) throw new UsageError('--output is missing', 'name the file to write: -o FILE');
    if (output === STANDARD_STREAM) terminal.claimStdout();
    const source = await openSource(model, values, terminal);
    if (source.compiled !== undefined) throw new UsageError(`${model} is a compiled model already`);
    terminal.progress('compiling');
    const start = performance.now();
    const { threads, kernels, strategy } = values;
    const graph = withShapes(source.graph, values);
    const compiled = compileGraph(graph, {
      backends: [usualBackend], // a compiled file holds no operators of other systems
      kernels,
      ...(threads && { threads }),
      ...(strategy && { strategy }),
      onProof: terminal.proving,
    });
    const milliseconds = performance.now() - start;
    const bytes = writeCompiledFile(compiled, readyModelOf(compiled));
    readBackCompiled(bytes, compiled);
    await writeOutput(output, bytes, terminal, { inputs: inputsOf(source) });
    const { target, certificate, strategies } = compiled;
    return {
      file: model,
      output,
      bytes: bytes.length,
      milliseconds,
      target,
      nodes: Object.keys(compiled.graph.nodes).length,
      ...where(compiled, values.threads ?? availableParallelism()),
      corrected: strategies.filter(({ chosen }) => chosen !== 'none').length,
      account: accountOf(graph, compiled),
      verdict: certificate.verdict,
    };
  },
  format(r, terminal) {
    const left = leftText(r.account);
    const summary = formatPairs([
      ['written', `${r.output}, ${formatBytes(r.bytes)}`],
      ['operators', `${r.nodes}, for ${r.target.name} on ${r.target.isa}`],
      ['', placesText(r.interpreted)],
      ['layers', accountText(r.account)],
      ['corrected', count(r.corrected, 'layer')],
      ...(left ? [['left', `${left}: computed as they are, in floats or with them`] as const] : []),
      ['verdict', r.verdict],
      ['time', `${r.milliseconds.toFixed(0)} ms`],
    ]);
    return [summary, ...accountTables(r.account, terminal)].join('\n');
  },
});

/** Nodes that do not run natively, and why; unknown where sizes are open: the plan is made when they are known. */
function where({ graph }: CompiledModel, threads: number): { readonly interpreted?: readonly Fallback[] } {
  if (graph.inputs.some((id) => !isStatic(graph.values[id].type.shape))) return {};
  return { interpreted: fallbacksOf(partition(graph, openHere([usualBackend], threads))) };
}

function placesText(interpreted: readonly Fallback[] | undefined): string {
  if (interpreted === undefined) return 'which of them run natively is known with the sizes of the inputs';
  if (interpreted.length === 0) return 'all of them run natively';
  const [{ node, op, reason }] = interpreted;
  const rest = interpreted.length === 1 ? '' : `, and ${interpreted.length - 1} more`;
  return `on the interpreter: ${op} (${node}): ${reason}${rest}`;
}
