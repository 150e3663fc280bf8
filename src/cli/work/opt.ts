import { print } from '../../ir/index.ts';
import { workOf } from '../command.ts';
import type { opt } from '../commands/opt.ts';
import { parseIr, writeOutput } from '../files.ts';
import { readBackIr } from '../read_back.ts';
import { readInput, shownPath } from '../read_input.ts';
import { rewriteGraph } from '../rewriting.ts';
import { STANDARD_STREAM } from '../terminal.ts';
import { UsageError } from '../usage_error.ts';

export const work = workOf<typeof opt>()({
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
