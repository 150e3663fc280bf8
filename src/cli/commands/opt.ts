import { declareCommand } from '../command.ts';
import { argument, text } from '../options.ts';
import { passOptions } from '../pass_list.ts';
import { rewritingOptions, strategyOption, targetOption } from '../shared_options.ts';

export const opt = declareCommand({
  name: 'opt',
  summary: 'Run passes on textual IR',
  description: [
    `Without --passes the graph is legalized for the target. The passes are: ${Object.keys(passOptions).join(', ')}.`,
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
});
