import { print } from '../../ir/index.ts';
import { defineCommand } from '../command.ts';
import { parseIr, writeOutput } from '../files.ts';
import { argument, text } from '../options.ts';
import { namedPasses } from '../pass_list.ts';
import { readBackIr } from '../read_back.ts';
import { readInput, shownPath } from '../read_input.ts';
import { rewriteGraph, rewritingOptions } from '../rewriting.ts';
import { strategyOption, targetOption } from '../shared_options.ts';
import { STANDARD_STREAM } from '../terminal.ts';
import { UsageError } from '../usage_error.ts';

export const opt = defineCommand({
  name: 'opt',
  summary: 'Run passes on textual IR',
  description: [
    `Without --passes the graph is legalized for the target. The passes are: ${Object.keys(namedPasses).join(', ')}.`,
  ],
  arguments: { file: argument('FILE', 'textual IR (.qir), - for standard input') },
  options: {
    output: text('FILE', 'The file for the graph (default: standard output)', 'o'),
    ...targetOption('symmetric'),
    ...strategyOption,
    ...rewritingOptions,
  },
  examples: [
    { command: 'unskew opt net.qir', does: 'legalize, and print the result' },
    { command: "unskew opt net.qir --passes='fold-constants,canonicalize' -o small.qir", does: 'two passes' },
    { command: 'unskew opt - < net.qir', does: 'from standard input' },
  ],
  async run(values, terminal) {
    const { file, output = STANDARD_STREAM } = values;
    const graph = parseIr(await readInput(file, terminal), shownPath(file));
    if (values.emitIr === STANDARD_STREAM && output === STANDARD_STREAM)
      throw new UsageError('--output and --emit-ir both name standard output');
    const files = { inputs: [file], outputs: [output] };
    const { graph: result, certificate, strategies, passes } = await rewriteGraph(graph, values, terminal, files);
    const ir = print(result);
    readBackIr(ir, result);
    if (output !== STANDARD_STREAM) await writeOutput(output, ir, terminal, { inputs: [file] });
    return {
      file,
      output,
      verdict: certificate.verdict,
      strategies,
      passes,
      ...(output === STANDARD_STREAM && { ir }),
    };
  },
  format({ ir, output }, terminal) {
    if (ir === undefined) return `written ${output}`;
    terminal.write(ir);
    return undefined;
  },
});
