/** Models leave nothing behind when they are disposed of, dropped, or end with their worker. */
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const child = fileURLToPath(new URL('./child.ts', import.meta.url));
const isDeep = process.env.UNSKEW_DEEP !== undefined;
/** Nothing here is a matter of speed: a busy machine takes its time. */
const timeout = 3_600_000;

interface Left {
  readonly results: Readonly<Record<string, { readonly grown: number; readonly threads: number }>>;
  readonly sums: readonly number[];
}

function leftBy(kind: 'models' | 'workers', count: number): Left {
  const { stdout, stderr, status, signal } = spawnSync(
    process.execPath,
    ['--expose-gc', '--import', 'tsx', child, kind, String(count)],
    { encoding: 'utf8' },
  );
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
  return JSON.parse(stdout);
}

describe('a process', () => {
  // a session and a result hold 4 MiB each: to lose one of them each time would show
  it('keeps no memory and no threads of models that are gone', { timeout }, () => {
    const { results, sums } = leftBy('models', isDeep ? 1000 : 40);
    expect(Object.keys(results)).toHaveLength(5);
    for (const [name, { grown, threads }] of Object.entries(results)) {
      expect({ name, grown }).toEqual({ name, grown: expect.toSatisfy((mebibytes) => mebibytes < 80) });
      expect({ name, threads }).toEqual({ name, threads: expect.toSatisfy((n) => n <= availableParallelism()) });
    }
    expect(sums).toEqual([3, -2]);
  });

  it('goes on when workers are terminated while they compile and run', { timeout }, () => {
    const { results, sums } = leftBy('workers', isDeep ? 100 : 3);
    expect(results.workers.threads).toBeLessThanOrEqual(availableParallelism());
    if (isDeep) expect(results.workers.grown).toBeLessThan(200);
    expect(sums).toEqual([3, -2]);
  });
});
