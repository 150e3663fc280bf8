/** Programs that run for a limited time, and leave nothing behind that runs. */
import { type ChildProcess, spawn } from 'node:child_process';

export interface Ended {
  /** Undefined where it did not end in time. */
  readonly code: number | undefined;
  readonly output: string;
}

export interface Surroundings {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** Milliseconds that it may take. */
  readonly most: number;
}

/** Programs that run, each with the processes that it starts: a test that does not end is a process of its own. */
export class Programs {
  readonly #running = new Set<ChildProcess>();

  run(command: string, args: readonly string[], { most, ...options }: Surroundings): Promise<Ended> {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    this.#running.add(child);
    let output = '';
    const take = (data: Buffer): void => void (output = (output + data).slice(-10_000));
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    return new Promise((done) => {
      const timer = setTimeout(() => kill(child), most);
      child.on('close', (code) => {
        clearTimeout(timer);
        this.#running.delete(child);
        done({ code: code ?? undefined, output });
      });
    });
  }

  end(): void {
    for (const child of this.#running) kill(child);
  }
}

/** Kills the group of which it is the first process. */
function kill({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // all of it has ended
  }
}
