/**
 * Processors without VNNI, which add pairs of products in int16: compiled models equal the interpreter, where oneDNN without
 * our care is wrong. /
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { IsaReport } from './on_isa.ts';

const deep = process.env.UNSKEW_DEEP !== undefined;
const script = fileURLToPath(new URL('on_isa.ts', import.meta.url));

async function report(isa: string): Promise<IsaReport> {
  const [runs, seed] = deep ? [10_000, Date.now()] : [60, 1];
  const networks = deep ? '.' : '(digits|mlp)_a-qop-';
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', script, `${runs}`, `${seed}`, networks],
    { env: { ...process.env, DNNL_MAX_CPU_ISA: isa }, maxBuffer: 1 << 26 },
  );
  return JSON.parse(stdout);
}

const isas = { AVX2: 'avx2', AVX512_CORE: 'avx512' } as const;
const reports = new Map<string, IsaReport>();
const hasAvx512 = /\bavx512bw\b/.test(readFileSync('/proc/cpuinfo', 'utf8'));

describe.each(Object.keys(isas))('oneDNN limited to %s', (name) => {
  beforeEach(({ skip }) => skip(name === 'AVX512_CORE' && !hasAvx512, 'this processor does not have AVX-512'));
  beforeAll(async () => {
    if (reports.size > 0) return;
    await Promise.all(Object.keys(isas).map(async (isa) => reports.set(isa, await report(isa))));
  }, 3_600_000);
  const of = (): IsaReport => reports.get(name) as IsaReport;

  it('computes random products exactly, on primitives and kernels', () => {
    expect(of().isa).toBe(isas[name as 'AVX2']);
    expect(of().counterexample).toBeUndefined();
    expect(of().fallbacks.filter((reason) => /satur|2\^24|primitive serves/.test(reason))).toEqual([]);
  });

  it('computes depthwise convolutions exactly, with every epilogue', () => {
    expect(of().wrongEnds).toEqual([]);
  });

  it('computes networks of the corpus exactly', () => {
    expect(of().networks).toBeGreaterThan(deep ? 30 : 1);
    expect(of().wrongNetworks).toEqual([]);
  });

  it('is wrong when it is left alone', () => {
    expect(of().stockWrong).toBeGreaterThan(0.2);
  });
});
