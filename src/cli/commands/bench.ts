import { declareCommand } from '../command.ts';
import { filesByName, flag, optionalChoice, whole } from '../options.ts';
import {
  executionOptions,
  modelArgument,
  profileOption,
  shapeOption,
  stateOption,
  strategyOption,
} from '../shared_options.ts';

export const bench = declareCommand({
  name: 'bench',
  summary: 'Time inferences, alone or interleaved with ONNX Runtime',
  description: [
    'Untimed runs go first. Contenders take turns in one process, so that a busy machine treats them alike; the ratio is of medians, with its 10th and 90th percentile over the rounds.',
    'Where an operator is not supported, --vs onnxruntime times the model against the file that rewrite would write, both in ONNX Runtime.',
  ],
  arguments: { model: modelArgument },
  options: {
    perNode: flag('The time of every node too'),
    vs: optionalChoice(
      'ENGINE',
      ['onnxruntime'],
      'Interleave with another engine: onnxruntime (the package onnxruntime-node has to be installed)',
    ),
    ...executionOptions,
    batch: whole('N', 'The first dimension of every input, where it is a symbol', 1),
    input: filesByName('NAME=FILE', 'A tensor for an input; the others are random'),
    ...strategyOption,
    ...shapeOption,
    ...profileOption,
    ...stateOption,
  },
  examples: [
    { command: 'unskew bench model.onnx --threads 1', does: 'min, median and p99 on one thread' },
    { command: 'unskew bench model.onnx --vs onnxruntime', does: 'the same, next to ONNX Runtime' },
    { command: 'unskew bench model.onnx --per-node', does: 'the time of every node' },
  ],
});
