import { readModelFile } from '../../importers/import_model.ts';
import { print } from '../../ir/index.ts';
import { defineCommand } from '../command.ts';
import { parseIr, writeOutput } from '../files.ts';
import { argument, text } from '../options.ts';
import { namedPasses } from '../pass_list.ts';
import { rewriteGraph, rewritingOptions } from '../rewriting.ts';
import { strategyOption, targetOption } from '../shared_options.ts';

export const opt = defineCommand({
  name: 'opt',
  summary: 'Run passes on textual IR',
  description: [
    `Without --passes the graph is legalized for the target. The passes are: ${Object.keys(namedPasses).join(', ')}.`,
  ],
  arguments: { file: argument('FILE', 'textual IR (.qir), - for standard input') },
  options: {
    output: text('FILE', 'Where to write the graph (default: standard output)', 'o'),
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
    const { file, output = '-' } = values;
    const source = file === '-' ? await terminal.readStdin() : new TextDecoder().decode(await readModelFile(file));
    const graph = parseIr(source, file === '-' ? '(standard input)' : file);
    const { graph: result, certificate, strategies, passes } = await rewriteGraph(graph, values, terminal);
    const ir = print(result);
    if (output !== '-') await writeOutput(output, ir, file);
    return { file, output, verdict: certificate.verdict, strategies, passes, ...(output === '-' && { ir }) };
  },
  format({ ir, output }, terminal) {
    if (ir === undefined) return `written ${output}`;
    terminal.write(ir);
    return undefined;
  },
});
