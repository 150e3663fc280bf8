import { usualTarget } from '../../codegen/index.ts';
import { declareCommand } from '../command.ts';
import { optionalArgument } from '../options.ts';
import {
  modelArgument,
  profileOption,
  shapeOption,
  stateOption,
  strategyOption,
  targetOption,
} from '../shared_options.ts';

export const explain = declareCommand({
  name: 'explain',
  summary: 'Show why each rewrite rule fired or did not, and the nodes that do not run natively',
  description: [
    'Without NODE, shows a table of rules and the nodes that do not run natively, with those that compute them; with NODE, or -v for all nodes, every rule with its law or its reason.',
  ],
  arguments: { model: modelArgument, node: optionalArgument('NODE', 'a node of the model, or a value of the graph') },
  options: { ...targetOption(usualTarget), ...strategyOption, ...shapeOption, ...profileOption, ...stateOption },
  examples: [
    { command: 'unskew explain model.onnx', does: 'rules, how often they fired, and why they did not' },
    { command: 'unskew explain model.onnx /conv1/Conv', does: 'everything about one layer' },
  ],
});
