/** Smaller cases that show the same: first fewer changes, then fewer parts of the file. */
import { type CaseId, caseOf } from './cases.ts';
import type { Child } from './child.ts';
import type { Finding } from './examination.ts';
import { kinds } from './kinds/index.ts';
import type { Kind } from './kinds/kind.ts';

export interface Minimized {
  readonly id: CaseId;
  readonly bytes: Uint8Array;
}

/** The number of files to try. */
const MOST_TRIES = 150;

export async function minimized(id: CaseId, { signature }: Finding, child: Child, own: boolean): Promise<Minimized> {
  const kind = kinds.find(({ name }) => name === id.kind) as Kind;
  let tries = 0;
  const shows = async (task: Parameters<Child['perform']>[0]): Promise<boolean> => {
    if (++tries > MOST_TRIES) return false;
    return (await child.perform(task)).findings.some((finding) => finding.signature === signature);
  };
  let steps = id.steps ?? Array.from({ length: (await caseOf(id, own)).steps }, (_, i) => i);
  for (const step of [...steps]) {
    const fewer = steps.filter((other) => other !== step);
    if (await shows({ id: { ...id, steps: fewer }, own })) steps = fewer;
  }
  const reduced = { ...id, steps };
  let { bytes } = await caseOf(reduced, own);
  const isSame = (file: Uint8Array): Promise<boolean> =>
    shows({ file: { kind: id.kind, base64: Buffer.from(file).toString('base64') }, own });
  for (let isSmaller = true; isSmaller && tries < MOST_TRIES; ) {
    isSmaller = false;
    for (const candidate of candidates(kind, await opened(kind, bytes))) {
      if (tries >= MOST_TRIES) break;
      if (candidate.length < bytes.length && (await isSame(candidate))) {
        bytes = candidate;
        isSmaller = true;
        break;
      }
    }
  }
  return { id: reduced, bytes };
}

/** A damaged file may be no structure any more. */
async function opened(kind: Kind, bytes: Uint8Array): Promise<unknown> {
  try {
    return await kind.open(bytes);
  } catch {
    return undefined;
  }
}

function* candidates(kind: Kind, structure: unknown): Generator<Uint8Array> {
  if (structure === undefined) return;
  for (const smaller of kind.smaller(structure)) {
    try {
      yield kind.write(smaller);
    } catch {
      // structures that cannot be written are not tried
    }
  }
}
