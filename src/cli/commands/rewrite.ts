import { declareCommand } from '../command.ts';
import { optionalWhole, text } from '../options.ts';
import {
  modelArgument,
  profileOption,
  rewritingOptions,
  shapeOption,
  stateOption,
  strategyOption,
  targetOption,
} from '../shared_options.ts';

export const rewrite = declareCommand({
  name: 'rewrite',
  summary: 'Write an ONNX model without zero points in its convolutions and matmuls',
  description: [
    'Nodes that no rule touches are copied byte for byte. With --check, the interpreter compares the written file with the quantized graph on random inputs, and ONNX Runtime, where it is installed, compares the file with the input; when they differ, the exit code is 3.',
    'The quantized layers of the file, also in bodies of control flow, are counted against the layers that were read. Where the target is not reached, the file is written nevertheless, the layers that keep a zero point are listed with the reason, and the exit code is 3.',
  ],
  arguments: { model: modelArgument },
  options: {
    output: text('FILE', 'The file to write, - for standard output', 'o'),
    ...targetOption('symmetric'),
    ...strategyOption,
    check: optionalWhole('N', 'Compare on N random inputs (default: 3)', 3),
    ...rewritingOptions,
    ...shapeOption,
    ...profileOption,
    ...stateOption,
  },
  examples: [
    { command: 'unskew rewrite model.onnx -o symmetric.onnx --check', does: 'rewrite, and compare the two' },
    {
      command: 'unskew rewrite model.onnx -o out.onnx --strategy fold',
      does: 'one way of correcting, where it is legal',
    },
    {
      command: 'unskew rewrite model.onnx -o out.onnx --shape x=1,3,224,224',
      does: 'for these sizes alone: more ways are legal',
    },
    { command: 'unskew rewrite model.pt -o model.onnx --shape x=1,3,224,224', does: 'an archive of PyTorch to ONNX' },
    {
      command: 'unskew rewrite model.onnx -o out.onnx --timing --emit-ir out.qir',
      does: 'the time of every pass, and the graph behind the last',
    },
  ],
});
