import { usualTarget, usualTiming } from '../../codegen/index.ts';
import { declareCommand } from '../command.ts';
import { flag, optionalWhole } from '../options.ts';
import {
  modelArgument,
  profileOption,
  shapeOption,
  stateOption,
  strategyOption,
  targetOption,
  threadsOption,
} from '../shared_options.ts';

export const strategies = declareCommand({
  name: 'strategies',
  summary: 'Show, layer by layer, the ways to correct a zero point, their costs and the one chosen',
  description: [
    'Costs are relative to the same layer without a zero point, from measurements. A layer whose input has no zero point needs no correction and is not listed.',
    '--measure times every legal way of every distinct layer here and now, interleaved with the layer without a zero point, and keeps the times for this machine; from then on auto uses them. The choice affects the speed, never a result.',
    'The quantized layers of the file are counted against the layers that were read; with --target symmetric the exit code is 3 where one of them keeps a zero point.',
  ],
  arguments: { model: modelArgument },
  options: {
    measure: optionalWhole(
      'ROUNDS',
      `Time every legal way on this machine, in so many rounds (default: ${usualTiming.rounds})`,
      usualTiming.rounds,
    ),
    ignoreMeasured: flag('Choose as if nothing had been measured on this machine, and keep nothing'),
    ...targetOption(usualTarget),
    ...threadsOption,
    ...strategyOption,
    ...shapeOption,
    ...profileOption,
    ...stateOption,
  },
  examples: [
    { command: 'unskew strategies model.onnx', does: 'the chosen way of each layer, and its cost' },
    {
      command: 'unskew strategies model.onnx --measure --threads 1',
      does: 'time all ways here, at one thread, and remember',
    },
    { command: 'unskew strategies model.onnx --target symmetric', does: 'the same where no zero point may remain' },
  ],
});
