/** UNIDIRECTIONAL_SEQUENCE_LSTM, step by step. */
import { tfliteOptions } from '../../../formats/tflite/index.ts';
import { defineTfliteOp, last, type TfliteOp } from '../define_tflite_op.ts';
import { floatLstm } from '../lstm_floats.ts';
import { integerLstm } from '../lstm_integers.ts';
import { lstmInputs, lstmLayer, unrolled } from '../lstm_layer.ts';

/** Longer sequences are not unrolled. */
const MOST_STEPS = 1024;

const lstm = defineTfliteOp({
  name: 'UNIDIRECTIONAL_SEQUENCE_LSTM',
  inputs: lstmInputs,
  options: tfliteOptions.unidirectionalSequenceLstmOptions,
  import(ctx, { activation, cellClip, projClip, timeMajor, diagonalRecurrentTensors }) {
    if (diagonalRecurrentTensors) ctx.unsupported('diagonal recurrent weights');
    const layer = lstmLayer(ctx, timeMajor);
    const { x, gates, steps } = layer;
    if (steps < 1 || steps > MOST_STEPS) ctx.unsupported(`a sequence of ${steps} steps`);
    const clips = { cellClip, projectionClip: projClip };
    switch (`${x.dtype} ${gates[0].weights.dtype}`) {
      case 's8 s8':
        return last(unrolled(ctx, layer, integerLstm(ctx, layer, clips)));
      case 'f32 f32':
        // the kernel leaves out the function of the cells then, and reads memory that nothing wrote
        if (activation === 'NONE') ctx.unsupported('a layer of floats without an activation');
        return last(unrolled(ctx, layer, floatLstm(ctx, layer, clips, activation)));
      default:
        return ctx.unsupported(`a layer of ${x.dtype} with weights of ${gates[0].weights.dtype}`);
    }
  },
});

export const lstmOps: readonly TfliteOp[] = [lstm];
