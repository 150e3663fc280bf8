/**
 * Files beside others, which take the others' names when they are whole. Files that a signal or an error leaves
 * unfinished are removed at once; those of a killed process are removed by the next one that writes into the same
 * folder.
 */
import { createHash } from 'node:crypto';
import { constants, openSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { systemCode } from '../diagnostics/index.ts';

export interface Beside {
  readonly path: string;
  readonly descriptor: number;
  /** Says that it has become the file: nothing is to be removed. */
  keep(): void;
  remove(): void;
}

/** Names are unique in this process, and short whatever the name of the file will be. */
let made = 0;
const leftOver = new Set<string>();
const removeLeftOver = (): void => {
  for (const path of leftOver) discard(path);
  leftOver.clear();
};
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Cleans up, then lets the signal take its usual effect. */
function onSignal(signal: NodeJS.Signals): void {
  removeLeftOver();
  watch('off');
  process.kill(process.pid, signal);
}
function watch(how: 'on' | 'off'): void {
  for (const signal of signals) process[how](signal, onSignal);
  process[how]('exit', removeLeftOver);
}

/** A new file in the folder, opened at once so that no signal comes between its making and its being known. */
export function openBeside(folder: string, mode: number): Beside {
  removeOrphans(folder);
  for (;;) {
    const path = join(folder, `.unskew-${machine()}-${process.pid}-${made++}.part`);
    let descriptor: number;
    if (leftOver.size === 0) watch('on');
    leftOver.add(path);
    const forget = (): void => {
      if (leftOver.delete(path) && leftOver.size === 0) watch('off');
    };
    try {
      descriptor = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode);
    } catch (error) {
      forget();
      if (systemCode(error) === 'EEXIST') continue;
      throw error;
    }
    return {
      path,
      descriptor,
      keep: forget,
      remove() {
        if (leftOver.has(path)) discard(path);
        forget();
      },
    };
  }
}

const ours = /^\.unskew-([0-9a-f]{8})-(\d+)-\d+\.part$/;
const A_DAY = 24 * 60 * 60 * 1000;

/**
 * Removes files of processes that are gone. Files of other machines, which may write into the same folder, stay for a
 * day.
 */
function removeOrphans(folder: string): void {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return; // a folder that may be written and not read
  }
  for (const name of names) {
    const [, where, pid] = ours.exec(name) ?? [];
    if (where === undefined) continue;
    const path = join(folder, name);
    if (where === machine() ? !isAlive(Number(pid)) : isOlderThanADay(path)) discard(path);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) !== 'ESRCH';
  }
}

function isOlderThanADay(path: string): boolean {
  try {
    return Date.now() - statSync(path).mtimeMs > A_DAY;
  } catch {
    return false;
  }
}

let machineName: string | undefined;
/** Identifies the scope in which a process number is unique: one boot of one system, and one container in it. */
function machine(): string {
  const of = (read: () => string): string => {
    try {
      return read();
    } catch {
      return '';
    }
  };
  machineName ??= createHash('sha256')
    .update(`${of(hostname)}\n`)
    .update(`${of(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8'))}\n`)
    .update(of(() => readlinkSync('/proc/self/ns/pid')))
    .digest('hex')
    .slice(0, 8);
  return machineName;
}

function discard(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // its folder cannot be written any more: it stays
  }
}
