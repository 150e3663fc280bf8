/** The meaning of a model for some inputs: what the interpreter computes, in a process that may take too long. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EngineProcess } from './engine_process.ts';
import type { StoredTensors } from './protocol.ts';
import type { RowOptions } from './row.ts';

/** The outputs by the interpreter for the first inputs, or why there are none: it is given that many seconds. */
export async function meaningOf(
  { path, feeds, profile }: Pick<RowOptions, 'path' | 'feeds' | 'profile'>,
  seconds: number,
): Promise<StoredTensors | string> {
  const folder = mkdtempSync(join(tmpdir(), 'unskew-zoo-'));
  const [given, file] = [join(folder, 'feeds.json'), join(folder, 'outputs.json')];
  writeFileSync(given, JSON.stringify(feeds.slice(0, 1)));
  const child = new EngineProcess({
    ...{ engine: 'interpreter', model: path, threads: 1, feeds: given },
    ...(profile !== undefined && { profile }),
  });
  const end = setTimeout(() => child.close(), 1000 * seconds);
  try {
    const started = await child.started();
    if ('refused' in started)
      return started.coldMs >= 1000 * seconds ? `the interpreter takes more than ${seconds} s` : started.refused;
    await child.ask({ do: 'outputs', file });
    return JSON.parse(readFileSync(file, 'utf8'));
  } finally {
    clearTimeout(end);
    child.close();
    rmSync(folder, { recursive: true });
  }
}
