/** The engines of the zoo's benchmark, each declared once: engine.mjs and engine.py have a function of the same name that starts it. */

/** The format of a file. */
export type Kind = 'onnx' | 'tflite' | 'torch';

interface EngineDeclaration {
  /** The name in tables. */
  readonly label: string;
  /** `python` is the one that PY_ML names; without it these engines take no part. */
  readonly program: 'node' | 'python';
  readonly takes: readonly Kind[];
}

const everyKind: readonly Kind[] = ['onnx', 'tflite', 'torch'];

const declared = {
  unskew: { label: 'unskew', program: 'node', takes: everyKind },
  'unskew-sync': { label: 'runSync', program: 'node', takes: everyKind },
  onnxruntime: { label: 'ONNX Runtime', program: 'node', takes: ['onnx'] },
  litert: { label: 'LiteRT', program: 'python', takes: ['tflite'] },
  pytorch: { label: 'PyTorch', program: 'python', takes: ['torch'] },
  openvino: { label: 'OpenVINO', program: 'python', takes: ['onnx'] },
} as const satisfies Readonly<Record<string, EngineDeclaration>>;

export type Engine = keyof typeof declared;
export const engines: Readonly<Record<Engine, EngineDeclaration>> = declared;
export const engineNames = Object.keys(declared) as Engine[];

/** The other engines, in the order of the table. */
export const peers: readonly Engine[] = engineNames.filter((name) => !name.startsWith('unskew'));

/** The engine that a kind of file is made for: outputs, memory and start are compared with it. */
export const homes = Object.fromEntries(
  everyKind.map((kind) => [kind, peers.find((name) => engines[name].takes.includes(kind))]),
) as Readonly<Record<Kind, Engine>>;

const endings: Readonly<Record<string, Kind>> = {
  onnx: 'onnx',
  tflite: 'tflite',
  pt: 'torch',
  ptl: 'torch',
  pt2: 'torch',
};

/** The kind of a file by the end of its name; undefined for any other file. */
export const kindOf = (file: string): Kind | undefined => endings[/\.([^.]+)$/.exec(file)?.[1] ?? ''];

/** The name of a model in tables: that of its file without the end. */
export const modelName = (file: string): string => file.replace(/\.[^.]+$/, '');

/** `--isa` limits oneDNN to one of these (DNNL_MAX_CPU_ISA). Our kernels run on AVX2 under both limits, because those of AVX-512 need VNNI. */
export const isas = { avx2: 'AVX2', avx512: 'AVX512_CORE' } as const;
export type LimitedIsa = keyof typeof isas;
