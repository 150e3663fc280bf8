/** A case: a seed file and the changes of it, all of them a function of a number. */
import { damaged } from './bytes.ts';
import { once, pick, random } from './draw.ts';
import { kinds } from './kinds/index.ts';
import type { Kind, KindName, Seed } from './kinds/kind.ts';

export interface CaseId {
  readonly kind: KindName;
  readonly seed: number;
  /** The changes that are made; all by default. */
  readonly steps?: readonly number[];
}

/** `onnx:12345`, or `onnx:12345:0,2` for some of the changes. */
export const formatCase = ({ kind, seed, steps }: CaseId): string =>
  `${kind}:${seed}${steps ? `:${steps.join(',')}` : ''}`;

/** @throws RangeError for a text that names no case */
export function parseCase(text: string): CaseId {
  const match = /^(\w+):(\d+)(?::([\d,]*))?$/.exec(text);
  const kind = kinds.find(({ name }) => name === match?.[1]);
  if (!match || !kind) throw new RangeError(`${text} is not a case; one is written like onnx:12345`);
  const steps = match[3] === undefined ? undefined : match[3].split(',').filter(Boolean).map(Number);
  return { kind: kind.name, seed: Number(match[2]), ...(steps && { steps }) };
}

export interface Case {
  readonly bytes: Uint8Array;
  /** The name of the seed file. */
  readonly from: string;
  /** The number of changes to choose from. */
  readonly steps: number;
}

const seedLists = new Map<string, Promise<readonly Seed[]>>();

function seedsOf(kind: Kind, own: boolean): Promise<readonly Seed[]> {
  const key = `${kind.name} ${own}`;
  const known = seedLists.get(key) ?? kind.seeds(own);
  seedLists.set(key, known);
  return known;
}

/** Few changes, so that a fair share is still read and runs. */
const numbersOfSteps = [0, 1, 1, 1, 1, 2, 2, 3, 4, 6] as const;

export async function caseOf({ kind: name, seed, steps: chosen }: CaseId, own: boolean): Promise<Case> {
  const kind = kinds.find((known) => known.name === name) as Kind;
  const seeds = await seedsOf(kind, own);
  const draw = random(seed);
  const from = pick(draw, seeds);
  const count = pick(draw, numbersOfSteps);
  const mood = once(draw, 3) ? 'hostile' : 'gentle';
  const isDamaged = once(draw, 20);
  const original = await from.read();
  let structure = await kind.open(original);
  let bytes = original;
  for (let step = 0; step < count; step++) {
    if (chosen && !chosen.includes(step)) continue;
    const draw = random(seed * 31 + step + 1);
    const other = async () => kind.open(await pick(draw, seeds).read());
    const changed = await written(kind, () => kind.change(structure, draw, { mood, other }));
    if (changed === undefined) break;
    ({ structure, bytes } = changed);
  }
  if (isDamaged && (!chosen || chosen.includes(count))) bytes = damaged(bytes, random(seed * 31));
  return { bytes, from: from.name, steps: count + Number(isDamaged) };
}

/** The structure and its file; undefined where earlier changes left nothing that can be changed so, or written. */
async function written(
  kind: Kind,
  change: () => unknown,
): Promise<{ structure: unknown; bytes: Uint8Array } | undefined> {
  try {
    const structure = await change();
    return { structure, bytes: kind.write(structure) };
  } catch {
    return undefined;
  }
}
