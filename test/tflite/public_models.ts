/** The public models of the shared corpus, with the inputs that were recorded and the digests of every layer. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TfliteOrigin } from '../../src/importers/tflite/import.ts';
import type { TfliteProfile } from '../../src/importers/tflite/profiles.ts';
import {
  bytesOf,
  type Feeds,
  type Graph,
  type ITensor,
  interpret,
  sizeOf,
  tensor,
  transposed,
} from '../../src/ir/index.ts';
import { sharedCorpus } from '../support/corpus.ts';
import type { RecordedRun } from './public_outputs.ts';
import { nextOf, startOf } from './runs.ts';

export const publicFolder = join(sharedCorpus, 'public');
export const expectedFolder = join(publicFolder, 'expected');

export interface RecordedModel {
  /** A sentence: how often each set was run. */
  readonly stateful?: string;
  readonly layers?: string;
  readonly inputs?: readonly { readonly dtype: string; readonly shape: readonly number[] }[];
  readonly sets?: readonly (RecordedRun & { readonly input_sha256: readonly string[] })[];
  /** The reason why LiteRT does not run the file. */
  readonly fails?: string;
  readonly dies?: Readonly<Record<string, string>>;
  /** Set where the answers are those of the operators before one without a kernel. */
  readonly cut?: { readonly before_op: number };
}

export const SETS = [0, 1, 2, 3] as const;

/** Models by file name; those that LiteRT cannot run have no layers. */
export function recordedModels(): ReadonlyMap<string, RecordedModel> {
  const path = join(expectedFolder, 'index.json');
  return new Map(existsSync(path) ? Object.entries(JSON.parse(readFileSync(path, 'utf8')).models) : []);
}

export const fileOf = (name: string): Uint8Array => readFileSync(join(publicFolder, name));

const types = { uint8: 'u8', int8: 's8', int16: 's16', int32: 's32', float32: 'f32' } as const;

/** Element i of a random input; the generator is documented in the corpus. */
export function random(seed: number, i: number): number {
  let h = (seed + Math.imul(i + 1, 0x9e3779b9)) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

const ofBits = {
  uint8: (h: number) => h >>> 24,
  int8: (h: number) => (h >>> 24) - 128,
  int16: (h: number) => (h >>> 16) - 32768,
  int32: (h: number) => h >>> 24,
  float32: (h: number) => 2 * ((h >>> 8) * 2 ** -24) - 1,
};
const ofSteps = {
  uint8: (t: number) => t,
  int8: (t: number) => t - 128,
  int16: (t: number) => (t - 128) * 256,
  int32: (t: number) => t,
  float32: (t: number) => t / 128 - 1,
};

/** A picture of gradients with a square in its middle; a ramp for other ranks. */
function smooth(shape: readonly number[], i: number): number {
  if (shape.length !== 4) {
    const last = shape.at(-1) ?? 1;
    return Math.floor((255 * (i % last)) / Math.max(1, last - 1));
  }
  const [, height, width, channels] = shape;
  const [c, x, y] = [i % channels, Math.floor(i / channels) % width, Math.floor(i / (channels * width)) % height];
  const gy = Math.floor((255 * y) / Math.max(1, height - 1));
  const gx = Math.floor((255 * x) / Math.max(1, width - 1));
  const t = [gy, gx, 255 - Math.floor((gy + gx) / 2)][c % 3];
  const isInside = Math.abs(2 * y - height) * 2 < height && Math.abs(2 * x - width) * 2 < width;
  return isInside ? (t + 128) & 255 : t;
}

export function inputsOf(graph: Graph, { inputs = [] }: RecordedModel, set: number, step = 0): Feeds {
  return Object.fromEntries(
    inputs.map(({ dtype, shape }, j) => {
      const type = dtype as keyof typeof types;
      const seed = 1000 * (set + 1) + 10 * j + step;
      const element = (i: number) => (set === 3 ? ofSteps[type](smooth(shape, i)) : ofBits[type](random(seed, i)));
      const data = Array.from({ length: sizeOf(shape) }, (_, i) => element(i));
      return [graph.inputs[j], tensor(types[type], data, shape)];
    }),
  );
}

interface Layer {
  readonly op: number;
  readonly name: string;
  readonly outputs: readonly {
    readonly tensor: number;
    readonly dtype: string;
    /** By set; by set and run where the model has state. */
    readonly ref: readonly (string | readonly string[])[];
    readonly xnnpack?: readonly string[] | '=';
  }[];
}

export const layersOf = (name: string): readonly Layer[] =>
  JSON.parse(readFileSync(join(expectedFolder, name, 'layers.json'), 'utf8')).layers;

export const digestOf = (t: ITensor): string => createHash('sha256').update(bytesOf(t.data)).digest('hex').slice(0, 16);

/** The digests that a value may have: as it stands, and with its channels moved to the end. */
const digestsOf = (t: ITensor): string[] => {
  const rank = t.shape.length;
  const spatial = Array.from({ length: Math.max(rank - 2, 0) }, (_, i) => i + 2);
  return [digestOf(t), ...(rank >= 3 ? [digestOf(transposed(t, [0, ...spatial, 1]))] : [])];
};

export interface LayerReport {
  readonly equal: number;
  /** Layers whose bytes are others, in order: the operator and the name of its output. */
  readonly wrong: readonly string[];
  /** Layers that no value of the graph shows: folded into others. */
  readonly unseen: number;
}

/** Runs a model on a set, twice where it has state, and compares every layer of integers (floats too with `floats`). */
export function compareLayers(
  graph: Graph,
  name: string,
  model: RecordedModel,
  profile: TfliteProfile,
  set: number,
  floats = false,
): LayerReport {
  const { tensors } = (graph.origin as TfliteOrigin).model.subgraphs[0];
  const wrong: string[] = [];
  let [equal, unseen] = [0, 0];
  let state = startOf(graph);
  for (let run = 0; run < (model.stateful ? 2 : 1); run++) {
    const seen = new Map<string, ITensor>();
    const results = interpret(
      graph,
      { ...inputsOf(graph, model, set, run), ...state },
      {
        observe: ({ results }, tensors) => {
          for (const [i, id] of results.entries()) seen.set(id, tensors[i]);
        },
      },
    );
    state = nextOf(graph, results);
    for (const { name: op, outputs } of layersOf(name)) {
      for (const { tensor: index, dtype, ref, xnnpack = '=' } of outputs) {
        if (dtype.startsWith('float') && !floats) continue;
        const label = tensors[index].name;
        const value = seen.get(label) ?? seen.get(`${label}:channels_first`);
        const other = profile === 'tflite' ? '=' : xnnpack[xnnpack === '=' ? 0 : set];
        const want = other === '=' ? ref[set] : other;
        if (value === undefined) unseen++;
        else if (digestsOf(value).includes(typeof want === 'string' ? want : want[run])) equal++;
        else wrong.push(`${op} ${label}`);
      }
    }
  }
  return { equal, wrong, unseen };
}
