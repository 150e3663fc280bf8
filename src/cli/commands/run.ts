import { declareCommand } from '../command.ts';
import { filesByName, text, whole } from '../options.ts';
import {
  executionOptions,
  modelArgument,
  profileOption,
  shapeOption,
  stateOption,
  strategyOption,
} from '../shared_options.ts';

const _SHOWN = 8;
/** File systems allow 255 bytes; the rest is for the suffix of the file. */
const _LONGEST_NAME = 240;

export const run = declareCommand({
  name: 'run',
  summary: 'Run a model on tensors from files, or on random ones',
  description: [
    'Tensors are NumPy arrays (.npy) or TensorProtos (.pb, as in the test data of ONNX). Outputs are shown by their first values and, where they have few rows, by the index of the largest value of each row; -o writes all of them.',
  ],
  arguments: { model: modelArgument },
  options: {
    input: filesByName(
      'NAME=FILE',
      'A tensor for an input; where there are more =, NAME is the longest name of an input that fits',
    ),
    random: whole('SEED', 'Random tensors for the inputs that are not given', 0),
    output: text('DIR', 'Write every output to DIR as NAME.npy; - for standard output, one array after the other', 'o'),
    ...executionOptions,
    ...strategyOption,
    ...shapeOption,
    ...profileOption,
    ...stateOption,
  },
  examples: [
    { command: 'unskew run model.onnx --input x=image.npy', does: 'one inference' },
    { command: 'unskew run model.onnx --random 1 -o out', does: 'random inputs, the outputs into the folder out' },
    { command: 'unskew run model.onnx --random 1 --backend reference', does: 'the same on the interpreter' },
  ],
});
