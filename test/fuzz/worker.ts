/** The child process: builds cases, examines them, and announces each step before it begins. */
import { type CaseId, caseOf } from './cases.ts';
import { Examination, findingOf, type Report } from './examination.ts';
import { kinds } from './kinds/index.ts';
import type { Kind, KindName } from './kinds/kind.ts';

export interface Task {
  /** A case to build, or a file that is there already. */
  readonly id?: CaseId;
  readonly file?: { readonly kind: KindName; readonly base64: string };
  readonly own: boolean;
}

export type Answer =
  | { readonly type: 'ready' }
  | { readonly type: 'begins'; readonly during: string }
  | { readonly type: 'done'; readonly report: Report };

const send = (answer: Answer): void => void process.send?.(answer);

async function perform({ id, file, own }: Task): Promise<Report> {
  const name = id?.kind ?? file?.kind;
  const kind = kinds.find((known) => known.name === name) as Kind;
  const bytes = file ? Buffer.from(file.base64, 'base64') : (await caseOf(id as CaseId, own)).bytes;
  const examination = new Examination((during) => send({ type: 'begins', during }));
  await kind.examine(Uint8Array.from(bytes), examination);
  return examination.report();
}

if (process.send !== undefined) {
  process.on('message', (task: Task) => {
    perform(task).then(
      (report) => send({ type: 'done', report }),
      (error: Error) => {
        const finding = findingOf('uncaught', 'the campaign itself', error.stack ?? String(error));
        send({ type: 'done', report: { stage: 'refused', codes: [], operators: [], findings: [finding] } });
      },
    );
  });
  send({ type: 'ready' });
}
