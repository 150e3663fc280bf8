/** A child process as the parent sees it: it gets tasks, and is watched for time and memory. */
import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { findingOf, type Report } from './examination.ts';
import type { Answer, Task } from './worker.ts';

export interface Limits {
  /** Processor time that one case may take. Time on the clock says nothing on a machine that has other work. */
  readonly seconds: number;
  /** A process that waits uses no processor: seconds on the clock after which it is stuck. */
  readonly waiting: number;
  /** Resident memory. */
  readonly bytes: number;
  /** The heap of JavaScript. */
  readonly heapMegabytes: number;
}

const usualLimits: Limits = { seconds: 10, waiting: 60, bytes: 2.5 * 2 ** 30, heapMegabytes: 1024 };
/** Beyond these a child is replaced, so that the remains of one case do not count for another. */
const LARGE_BYTES = 2 ** 30;
const CASES_PER_CHILD = 5000;
const POLL_MILLISECONDS = 100;
const TICKS_PER_SECOND = 100;

export class Child {
  #process: ChildProcess | undefined;
  #cases = 0;
  readonly #script: URL;
  readonly #limits: Limits;

  constructor(script = new URL('worker.ts', import.meta.url), limits = usualLimits) {
    this.#script = script;
    this.#limits = limits;
  }

  /** Performs a task. A process that does not answer is killed, and reported as a finding. */
  async perform(task: Task): Promise<Report> {
    const child = await this.#ready();
    const { seconds, waiting, bytes } = this.#limits;
    const begun = { during: 'start', at: performance.now(), cpu: secondsOf(child) };
    return new Promise((resolve) => {
      let why: 'hang' | 'memory' | undefined;
      let stderr = '';
      const end = (report: Report): void => {
        clearInterval(watch);
        child.removeAllListeners();
        child.stderr?.removeAllListeners('data');
        resolve(report);
      };
      const watch = setInterval(() => {
        const [cpu, clock] = [secondsOf(child) - begun.cpu, (performance.now() - begun.at) / 1000];
        if (bytesOf(child) > bytes) why ??= 'memory';
        else if (cpu > seconds || (clock > waiting && cpu < 1)) why ??= 'hang';
        if (why !== undefined) child.kill('SIGKILL');
      }, POLL_MILLISECONDS);
      child.stderr?.on('data', (text: Buffer) => {
        stderr = `${stderr}${text}`.slice(-4000);
      });
      child.on('message', (answer: Answer) => {
        if (answer.type === 'begins') begun.during = answer.during;
        if (answer.type === 'done') end(answer.report);
      });
      child.on('exit', (code, signal) => {
        this.#process = undefined;
        const isFull = /heap out of memory/.test(stderr);
        const told = why ?? (isFull ? 'memory' : 'died');
        const message = why === 'hang' ? `no answer after ${seconds} s` : `${signal ?? `exit ${code}`}\n${stderr}`;
        const isPeer = begun.during === 'peer'; // another engine's fault
        const findings = isPeer ? [] : [findingOf(told, begun.during, message)];
        end({ stage: 'refused', codes: [], operators: [], findings });
      });
      child.send(task);
    });
  }

  async #ready(): Promise<ChildProcess> {
    this.#cases++;
    if (this.#process && (this.#cases > CASES_PER_CHILD || bytesOf(this.#process) > LARGE_BYTES)) await this.dispose();
    if (this.#process) return this.#process;
    this.#cases = 0;
    const child = fork(this.#script, {
      execArgv: ['--import', 'tsx', `--max-old-space-size=${this.#limits.heapMegabytes}`],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#process = child;
    let said = '';
    child.stderr?.on('data', (text: Buffer) => {
      said = `${said}${text}`;
    });
    await new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve());
      child.once('exit', (code) => reject(new Error(`the child process does not start: exit ${code}\n${said}`)));
    });
    child.removeAllListeners();
    child.stderr?.removeAllListeners('data');
    return child;
  }

  async dispose(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined) return;
    child.removeAllListeners();
    child.kill('SIGKILL');
    while (child.exitCode === null && child.signalCode === null) await pause(5);
  }
}

/** From /proc; 0 where the process is gone. */
function field(child: ChildProcess, file: string, read: (fields: string[]) => number): number {
  try {
    return read(
      readFileSync(`/proc/${child.pid}/${file}`, 'utf8')
        .replace(/^.*\) /, '')
        .split(' '),
    );
  } catch {
    return 0;
  }
}

const secondsOf = (child: ChildProcess): number =>
  field(child, 'stat', (fields) => (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND);
const bytesOf = (child: ChildProcess): number => field(child, 'statm', (fields) => Number(fields[1]) * 4096);
