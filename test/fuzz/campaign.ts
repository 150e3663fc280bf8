/** Cases one after another, as many as the time allows, by one or several child processes. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CaseId, caseOf, formatCase } from './cases.ts';
import { Child } from './child.ts';
import type { Finding } from './examination.ts';
import type { KindName } from './kinds/kind.ts';
import { minimized } from './minimize.ts';
import { type KindTally, newTally, tally } from './tally.ts';

export interface CampaignOptions {
  /** The campaign ends with the time or with the cases of each kind; an absent limit does not end it. */
  readonly seconds?: number;
  readonly cases?: number;
  readonly kinds: readonly KindName[];
  /** The first case of each kind; the others follow. */
  readonly seed: number;
  /** Only seeds that every clone has. */
  readonly own: boolean;
  readonly workers: number;
  /** True when faults are minimized and kept. */
  readonly keep: boolean;
  readonly progress?: (state: CampaignState) => void;
}

/** One fault, as far as signatures tell. */
export interface Fault {
  readonly finding: Finding;
  readonly id: string;
  readonly from: string;
  count: number;
  /** The minimized case, and the file that it was kept in. */
  minimal?: string;
  file?: string;
}

export interface CampaignState {
  readonly seconds: number;
  readonly tallies: ReadonlyMap<KindName, KindTally>;
  readonly faults: readonly Fault[];
}

/** Cases that are kept in the repository are smaller. */
const MOST_KEPT_BYTES = 20_000;
export const keptFolder = fileURLToPath(new URL('cases/', import.meta.url));

export async function campaign(options: CampaignOptions): Promise<CampaignState> {
  const start = performance.now();
  const elapsed = () => (performance.now() - start) / 1000;
  const tallies = new Map(options.kinds.map((kind) => [kind, newTally()]));
  const faults = new Map<string, Fault>();
  const state = (): CampaignState => ({ seconds: elapsed(), tallies, faults: [...faults.values()] });
  const { seconds = Infinity, cases = Infinity } = options;
  let next = 0;
  const work = async (): Promise<void> => {
    const child = new Child();
    try {
      while (elapsed() < seconds && next < cases * options.kinds.length) {
        const n = next++;
        const kind = options.kinds[n % options.kinds.length];
        const id: CaseId = { kind, seed: options.seed + Math.floor(n / options.kinds.length) };
        const before = performance.now();
        const report = await child.perform({ id, own: options.own });
        tally(tallies.get(kind) as KindTally, report, (performance.now() - before) / 1000);
        for (const finding of report.findings) await note(finding, id, child, options, faults);
        options.progress?.(state());
      }
    } finally {
      await child.dispose();
    }
  };
  await Promise.all(Array.from({ length: options.workers }, work));
  return state();
}

async function note(
  finding: Finding,
  id: CaseId,
  child: Child,
  { own, keep }: CampaignOptions,
  faults: Map<string, Fault>,
): Promise<void> {
  const key = `${id.kind} ${finding.signature}`;
  const known = faults.get(key);
  if (known) {
    known.count++;
    return;
  }
  const fault: Fault = { finding, id: formatCase(id), from: (await caseOf(id, own)).from, count: 1 };
  faults.set(key, fault);
  if (!keep) return;
  const minimal = await minimized(id, finding, child, own);
  fault.minimal = formatCase(minimal.id);
  fault.file = kept(id, finding, minimal.bytes);
}

/** Beside the tests that replay it, or where it is too large for that in the folder for temporary files. */
function kept({ kind, seed }: CaseId, { class: name, message }: Finding, bytes: Uint8Array): string {
  const folder = bytes.length > MOST_KEPT_BYTES ? join(tmpdir(), 'unskew-fuzz', kind) : join(keptFolder, kind);
  mkdirSync(folder, { recursive: true });
  const words =
    message
      .split('\n')[0]
      .toLowerCase()
      .match(/[a-z]+/g) ?? [];
  const file = join(folder, `${name}-${words.slice(0, 7).join('-')}-${seed}.${kind}`);
  writeFileSync(file, bytes);
  return file;
}
