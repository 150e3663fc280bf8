/** What a file is that is not an ONNX model, told from its first bytes. */
import { fail, type Location } from '../../../diagnostics/index.ts';

const LFS = 'version https://git-lfs';

/** None of these byte sequences begins a well-formed ModelProto: their first or second tag is invalid. */
const signatures: readonly (readonly [offset: number, magic: string, what: string, hint: string])[] = [
  [
    0,
    'PK\x03\x04',
    'it is a zip archive',
    'this looks like a PyTorch archive (.pt, .pt2): import it as such, or export it with torch.onnx',
  ],
  [0, '\x1f\x8b', 'it is gzip-compressed', 'decompress it first'],
  [0, '\x89HDF', 'it is an HDF5 file', 'this looks like a Keras model: convert it with tf2onnx'],
  [4, 'TFL3', 'it is a TensorFlow Lite model', 'convert it with tf2onnx --tflite'],
  [4, 'ORTM', 'it is a model in ORT format', 'use the ONNX file that it was made from'],
  [0, '\x80\x02', 'it is a Python pickle', 'this looks like an old PyTorch checkpoint: export it with torch.onnx'],
  [0, LFS, 'it is a Git LFS pointer, not the model itself', 'fetch the model with `git lfs pull`'],
];

/** @throws UnskewError U1002 when the bytes are plainly something else */
export function refuseOtherFormats(bytes: Uint8Array, location: Location): void {
  if (bytes.length === 0) fail('U1002', 'the file is empty', location, 'was the download or the export interrupted?');
  const found = signatures.find(([offset, magic]) => latin1(bytes, offset, magic.length) === magic);
  if (found !== undefined) fail('U1002', `this is not an ONNX model: ${found[2]}`, location, found[3]);
}

/** @throws UnskewError U1002 when the bytes, already known not to be a model, read as text */
export function refuseText(bytes: Uint8Array, location: Location): void {
  const start = bytes.subarray(0, 1024);
  const control = start.some((byte) => byte === 127 || (byte < 32 && byte !== 9 && byte !== 10 && byte !== 13));
  if (!control) fail('U1002', 'this is not an ONNX model: it is a text file', location, 'give the binary .onnx file');
}

function latin1(bytes: Uint8Array, offset: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(offset, offset + length));
}
