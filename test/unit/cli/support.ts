/** The command line in this process, its streams caught; small models in a folder of their own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CliOptions, cli } from '../../../src/cli/cli.ts';
import { tensor } from '../../../src/ir/index.ts';
import { type Model, writeModel } from '../../support/onnx.ts';

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The file that went to stdout, for `-o -`. */
  readonly file?: Uint8Array;
}

export interface Setting extends CliOptions {
  readonly stdin?: string | Uint8Array;
  readonly isTTY?: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

export async function unskew(args: readonly string[], setting: Setting = {}): Promise<Outcome> {
  const { stdin = '', isTTY = false, env = {}, ...options } = setting;
  let [stdout, stderr] = ['', ''];
  const sent: Uint8Array[] = [];
  const code = await cli(
    args,
    {
      stdout: { write: (text) => void (stdout += text), isTTY },
      stderr: { write: (text) => void (stderr += text), isTTY },
      sendFile: async (contents) => void sent.push(contents),
      readStdin: async () => Buffer.from(stdin as Uint8Array),
      env,
    },
    { reports: join(tmpdir(), 'unskew-cli-reports'), ...options },
  );
  return { code, stdout, stderr, ...(sent.length > 0 && { file: Buffer.concat(sent) }) };
}

/** The result that --json prints. */
export async function json(args: readonly string[], setting?: Setting) {
  const outcome = await unskew([...args, '--json'], setting);
  return { ...outcome, result: JSON.parse(outcome.stdout) };
}

/** A folder that is removed by `dispose`. */
export function workFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'unskew-cli-'));
  return {
    folder,
    path: (name: string): string => join(folder, name),
    write(name: string, contents: string | Uint8Array): string {
      writeFileSync(join(folder, name), contents);
      return join(folder, name);
    },
    dispose: () => rmSync(folder, { recursive: true, force: true }),
  };
}

const s8 = (values: readonly number[], shape: readonly number[]) => tensor('s8', values, shape);

/** quantize, QLinearConv with padding and a zero point of 114, dequantize; dynamic batch. */
export const quantizedConv = (change: Partial<Model> = {}): Uint8Array =>
  Uint8Array.from(
    writeModel({
      nodes: [
        { op: 'QuantizeLinear', inputs: ['x', 'sx', 'zx'], outputs: ['xq'], name: 'quantize' },
        {
          op: 'QLinearConv',
          inputs: ['xq', 'sx', 'zx', 'w', 'sw', 'zw', 'sy', 'zy', 'bias'],
          outputs: ['yq'],
          attrs: { pads: [1, 1, 1, 1] },
          name: 'conv1',
        },
        { op: 'DequantizeLinear', inputs: ['yq', 'sy', 'zy'], outputs: ['y'], name: 'dequantize' },
      ],
      inputs: [{ name: 'x', type: 'float32', dims: ['N', 1, 4, 4] }],
      outputs: [{ name: 'y', type: 'float32', dims: ['N', 2, 4, 4] }],
      initializers: [
        { name: 'sx', tensor: tensor('f32', [0.05], []) },
        { name: 'zx', tensor: tensor('u8', [114], []) },
        { name: 'w', tensor: s8([1, -2, 3, -4, 5, -6, 7, -8, 9, 9, 8, 7, 6, 5, 4, 3, 2, 1], [2, 1, 3, 3]) },
        { name: 'sw', tensor: tensor('f32', [0.02], []) },
        { name: 'zw', tensor: s8([0], []) },
        { name: 'sy', tensor: tensor('f32', [0.1], []) },
        { name: 'zy', tensor: tensor('u8', [20], []) },
        { name: 'bias', tensor: tensor('s32', [100, -50], [2]) },
      ],
      ...change,
    }),
  );
