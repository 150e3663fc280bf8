/** Every kind of file that the campaign changes. */
import { pt2Kind, ptKind, ptlKind } from './archive.ts';
import { compiledKind } from './compiled.ts';
import type { Kind } from './kind.ts';
import { onnxKind } from './onnx.ts';
import { qirKind } from './qir.ts';
import { npyKind, pbKind } from './tensors.ts';
import { tfliteKind } from './tflite.ts';

export const kinds: readonly Kind[] = [
  onnxKind,
  ptKind,
  ptlKind,
  pt2Kind,
  tfliteKind,
  compiledKind,
  qirKind,
  npyKind,
  pbKind,
];
