/** Small TensorFlow Lite models that every clone has. */
import { writeTflite } from '../support/tflite.ts';
import { lstm, svdf } from './recurrent_layers.ts';

const int8 = { type: 'INT8', scale: [0.5], zeroPoint: [3] } as const;

/** y = conv(x): 2 filters of 1x1 over 3 channels. */
export const convolution = {
  tensors: [
    { ...int8, name: 'x', shape: [1, 4, 5, 3] },
    { type: 'INT8', name: 'w', shape: [2, 1, 1, 3], scale: [0.25, 0.5], data: Uint8Array.of(1, 2, 3, 4, 5, 6) },
    { type: 'INT32', name: 'b', shape: [2], scale: [0.125, 0.25], data: new Uint8Array(8) },
    { ...int8, name: 'y', shape: [1, 4, 5, 2] },
  ],
  operators: [
    {
      op: 'CONV_2D',
      inputs: [0, 1, 2],
      outputs: [3],
      optionsType: 1,
      options: [
        [0, 'int8', 1],
        [1, 'int32', 1],
        [2, 'int32', 1],
      ],
    },
  ],
  inputs: [0],
  outputs: [3],
} as const;

export const ownTfliteModels: Readonly<Record<string, Uint8Array>> = {
  convolution: writeTflite(convolution),
  svdf: svdf(2).model,
  lstm: lstm(2).model,
};
