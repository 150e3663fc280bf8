/** Exit codes and messages of each class of failure. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, describe, expect, test } from 'vitest';
import { writeNpy } from '../../../src/cli/npy.ts';
import { InternalError } from '../../../src/diagnostics/index.ts';
import { tensor } from '../../../src/ir/index.ts';
import { defineCommand } from '../../support/command.ts';
import { quantizedConv, unskew, workFolder } from './support.ts';

const work = workFolder();
const bytes = quantizedConv();
const model = work.write('conv.onnx', bytes);
const truncated = work.write('truncated.onnx', bytes.subarray(0, bytes.length - 40));
const garbage = work.write('garbage.onnx', 'not a model at all');
const npy = work.write('x.npy', writeNpy(tensor('f32', new Float32Array(16), [1, 1, 4, 4])));
const wide = work.write('wide.npy', writeNpy(tensor('f32', new Float32Array(25), [1, 1, 5, 5])));
const bytesNpy = work.write('bytes.npy', writeNpy(tensor('u8', new Uint8Array(16), [1, 1, 4, 4])));
const broken = work.write('broken.qir', 'graph @main(%x: f32[1]) -> (%y) {\n  %y = nn.reluu(%x) : f32[1]\n}\n');
const good = work.write('good.qir', 'graph @main(%x: f32[1]) -> (%y) {\n  %y = nn.relu(%x) : f32[1]\n}\n');
afterAll(work.dispose);

describe('the model or an input is at fault: exit code 1', () => {
  const missing = work.path('missing.onnx');
  test.each([
    ['a missing file', ['inspect', missing], 'U1001', 'the file or folder does not exist'],
    ['a truncated file', ['inspect', truncated], 'U1003', truncated],
    ['a text file', ['run', garbage, '--random', '1'], 'U1002', 'it is a text file'],
    ['a folder', ['inspect', work.folder], 'U1001', 'EISDIR'],
    ['no input', ['run', model], 'U4001', "'x' is an input without a tensor"],
    ['an unknown input', ['run', model, '--input', `z=${npy}`], 'U4001', "the model has no input 'z'"],
    ['a wrong shape', ['run', model, '--input', `x=${wide}`], 'U4001', 'should be f32[N,1,4,4], but is f32[1,1,5,5]'],
    ['a wrong type', ['run', model, '--input', `x=${bytesNpy}`], 'U4001', 'but is u8[1,1,4,4]'],
    ['a model as input', ['run', model, '--input', `x=${garbage}`], 'U1002', 'this is not a tensor: it is a text file'],
    [
      'sizes that do not fit',
      ['run', model, '--random', '1', '--shape', 'x=1,3,4,4'],
      'U4002',
      "axis 1 of 'x' is 1, not 3",
    ],
    ['a batch that is fixed', ['check', broken, '--batch', '2'], 'U3001', 'nn.reluu'],
    ['IR for ONNX Runtime', ['bench', good, '--vs', 'onnxruntime'], 'U4002', 'onnxruntime runs ONNX models only'],
    ['wrong IR', ['opt', broken], 'U3001', "line 2, column 3: 'nn.reluu' is not an operator"],
    ['a layer that is not there', ['check', model, '--strategy', 'conv9=pad'], 'U4002', "'conv9'"],
    ['a way that is not legal', ['strategies', model, '--strategy', 'conv1=fold'], 'U6003', 'legal here: '],
    ['an output that cannot be written', ['compile', model, '-o', `${model}/x`], 'U1007', 'cannot be written'],
  ])('%s', async (_what, args, code, message) => {
    const { code: exit, stdout, stderr } = await unskew(args);
    expect({ exit, stdout }).toEqual({ exit: 1, stdout: '' });
    expect(stderr).toContain(`error[${code}]`);
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/^ +at .*\.ts:\d+/m);
    const json = await unskew([...args, '--json']);
    const { error } = JSON.parse(json.stdout);
    expect(error).toMatchObject({ kind: 'model', diagnostics: [{ code, severity: 'error' }] });
    expect(json.code).toBe(1);
  });
});

describe('the command line is at fault: exit code 2', () => {
  test.each([
    [['rnu'], "'rnu' is not a command; did you mean 'run'?"],
    [['--json'], 'the first word should be a command, not --json'],
    [['run'], 'MODEL is missing'],
    [['run', model, '--radnom', '1'], 'did you mean --random?'],
    [['run', model, '--random', '1', '--shape', 'x=big'], "--shape x: 'big' is not a list of sizes"],
    [['compile', model], '--output is missing'],
    [['compile', model, '-o', model], 'would overwrite the input'],
    [['rewrite', model], '--output is missing'],
    [['check', model, '--strategy', 'fast'], "'fast' is not a strategy"],
    [['check', model, '--strategy', 'pad', '--strategy', 'conv1=fold'], 'cannot be combined'],
    [['inspect', broken, '--profile', 'ort'], '--profile is for ONNX, PyTorch and TensorFlow Lite models'],
    [['inspect', broken, '--state', 'refuse'], '--state is for PyTorch and TensorFlow Lite models'],
    [['opt', model, '--passes=inline'], "'inline' is not a pass"],
    [['bench', model, '--per-node', '--backend', 'reference'], '--per-node needs the onednn backend'],
  ])('%j', async (args, message) => {
    const { code, stderr } = await unskew(args);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^usage: /);
    expect(stderr).toContain(message);
    const json = await unskew([...args, '--json']);
    expect(JSON.parse(json.stdout).error).toMatchObject({ kind: 'usage', diagnostics: [{ code: 'U4004' }] });
    expect(new Uint8Array(readFileSync(model))).toEqual(bytes);
  });
});

describe('our bug: exit code 70', () => {
  const crash = (error: unknown) =>
    defineCommand({
      name: 'crash',
      summary: 'Crash',
      arguments: {},
      options: {},
      examples: [],
      run: async () => {
        throw error;
      },
      format: () => undefined,
    });

  test.each([new InternalError('no value %x'), new TypeError('x is not a function'), 'a string'])(
    '%s',
    async (error) => {
      const setting = { commands: [crash(error)], reports: work.path('reports') };
      const { code, stdout, stderr } = await unskew(['crash', '-q'], setting);
      expect({ code, stdout }).toEqual({ code: 70, stdout: '' });
      expect(stderr).toContain(`internal error: ${error instanceof Error ? error.message : error}\n`);
      const report = /with (\S+\.txt)/.exec(stderr)?.[1] as string;
      expect(existsSync(report)).toBe(true);
      expect(readFileSync(report, 'utf8')).toMatch(/^unskew crash -q\nin \/.*\nunskew \d/);
      expect(stderr).not.toContain('failures.test.ts');
      const verbose = await unskew(['crash', '-v', '--json'], setting);
      if (error instanceof Error) expect(verbose.stderr).toContain('failures.test.ts');
      expect(JSON.parse(verbose.stdout).error).toMatchObject({ kind: 'internal', diagnostics: [{ code: 'U9001' }] });
    },
  );

  test('a report that cannot be written where it should be is written among temporary files', async () => {
    const { code, stderr } = await unskew(['crash'], {
      commands: [crash(new Error('x'))],
      reports: `${model}/reports`,
    });
    expect(code).toBe(70);
    const report = /with (\S+\.txt)/.exec(stderr)?.[1] as string;
    expect(report.startsWith(tmpdir())).toBe(true);
    rmSync(report);
  });
});
