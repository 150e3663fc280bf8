import { declareCommand } from '../command.ts';
import { modelArgument, profileOption, shapeOption, stateOption } from '../shared_options.ts';

export const inspect = declareCommand({
  name: 'inspect',
  summary: 'Show inputs, outputs, operators, zero points, and operators that are not supported',
  arguments: { model: modelArgument },
  options: { ...profileOption, ...stateOption, ...shapeOption },
  examples: [
    { command: 'unskew inspect model.onnx', does: 'the contents of the model, and the zero points of its layers' },
    { command: 'unskew inspect model.onnx --json | jq .activations', does: 'how many zero points are not zero' },
  ],
});
