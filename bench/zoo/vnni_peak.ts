/** What the processor can do at most, measured beside the networks: the rate of vpdpbusd on registers. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MEASURE_MS = 60;

/** The measuring program; `perSecond` are multiply-adds. */
export interface VnniPeak {
  perSecond(threads: number): number;
  dispose(): void;
}

/** Undefined on a processor without VNNI, and where there is no C++ compiler. */
export function buildVnniPeak(): VnniPeak | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'unskew-peak-'));
  const program = join(folder, 'vnni_peak');
  const source = fileURLToPath(new URL('vnni_peak.cc', import.meta.url));
  const perSecond = (threads: number) =>
    Number(execFileSync(program, [`${threads}`, `${MEASURE_MS}`], { encoding: 'utf8' }));
  const dispose = () => rmSync(folder, { recursive: true });
  try {
    execFileSync(process.env.CXX ?? 'c++', ['-O2', '-pthread', source, '-o', program], { stdio: 'ignore' });
    if (perSecond(1) > 0) return { perSecond, dispose };
  } catch {
    console.error('the peak of VNNI is not measured: the compiler does not make vnni_peak.cc');
  }
  dispose();
  return undefined;
}
