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
    'A compiled model holds the decisions of the compiler: fused operators, corrected zero points. Of fixed sizes it also holds the plan of this machine, with packed weights: one with the same instruction set starts in half of the time. Others choose memory layouts when they load it, so it may be moved between machines.',
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
