/** `unskew strategies --measure`, from the command line to the cache. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addonAvailable } from '../../../src/runtime/addon.ts';
import { describeUnless } from '../../support/unless.ts';
import { json, quantizedConv, unskew, workFolder } from '../cli/support.ts';

describeUnless(addonAvailable().available ? undefined : 'the addon is not built', 'strategies --measure', () => {
  const work = workFolder();
  const model = work.write('conv.onnx', quantizedConv());
  const cache = mkdtempSync(join(tmpdir(), 'unskew-cache-'));
  const before = process.env.XDG_CACHE_HOME;
  const shape = ['--shape', 'x=1,1,4,4', '--threads', '1'];
  beforeAll(() => {
    process.env.XDG_CACHE_HOME = cache;
  });
  afterAll(() => {
    if (before === undefined) delete process.env.XDG_CACHE_HOME;
    else process.env.XDG_CACHE_HOME = before;
    rmSync(cache, { recursive: true, force: true });
    work.dispose();
  });

  test('without keeping', async () => {
    const { result, code } = await json(['strategies', model, '--measure=2', '--ignore-measured', ...shape]);
    expect(code).toBe(0);
    expect(result.measured).toMatchObject({ rounds: 2 });
    expect(result.measured.kept).toBeUndefined();
    expect(existsSync(join(cache, 'unskew'))).toBe(false);
  });

  test('every way with its predicted and measured cost, which is kept and used from then on', async () => {
    const { result, code } = await json(['strategies', model, '--measure=4', ...shape]);
    expect(code).toBe(0);
    expect(result).toMatchObject({ target: 'onednn', threads: 1, layers: [{ layer: 'conv1' }] });
    expect(result.costs).not.toContain('this machine');
    const [layer] = result.measured.layers;
    expect(result.measured.layers).toHaveLength(1);
    expect(layer).toMatchObject({ layers: ['conv1'], op: 'qnn.conv', class: { taps: 9, padded: true, positions: 16 } });
    expect(layer.ways.map((way: { name: string }) => way.name)).toEqual([
      'fold',
      'border-table',
      'pad',
      'native',
      'four-term',
      'two-conv',
      'f32-shift',
      's32-shift',
    ]);
    for (const way of layer.ways) {
      expect(way.predicted).toBeGreaterThan(0);
      if (way.measured === undefined) expect(way.reason).toBeTruthy();
      else expect(way.measured).toBeGreaterThan(0);
    }
    const costOf = (name: string) => layer.ways.find((way: { name: string }) => way.name === name).measured;
    expect(layer.overBest).toBeCloseTo(costOf(layer.chosen) / costOf(layer.best), 9);
    expect(layer.isNearBest).toBe(layer.overBest <= 1.05);
    expect(result.measured.total.chosen).toBeCloseTo(costOf(layer.chosen), 9);
    expect(result.measured.total.best).toBeCloseTo(costOf(layer.best), 9);

    expect(JSON.parse(readFileSync(result.measured.kept, 'utf8')).rows).toHaveLength(1);
    const again = (await json(['strategies', model, ...shape])).result;
    expect(again.costs).toMatch(/^measured on this machine/);
    expect(again.layers[0].chosen).toBe(layer.best);
    const ignoring = (await json(['strategies', model, '--ignore-measured', ...shape])).result;
    expect(ignoring.layers[0].chosen).toBe(result.layers[0].chosen);
  });

  test('as text', async () => {
    const { stdout, code } = await unskew(['strategies', model, '--measure=1', ...shape]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/Measured in 1 round, predicted\/measured/);
    expect(stdout).toMatch(/The choice is within 5 % of the best way on [01] of 1 distinct layer\./);
    expect(stdout).toContain(`Kept in ${cache}`);
  });

  test('sizes have to be known, and a compiled model has chosen already', async () => {
    const { stderr, code } = await unskew(['strategies', model, '--measure']);
    expect(code).toBe(1);
    expect(stderr).toContain('--shape x=SIZES');
    const compiled = work.path('conv.unskew');
    await unskew(['compile', model, '-o', compiled]);
    expect((await unskew(['strategies', compiled, '--measure'])).code).toBe(2);
  });
});
