/** Recognizes, by content, files that are not models for unskew, with advice for each. */
// biome-ignore-all lint/suspicious/noControlCharactersInRegex: binary formats begin with them

export interface OtherFormat {
  /** Continues "it is". */
  readonly what: string;
  readonly hint: string;
}

/** Text that nothing else is known of. */
export const TEXT = 'a text file';

type Signature = readonly [offset: number, magic: string, what: string, hint: string];

const unpack = 'unpack it, and give the model that is in it';
const original = 'use the ONNX file that it was made from';
const again = 'name the model, not this file';

/** None of these begins a well-formed ModelProto: the first or the second tag is invalid. */
const signatures: readonly Signature[] = [
  [0, 'PK\x03\x04', 'a zip archive', 'if PyTorch wrote it (.pt, .pt2), import it with importModel; else unpack it'],
  [0, 'PK\x05\x06', 'an empty zip archive', 'was the download or the export interrupted?'],
  [0, '\x1f\x8b', 'gzip-compressed', unpack],
  [0, '\xfd7zXZ\0', 'xz-compressed', unpack],
  [0, '\x28\xb5\x2f\xfd', 'Zstandard-compressed', unpack],
  [0, '\x04\x22\x4d\x18', 'LZ4-compressed', unpack],
  [4, '1AY&SY', 'bzip2-compressed', unpack],
  [0, '7z\xbc\xaf\x27\x1c', 'a 7-Zip archive', unpack],
  [0, 'Rar!\x1a', 'a RAR archive', unpack],
  [0, '\x89HDF', 'an HDF5 file', 'this looks like a Keras model (.h5): convert it with tf2onnx.convert.from_keras'],
  [4, 'TFL3', 'a TensorFlow Lite model', 'importModel and every command read it'],
  [4, 'ORTM', 'a model in ORT format (.ort)', original],
  [0, 'GGUF', 'a GGUF file', 'it holds weights and no graph: export the network that they belong to with torch.onnx'],
  [0, 'tjgg', 'a GGML file', 'it holds weights and no graph: export the network that they belong to with torch.onnx'],
  [0, 'lmgg', 'a GGML file', 'it holds weights and no graph: export the network that they belong to with torch.onnx'],
  [0, '\x93NUMPY', 'a NumPy array (.npy)', 'arrays are inputs of a model: run MODEL --input NAME=FILE'],
  [0, 'ptrt', 'a TensorRT engine', original],
  [0, 'ftrt', 'a TensorRT engine', original],
  [0, 'UNSKEW\0', 'a compiled model of unskew', 'compile() and the commands read it; it is imported already'],
  [0, '\x7fELF', 'a program or a library', again],
  [0, '\x89PNG', 'a PNG image', again],
  [0, '\xff\xd8\xff', 'a JPEG image', again],
  [0, '%PDF', 'a PDF document', again],
  // the magic number 0x1950a86a20f9469cfc6c, pickled
  [
    0,
    '\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19',
    'a pickle of PyTorch before 1.6',
    'load it in PyTorch and save it with torch.jit.save',
  ],
  ...['\x02', '\x03', '\x04', '\x05'].map(
    (version): Signature => [
      0,
      `\x80${version}`,
      'a Python pickle',
      'if it is a model of PyTorch, load it there and export it with torch.jit.save, torch.export or torch.onnx',
    ],
  ),
  [0, 'version https://git-lfs', 'a Git LFS pointer, not the model itself', 'fetch the model with `git lfs pull`'],
];

/** Formats whose first bytes no model has. */
export function signatureOf(bytes: Uint8Array): OtherFormat | undefined {
  if (bytes.length === 0) return { what: 'empty', hint: 'was the download or the export interrupted?' };
  const found = signatures.find(([offset, magic]) => latin1(bytes, offset, magic.length) === magic);
  return found && { what: found[2], hint: found[3] };
}

type Look = readonly [pattern: RegExp, what: string, hint: string];

const tf2onnx = 'convert it: python -m tf2onnx.convert';

/** The looks of binary files. */
const looks: readonly Look[] = [
  [
    /^.{4}\0{4}\{\s*"/s,
    'a safetensors file',
    'it holds weights and no graph: export the network that they belong to, with torch.onnx or optimum-cli export onnx',
  ],
  [/^.{257}ustar/s, 'a tar archive', unpack],
  [
    /^\x08\x01\x12[\x80-\xff]{1,4}[\0-\x7f]\x0a/,
    'a SavedModel of TensorFlow',
    `${tf2onnx} --saved-model FOLDER --output model.onnx`,
  ],
  [
    /^\x0a.{1,3}\x0a.[\w./:-]+\x12.[A-Z]\w+/s,
    'a frozen graph of TensorFlow (GraphDef)',
    `${tf2onnx} --graphdef FILE --inputs … --outputs … --output model.onnx`,
  ],
  [
    /^(?:(?:\x08[\x80-\xff]*[\0-\x7f])+|\x0a[\0-\x40].{0,64}?)?\x10[\x01-\x1c][\x22\x2a\x32\x3a\x42\x4a\x52\x5a]/s,
    'a single tensor (TensorProto), as in the test data of ONNX',
    'tensors are inputs of a model: run MODEL --input NAME=FILE',
  ],
  [/^(?:\xff\xfe|\xfe\xff)/, 'text in UTF-16', 'models are binary files, and textual IR is UTF-8'],
  [/^MZ/, 'a program or a library', again],
];

/** The looks of text files. */
const textLooks: readonly Look[] = [
  [
    /^\s*<(?:!doctype\s+html|html|head)/i,
    'a web page (HTML)',
    'the download gave a page and not the file: look at it in a browser',
  ],
  [/<net\s/, 'a model of OpenVINO (.xml)', original],
  [/^\s*<\?xml/, 'XML', again],
  [/^\s*(?:\/\/[^\n]*\n\s*)*graph\s+@/, 'textual IR of unskew', 'parse() reads it, and the commands do'],
  [
    /^\s*<\s*ir_version\s*:/,
    'ONNX in its textual form',
    'make a binary file of it: onnx.save(onnx.parser.parse_model(text), path)',
  ],
  [
    /^\s*(?:#[^\n]*\n)*ir_version\s*:/,
    'ONNX as protobuf text',
    'make a binary file of it with google.protobuf.text_format and onnx.save',
  ],
  [/^\s*(?:node|library|versions)\s*\{/, 'a graph of TensorFlow as protobuf text', `${tf2onnx}, of the binary file`],
  [
    /^\s*(?:module\s*(?:@\w+\s*)?(?:attributes\s*\{[^}]*\}\s*)?\{|#\w+\s*=|func\.func)/,
    'MLIR',
    'export the model that it was made from to ONNX',
  ],
  [/^\s*7767517\s/, 'a model of ncnn (.param)', original],
  [/^\s*\{[\s\S]*"modelTopology"/, 'a model of TensorFlow.js', 'convert it: tensorflowjs_converter, then tf2onnx'],
  [
    /^\s*\{[\s\S]*"weight_map"/,
    'the index of weights in several files',
    'it holds no graph: export the network with torch.onnx',
  ],
  [
    /^\s*\{[\s\S]*"(?:model_type|architectures)"/,
    'the configuration of a Hugging Face model',
    'export the model: optimum-cli export onnx --model FOLDER OUT',
  ],
  [/^\s*[[{]/, 'JSON', again],
];

/**
 * Recognizes bytes that were found not to be a model; `undefined` for unknown ones.
 *
 * @param file its name, which identifies weights that lie beside a model
 */
export function looksLike(bytes: Uint8Array, file?: string): OtherFormat | undefined {
  const start = latin1(bytes, 0, 4096);
  const isText = !/[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(start.slice(0, 1024));
  const found = (isText ? textLooks : looks).find(([pattern]) => pattern.test(start));
  if (found !== undefined) return { what: found[1], hint: found[2] };
  if (isText) return { what: TEXT, hint: 'give the binary .onnx file; textual IR begins with graph @' };
  // a model begins with its IR version, field 1
  if (file !== undefined && bytes[0] !== 8 && /[._](?:data|weights?|bin|pb\.data)$/i.test(file))
    return {
      what: 'not one of protobuf, and by its name weights of a model',
      hint: 'give the .onnx file that they belong to',
    };
  return undefined;
}

/** Recognizes a zip archive that is not a PyTorch program, by the names in it. */
export function zipLooksLike(names: readonly string[]): OtherFormat {
  const has = (pattern: RegExp): string | undefined => names.find((name) => pattern.test(name));
  if (has(/^(?:.*\/)?data\.pkl$/))
    return {
      what: 'an archive of torch.save: tensors and no code',
      hint: 'if it is a state_dict, make the network in Python and load_state_dict; then save it: torch.jit.save(torch.jit.script(model), path)',
    };
  if (has(/\.weights\.h5$/) ?? (has(/^config\.json$/) && has(/^metadata\.json$/)))
    return { what: 'a Keras model (.keras)', hint: 'convert it with tf2onnx.convert.from_keras' };
  if (names.length > 0 && names.every((name) => name.endsWith('.npy')))
    return {
      what: 'an archive of NumPy arrays (.npz)',
      hint: 'save single arrays with np.save: they are inputs of a model',
    };
  if (has(/^MAR-INF\//)) return { what: 'an archive of TorchServe (.mar)', hint: unpack };
  if (has(/\.mlmodel$/)) return { what: 'a model of Core ML', hint: original };
  const model = has(/\.(?:onnx|pt2?|ptl)$/);
  return {
    what: 'a zip archive',
    hint: model === undefined ? unpack : `unpack it: it holds ${model}`,
  };
}

const latin1 = (bytes: Uint8Array, offset: number, length: number): string =>
  String.fromCharCode(...bytes.subarray(offset, offset + length));

/** Advice for a folder in the place of a model, by the files in it. */
export function folderHint(names: readonly string[], path: string): string {
  if (names.includes('saved_model.pb'))
    return `it is a SavedModel of TensorFlow: ${tf2onnx} --saved-model ${path} --output model.onnx`;
  const models = names.filter((name) => /\.(?:onnx|ptl?|pt2|unskew|qir)$/.test(name)).sort();
  if (models.length > 0) return `name a file in it: ${models.slice(0, 3).join(', ')}${models.length > 3 ? ', …' : ''}`;
  if (names.includes('config.json'))
    return 'it looks like a Hugging Face model: optimum-cli export onnx --model FOLDER OUT';
  return 'name a file in it';
}
