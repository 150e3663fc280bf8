import { declareCommand } from '../command.ts';
import { text, whole } from '../options.ts';
import {
  kernelsOption,
  modelArgument,
  profileOption,
  shapeOption,
  stateOption,
  strategyOption,
  threadsOption,
} from '../shared_options.ts';

export const compile = declareCommand({
  name: 'compile',
  summary: 'Write a compiled model, which run, bench, check and compile() load without importing',
  description: [
    'A compiled model holds the decisions of the compiler: fused operators, corrected zero points. Memory layouts are chosen when it is loaded, so it may be moved between machines.',
  ],
  arguments: { model: modelArgument },
  options: {
    output: text('FILE', 'The file to write, - for standard output', 'o'),
    ...threadsOption,
    ...kernelsOption,
    batch: whole('N', 'The first dimension of every input, where it is a symbol', 1),
    ...strategyOption,
    ...shapeOption,
    ...profileOption,
    ...stateOption,
  },
  examples: [
    { command: 'unskew compile model.onnx -o model.unskew', does: 'compile once …' },
    { command: 'unskew run model.unskew --random 1', does: '… and run it anywhere' },
  ],
});
