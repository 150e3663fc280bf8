/** UNIDIRECTIONAL_SEQUENCE_LSTM, step by step. */
import { tfliteOptions } from '../../../formats/tflite/index.ts';
import { defineTfliteOp, last, type TfliteOp } from '../define_tflite_op.ts';
import { integerLstm } from '../lstm_integers.ts';
import { lstmInputs, lstmLayer, unrolled } from '../lstm_layer.ts';

/** Longer sequences are not unrolled. */
const MOST_STEPS = 1024;

const lstm = defineTfliteOp({
  name: 'UNIDIRECTIONAL_SEQUENCE_LSTM',
  inputs: lstmInputs,
  options: tfliteOptions.unidirectionalSequenceLstmOptions,
  import(ctx, { cellClip, projClip, timeMajor }) {
    if (['forget', 'cell', 'output', 'input'].some((gate) => ctx.find(`${gate} norm`)))
      ctx.unsupported('layer normalization');
    const layer = lstmLayer(ctx, timeMajor);
    const { x, gates, steps } = layer;
    if (steps < 1 || steps > MOST_STEPS) ctx.unsupported(`a sequence of ${steps} steps`);
    if (x.dtype !== 's8' || gates[0].weights.dtype !== 's8')
      return ctx.unsupported(`a layer of ${x.dtype} with weights of ${gates[0].weights.dtype}`);
    return last(unrolled(ctx, layer, integerLstm(ctx, layer, { cellClip, projectionClip: projClip })));
  },
});

export const lstmOps: readonly TfliteOp[] = [lstm];
