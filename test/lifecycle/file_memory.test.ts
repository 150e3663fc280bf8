/** The most memory that a process takes which compiles a file and runs it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { tensor } from '../../src/ir/index.ts';
import { writeModel } from '../support/onnx.ts';

const LAYERS = 12;
const WIDTH = 2048;
/** Of weights, in mebibytes. */
const WEIGHTS = (LAYERS * WIDTH * WIDTH) / 2 ** 20;

const number = (name: string, dtype: 'f32' | 'u8' | 's8', value: number) => ({
  name,
  tensor: tensor(dtype, [value], []),
});

/** Matrix products one behind the other. */
const network = (width: number, rows: number | string): Uint8Array =>
  writeModel({
    inputs: [{ name: 'x0', type: 'uint8', dims: [rows, width] }],
    outputs: [{ name: `x${LAYERS}` }],
    initializers: [
      number('sx', 'f32', 0.5),
      number('zx', 'u8', 130),
      number('sw', 'f32', 0.001),
      number('zw', 's8', 0),
      ...Array.from({ length: LAYERS }, (_, layer) => ({
        name: `w${layer}`,
        tensor: tensor(
          's8',
          Int8Array.from({ length: width * width }, (_, i) => ((i * 37 + layer) % 127) - 63),
          [width, width],
        ),
      })),
    ],
    nodes: Array.from({ length: LAYERS }, (_, layer) => ({
      op: 'QLinearMatMul',
      inputs: [`x${layer}`, 'sx', 'zx', `w${layer}`, 'sw', 'zw', 'sx', 'zx'],
      outputs: [`x${layer + 1}`],
    })),
  });

const folder = mkdtempSync(join(tmpdir(), 'unskew-memory-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Taken {
  readonly peak: number;
  readonly sum: number;
}

/** In a process of its own: the peak in mebibytes, and the sum of the results. */
function takenBy(bytes: Uint8Array, width: number, how: 'file' | 'compiled' | 'bytes'): Taken {
  const file = join(folder, 'model.onnx');
  writeFileSync(file, bytes);
  const library = JSON.stringify(new URL('../../src/index.ts', import.meta.url).href);
  const cli = JSON.stringify(new URL('../../src/cli/main.ts', import.meta.url).href);
  const inProcess = (script: string) => {
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '-e', script],
      { encoding: 'utf8' },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    return stdout;
  };
  const compiled = join(folder, 'model.unskew');
  if (how === 'compiled')
    inProcess(
      `process.argv.push('unskew', 'compile', ${JSON.stringify(file)}, '-o', ${JSON.stringify(compiled)}); await import(${cli});`,
    );
  const source = how === 'compiled' ? JSON.stringify(compiled) : JSON.stringify(file);
  const stdout = inProcess(`
    import { readFileSync } from 'node:fs';
    const { compile } = await import(${library});
    const source = ${how === 'bytes' ? `readFileSync(${source})` : source};
    const model = await compile(source, { threads: 1, backends: ['onednn'] });
    const x0 = { type: 'uint8', data: Uint8Array.from({ length: ${width} }, (_, i) => (i * 7) & 255), dims: [1, ${width}] };
    const outputs = await model.run({ x0 });
    const { data } = Object.values(outputs)[0];
    console.log(JSON.stringify({ peak: process.resourceUsage().maxRSS / 1024, sum: data.reduce((a, b) => a + b, 0) }));`);
  return JSON.parse(stdout);
}

describe('a file with much weight', () => {
  // packing takes the place of what has been packed: all else is 1.0, with a copy 2.0, with the copy of sessions 3.0
  it(`takes its bytes once, also while they are packed`, { timeout: 300_000 }, () => {
    const [small, large] = [network(16, 1), network(WIDTH, 1)];
    const floor = takenBy(small, 16, 'file').peak;
    const file = takenBy(large, WIDTH, 'file');
    expect((file.peak - floor) / WEIGHTS).toBeLessThan(1.5);
    const bytes = takenBy(large, WIDTH, 'bytes');
    expect(bytes.sum).toBe(file.sum);
    expect((bytes.peak - floor) / WEIGHTS).toBeLessThan(2.5);
    const compiled = takenBy(large, WIDTH, 'compiled');
    expect(compiled.sum).toBe(file.sum);
    expect((compiled.peak - floor) / WEIGHTS).toBeLessThan(1.5);
    // sizes that are known with a run read the file again where they need it
    for (const how of ['file', 'compiled'] as const) {
      const open = takenBy(network(WIDTH, 'N'), WIDTH, how);
      expect(open.sum).toBe(file.sum);
      expect((open.peak - floor) / WEIGHTS).toBeLessThan(1.5);
    }
  });
});
