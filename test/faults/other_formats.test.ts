/** A file that is not a model is named by its format, with the next step, by every reader of models or tensors. */

import { mkdirSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { writeNpy } from '../../src/cli/npy.ts';
import { UnskewError } from '../../src/diagnostics/index.ts';
import { looksLike, signatureOf } from '../../src/formats/other/other_formats.ts';
import { tensor } from '../../src/ir/index.ts';
import { compile } from '../../src/runtime/compile.ts';
import { importModel } from '../../src/runtime/import_model.ts';
import { quantizedConv, unskew, workFolder } from '../unit/cli/support.ts';
import { zip } from '../unit/torch/archives.ts';

const work = workFolder();
afterAll(work.dispose);
const latin1 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));
const model = quantizedConv();
const array = writeNpy(tensor('f32', [1, 2], [2]));

/** A header of JSON behind its length, then weights. */
function safetensors(): Uint8Array {
  const header = '{"weight":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}';
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, Buffer.from(header), Buffer.alloc(8)]);
}

/** A folder within tar, as `tar cf` begins. */
const tar = (): Uint8Array => {
  const block = Buffer.alloc(1024);
  block.write('models/model.onnx', 0);
  block.write('0000644\x000000000\x000000000\x00', 100, 'latin1');
  block.write('ustar  \0', 257, 'latin1');
  return block;
};

const others: readonly (readonly [what: string, contents: Uint8Array, says: string, hint: string])[] = [
  ['nothing', latin1(''), 'empty', 'interrupted'],
  ['safetensors', safetensors(), 'safetensors', 'torch.onnx'],
  ['GGUF', latin1('GGUF\x03\0\0\0'), 'GGUF', 'torch.onnx'],
  ['NumPy', array, '.npy', '--input'],
  ['NumPy archive', zip([{ name: 'a.npy', data: array }]), '.npz', 'np.save'],
  ['SavedModel', latin1('\x08\x01\x12\xca\x10\x0a\x05\x12\x05serve'), 'SavedModel', '--saved-model'],
  ['GraphDef', latin1('\x0a\x1c\x0a\x05input\x12\x0bPlaceholder*\x06\x0a\x01T'), 'GraphDef', '--graphdef'],
  ['HDF5', latin1('\x89HDF\r\n\x1a\n\0'), 'HDF5', '.h5'],
  [
    'Keras',
    zip(['metadata.json', 'config.json', 'model.weights.h5'].map((name) => ({ name, data: '{}' }))),
    '.keras',
    'tf2onnx',
  ],
  [
    'state_dict',
    zip([
      { name: 'm/data.pkl', data: '}.' },
      { name: 'm/version', data: '3' },
    ]),
    'torch.save',
    'load_state_dict',
  ],
  ['a zip', zip([{ name: 'folder/model.onnx', data: model }]), 'zip archive', 'it holds model.onnx'],
  ['a pickle', latin1('\x80\x04\x95\x10\0'), 'pickle', 'torch'],
  ['gzip', gzipSync(model), 'gzip', 'unpack'],
  ['tar', tar(), 'tar archive', 'unpack'],
  ['xz', latin1('\xfd7zXZ\0\0'), 'xz', 'unpack'],
  ['bzip2', latin1('BZh91AY&SY\0'), 'bzip2', 'unpack'],
  ['Zstandard', latin1('\x28\xb5\x2f\xfd\0'), 'Zstandard', 'unpack'],
  ['JSON', latin1('{"a": [1]}'), 'JSON', 'model'],
  ['Hugging Face', latin1('{"model_type": "bert"}'), 'Hugging Face', 'optimum-cli'],
  ['HTML', latin1('<!DOCTYPE html>\n<html><body>404'), 'HTML', 'browser'],
  ['Git LFS', latin1('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n'), 'Git LFS', 'git lfs pull'],
  ['text', latin1('Hello\n'), 'a text file', '.onnx'],
  ['ORT', latin1('\x20\0\0\0ORTM\0\0'), '.ort', 'ONNX file'],
  ['OpenVINO', latin1('<?xml version="1.0"?>\n<net name="m" version="11">'), 'OpenVINO', 'ONNX file'],
  [
    'ONNX text',
    latin1('<ir_version: 8, opset_import: ["" : 17]>\nagraph (float x) => (float y) {}'),
    'textual form',
    'onnx.parser',
  ],
  ['protobuf text', latin1('ir_version: 8\ngraph { }'), 'protobuf text', 'text_format'],
  ['a tensor', latin1('\x08\x02\x10\x01\x4a\x08\0\0\0\0\0\0\0\0'), 'TensorProto', '--input'],
  ['a program', latin1('\x7fELF\x02\x01\x01\0'), 'a program', 'model'],
  ['UTF-16', Uint8Array.from([0xff, 0xfe, 0x67, 0, 0x72, 0]), 'UTF-16', 'UTF-8'],
];

const rejection = async (promise: Promise<unknown>): Promise<UnskewError> =>
  promise.then(
    () => {
      throw new Error('it was read');
    },
    (error) => {
      if (error instanceof UnskewError) return error;
      throw error;
    },
  );

describe.each(others)('%s', (_what, contents, says, hint) => {
  const path = work.write('given.onnx', contents);

  test('as a model', async () => {
    work.write('given.onnx', contents);
    for (const read of [() => importModel(contents), () => importModel(path), () => compile(contents)]) {
      const { code, diagnostics } = await rejection(read());
      expect(code).toBe('U1002');
      expect(diagnostics[0].message).toMatch(/it is (an? |the |empty|[\w-]+-compressed|JSON|text|ONNX|MLIR)/);
      expect(diagnostics[0].message).toContain(says);
      expect(diagnostics[0].hint).toContain(hint);
    }
  });

  test('for opt, and as a tensor', async () => {
    work.write('given.onnx', contents);
    const opt = await unskew(['opt', path]);
    expect(opt.code).toBe(1);
    if (says !== 'a text file') expect(opt.stderr).toMatch(/U1002.*not textual IR: it is/);
    if (says === '.npy' || says === 'TensorProto') return;
    const run = await unskew(['run', work.write('model.onnx', model), '--input', `x=${path}`]);
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/U1002.*not a tensor: it is/);
  });
});

test('a zip of weights of Keras, or of arrays, is not a program of PyTorch for commands either', async () => {
  const { code, stderr } = await unskew(['inspect', work.write('a.npz', zip([{ name: 'a.npy', data: array }]))]);
  expect(code).toBe(1);
  expect(stderr).toContain('an archive of NumPy arrays (.npz)');
});

test('weights that lie beside a model are told by their name', async () => {
  const { message } = await rejection(
    importModel(work.write('model.onnx.data', new Uint8Array(new Float32Array(64).fill(1).buffer))),
  );
  expect(message).toContain('by its name weights of a model');
  expect(message).toContain('give the .onnx file');
});

test('a model, whole or cut, is not taken for another format', () => {
  for (const length of [model.length, model.length - 1, model.length >> 1, 20])
    expect([signatureOf(model), looksLike(model.subarray(0, length))]).toEqual([undefined, undefined]);
});

test('a folder is recognized by its contents', async () => {
  const folder = work.path('folder');
  mkdirSync(folder);
  expect((await unskew(['inspect', folder])).stderr).toMatch(/it is a folder \(EISDIR\)[\s\S]*name a file in it/);
  work.write('folder/b.onnx', model);
  work.write('folder/a.pt', '');
  expect((await unskew(['inspect', folder])).stderr).toContain('name a file in it: a.pt, b.onnx');
  work.write('folder/saved_model.pb', '');
  expect((await unskew(['inspect', folder])).stderr).toContain(`--saved-model ${folder}`);
});
