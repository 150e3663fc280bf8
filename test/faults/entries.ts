/** The small inputs that once failed: `shared/faults` beside the repository, where it exists. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../../shared/faults');

/** The folder of the faults, or undefined where it does not exist. */
export const faultsRoot = (): string | undefined => (existsSync(join(root, 'index.json')) ? root : undefined);

/** A tensor as a check gives it: a file, or type, dims and data ('nan', 'inf' and '-inf' are strings). */
export type GivenTensor =
  | string
  | { readonly type: string; readonly dims: readonly number[]; readonly data: readonly (number | string)[] };
export type GivenTensors = Readonly<Record<string, GivenTensor>>;

export interface Expectation {
  readonly outputs?: GivenTensors;
  readonly differs?: GivenTensors;
  /** Outputs of a second call with the same feeds. */
  readonly then?: GivenTensors;
  readonly atol?: number;
  readonly rtol?: number;
  /** The allowed difference of an output, as a part of the largest expected number. */
  readonly part?: number;
  /** A regular expression on the text of an UnskewError. */
  readonly error?: string;
  readonly imports?: boolean;
  readonly written?: {
    readonly zeroPoints?: number;
    readonly inputs: GivenTensors;
    readonly outputs: GivenTensors;
    readonly atol?: number;
    readonly rtol?: number;
  };
  /** The written file has no zero point on its products. */
  readonly nothingLeft?: boolean;
  /** The written file is the file that was read. */
  readonly unchanged?: boolean;
  /** The written file in ONNX Runtime must equal the model, up to this part of the largest number. */
  readonly likeTheModel?: number;
  readonly names?: readonly string[];
  readonly exit?: readonly number[];
  readonly output?: string;
  readonly npy?: GivenTensors;
  readonly ratio?: number;
  readonly seconds?: number;
  readonly either?: readonly Expectation[];
}

export interface Check {
  readonly cmd: 'run' | 'import' | 'rewrite' | 'names' | 'cli' | 'time';
  readonly args?: readonly string[];
  readonly base?: readonly string[];
  readonly backends?: readonly ('onednn' | 'reference')[];
  readonly inputs?: GivenTensors;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly expect: Expectation;
  /** True when a coded refusal is right too, because the construct needs later work. */
  readonly refusal?: boolean;
}

export interface Fault {
  /** From the folder of faults. */
  readonly file: string;
  readonly kind: string;
  readonly issue: 'refused' | 'guard' | 'later' | 'exporters' | 'zoo';
  readonly checks: readonly Check[];
}

/** All entries; none without the folder. */
export function faults(): Fault[] {
  const folder = faultsRoot();
  if (folder === undefined) return [];
  const read = (file: string) => JSON.parse(readFileSync(join(folder, file), 'utf8'));
  const small: Fault[] = read('index.json').map((e: { check: Check[] } & Omit<Fault, 'checks'>) => ({
    file: e.file,
    kind: e.kind,
    issue: e.issue,
    checks: e.check,
  }));
  return [...small, ...exporterFaults(read('exporters/index.json')), ...zooFaults(read('zoo/index.json'))];
}

interface ExporterEntry {
  readonly file: string;
  readonly kind: string;
  readonly inputs: Readonly<Record<string, string>>;
  readonly outputs: readonly string[];
}

/** A written file has no zero point left, or the command says which layers keep theirs. */
const nothingLeftSilently: Check = {
  cmd: 'rewrite',
  args: [],
  expect: { either: [{ nothingLeft: true }, { exit: [1, 3, 4], output: '.' }] },
};

const exporterFaults = (entries: readonly ExporterEntry[]): Fault[] =>
  entries.map(({ file, kind, inputs, outputs }) => {
    const at = (name: string) => `exporters/${name}`;
    const given = Object.fromEntries(Object.entries(inputs).map(([name, npy]) => [name, at(npy)]));
    const run: Check = {
      cmd: 'run',
      inputs: given,
      expect: { outputs: Object.fromEntries(outputs.map((npy, i) => [`#${i}`, at(npy)])), part: 0.02 },
      refusal: true,
    };
    const same: Check = { cmd: 'rewrite', inputs: given, expect: { likeTheModel: 1e-4 } };
    const isOnnx = file.endsWith('.onnx');
    const checks = [run, ...(isOnnx ? [nothingLeftSilently] : []), ...(kind.includes('quantized again') ? [same] : [])];
    return { file: at(file), kind, issue: 'exporters', checks };
  });

/**
 * Entries of zoo/ state the right result in words; they are compared with ONNX Runtime on random inputs. Where the exact value
 * is right (a tie of QLinearSoftmax, which 1.30 itself missed), numerics/qlinear_softmax.test.ts checks it. /
 */
const zooFaults = (entries: readonly { readonly file: string; readonly right: string }[]): Fault[] =>
  entries.map(({ file, right }) => ({
    file: `zoo/${file}`,
    kind: right,
    issue: 'zoo',
    checks: right.includes('byte for byte')
      ? [{ cmd: 'rewrite', args: [], expect: { unchanged: true } }]
      : [
          {
            cmd: 'run',
            expect: { part: /what ONNX Runtime|that ONNX Runtime computes/.test(right) ? 0 : 0.02 },
            refusal: true,
          },
          nothingLeftSilently,
        ],
  }));
