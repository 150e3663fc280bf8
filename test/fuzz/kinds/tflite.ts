/** TensorFlow Lite files: numbers of all widths changed in place, which are offsets, lengths, indices, options, sizes, scales and weights. */
import { operatorCases } from '../../tflite/operator_cases.ts';
import { ownTfliteModels } from '../../tflite/own_models.ts';
import { damaged } from '../bytes.ts';
import { changedNumber, type Draw, once, pick } from '../draw.ts';
import { examineModel } from '../examine_model.ts';
import { corpusFiles } from '../own_seeds.ts';
import { defineKind, type Seed } from './kind.ts';

/** One recorded model of each operator and kind is enough. */
function recordedSeeds(): Seed[] {
  const kinds = new Map(operatorCases().map((c) => [`${c.op} ${c.options.kind}`, c]));
  return [...kinds.values()].map(({ id, model }) => ({ name: id, read: () => Buffer.from(model, 'base64') }));
}

export const tfliteKind = defineKind<Uint8Array>({
  name: 'tflite',
  seeds: async (own) => [
    ...Object.entries(ownTfliteModels).map(([name, bytes]) => ({ name, read: () => bytes })),
    ...(own ? [] : [...recordedSeeds(), ...corpusFiles(/\.tflite$/, 4096, false)]),
  ],
  open: (bytes) => bytes,
  change: (bytes, draw, { mood }) =>
    mood === 'hostile' && once(draw, 3) ? damaged(bytes, draw) : changed(bytes, draw),
  write: (bytes) => bytes,
  *smaller() {},
  examine: (bytes, examination) => examineModel(bytes, examination, { state: 'inputs-and-outputs' }),
});

/** Another number at an aligned place. */
function changed(bytes: Uint8Array, draw: Draw): Uint8Array {
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  const words = Math.floor(copy.length / 4);
  if (words === 0) return damaged(copy, draw);
  const at = 4 * draw(words);
  switch (draw(6)) {
    case 0:
      view.setInt32(at, changedNumber(draw, view.getInt32(at, true), false), true);
      return copy;
    case 1:
      view.setFloat32(at, changedNumber(draw, view.getFloat32(at, true), true), true);
      return copy;
    case 2:
      view.setInt32(at, view.getInt32(4 * draw(words), true), true);
      return copy;
    case 3:
      view.setInt16(at + 2 * draw(2), changedNumber(draw, view.getInt16(at, true), false), true);
      return copy;
    default:
      copy[at + draw(4)] = pick(draw, [0, 1, 2, 3, 4, 127, 128, 255, draw(256)]);
      return copy;
  }
}
