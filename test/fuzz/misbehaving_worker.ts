/** A child process that misbehaves: the name of its fault comes as the file. */
import type { Answer, Task } from './worker.ts';

const send = (answer: Answer): void => void process.send?.(answer);

const faults: Readonly<Record<string, () => void>> = {
  loop() {
    for (;;);
  },
  wait() {},
  abort: () => process.abort(),
  exit: () => process.exit(3),
  allocate() {
    const held: Uint8Array[] = [];
    for (;;) held.push(new Uint8Array(2 ** 26).fill(1));
  },
  heap() {
    const held: object[] = [];
    for (;;) held.push({ at: held.length });
  },
};

process.on('message', ({ file }: Task) => {
  const fault = Buffer.from(file?.base64 ?? '', 'base64').toString();
  send({ type: 'begins', during: fault });
  if (fault === 'nothing')
    send({ type: 'done', report: { stage: 'executed', codes: [], operators: [], findings: [] } });
  else setTimeout(faults[fault]); // the message has left by then
});
send({ type: 'ready' });
