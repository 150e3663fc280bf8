import { declareCommand } from '../command.ts';
import { list, whole } from '../options.ts';
import {
  kernelsOption,
  modelArgument,
  profileOption,
  shapeOption,
  stateOption,
  strategyOption,
  threadsOption,
} from '../shared_options.ts';

const RUNS = 3;

export const check = declareCommand({
  name: 'check',
  summary: 'Compare the compiled model with its meaning on random inputs',
  description: [
    'The reference is the interpreter on the quantized graph, before any zero point is corrected. Integers computed from integers have to be equal. Floats may differ by the sum of the rounding errors of their operators. Integers rounded from such floats may fall to either side of a tie where this error leaves the choice: such ties are named and do not fail the check. With onnxruntime, groups between dequantize and quantize may also differ by the bound of their grouping, and the check gives the reason where onnxruntime computes a group in float (docs/certificates.md). Any other difference fails: the check names the first node that differs, and the exit code is 3.',
    'Where an operator is not supported, --against onnxruntime compares the file that rewrite would write with the model itself.',
  ],
  arguments: { model: modelArgument },
  options: {
    against: list('SIDE', 'The side to compare with: interpreter (default), onnxruntime, or another model file'),
    runs: whole('N', `Random inputs to try (default: ${RUNS})`, 1),
    random: whole('SEED', 'The first seed (default: 1)', 0),
    ...threadsOption,
    ...kernelsOption,
    batch: whole('N', 'The first dimension of every input, where it is a symbol', 1),
    ...strategyOption,
    ...shapeOption,
    ...profileOption,
    ...stateOption,
  },
  examples: [
    { command: 'unskew check model.onnx', does: 'the addon against the interpreter' },
    { command: 'unskew check model.onnx --strategy fold --runs 20', does: 'one way of correcting, more inputs' },
    { command: 'unskew check model.onnx --against onnxruntime', does: 'against another engine' },
    { command: 'unskew check a.qir --against b.qir', does: 'two graphs, one against the other' },
  ],
});
