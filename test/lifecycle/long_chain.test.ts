/** A run lets values go when nobody reads them any more, also between parts of different back ends. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { writeModel } from '../support/onnx.ts';

const STEPS = 80;
const MEBIBYTES = 8;
const size = MEBIBYTES * 2 ** 17;

/** Steps of 8 MiB that the addon and the interpreter compute in turns. */
const chain = (): Uint8Array =>
  writeModel({
    inputs: [{ name: 'x0', type: 'float64', dims: [size] }],
    outputs: [{ name: `x${STEPS}` }],
    nodes: Array.from({ length: STEPS }, (_, i) => ({
      op: i % 2 === 0 ? 'Neg' : 'Sin',
      inputs: [`x${i}`],
      outputs: [`x${i + 1}`],
    })),
  });

/** The mebibytes by which a process grows that runs the chain twice. */
function grownBy(how: 'run' | 'runSync'): number {
  const script = `
    const { compile } = await import(${JSON.stringify(new URL('../../src/index.ts', import.meta.url).href)});
    const model = await compile(Buffer.from(process.env.CHAIN, 'base64'), { threads: 1, backends: ['onednn'] });
    const x0 = { type: 'float64', data: new Float64Array(${size}).fill(0.5), dims: [${size}] };
    const peak = () => process.resourceUsage().maxRSS / 1024;
    const before = peak();
    for (let i = 0; i < 2; i++) await model.${how}({ x0 });
    if (model.fallbacks.length !== ${STEPS / 2}) throw new Error('the steps are not computed in turns');
    console.log(peak() - before);`;
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '-e', script],
    { encoding: 'utf8', env: { ...process.env, CHAIN: Buffer.from(chain()).toString('base64') } },
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return Number(stdout);
}

describe.each(['run', 'runSync'] as const)('%s', (how) => {
  it(`of ${STEPS} steps takes the memory of some of them`, { timeout: 120_000 }, () => {
    expect(grownBy(how)).toBeLessThan(STEPS * MEBIBYTES * 0.7);
  });
});
