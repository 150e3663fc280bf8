/** The profile of an archive when none is given, and the places that name it. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { legalize } from '../../../src/codegen/legalize.ts';
import { torchProfiles } from '../../../src/importers/torch/operators/engine.ts';
import { compile } from '../../../src/runtime/compile.ts';
import { importModel } from '../../../src/runtime/import_model.ts';
import { unskew } from '../cli/support.ts';
import { type Entry, forward, p, script } from './archives.ts';

interface Made {
  readonly perChannel?: boolean;
  readonly weightZeroPoint?: number;
  /** The zero point of the source and the result. */
  readonly zeroPoint?: number;
  readonly type?: 12 | 13;
  readonly dynamic?: boolean;
  readonly files?: readonly Entry[];
  readonly attribute?: string;
}

/** A network of one linear layer. */
function archive(made: Made = {}): Uint8Array {
  const { perChannel = true, weightZeroPoint = 0, zeroPoint = 60, type = 13, dynamic = false } = made;
  const weights = p.storage('QInt8', '0', 6);
  const doubles = p.tensor(p.storage('Double', '1', 2), 0, [2], [1]);
  const longs = p.tensor(p.storage('Long', '2', 2), 0, [2], [1]);
  const parameters = perChannel
    ? p.tuple(p.global('torch.per_channel_affine'), doubles, longs, p.int(0))
    : p.perTensor(0.5, weightZeroPoint);
  const packed = p.object(
    '__torch__.torch.classes.quantized.LinearPackedParamsBase',
    p.tuple(p.quantized(weights, [2, 3], [3, 1], parameters), p.none),
  );
  const data = {
    0: new Uint8Array(Int8Array.of(1, 2, 3, -1, -2, -3).buffer),
    1: new Uint8Array(Float64Array.of(0.5, 0.25).buffer),
    2: new Uint8Array(BigInt64Array.of(BigInt(weightZeroPoint), 0n).buffer),
  };
  const lines = dynamic
    ? ['return ops.quantized.linear_dynamic(x, self.w, True)']
    : [
        `q = torch.quantize_per_tensor(x, 0.5, ${zeroPoint}, ${type})`,
        `return torch.dequantize(ops.quantized.linear(q, self.w, 0.75, ${zeroPoint}))`,
      ];
  const code = forward(...lines).replace('  def forward', '  w : Any\n  def forward');
  const state = p.dict(
    [p.string('w'), packed],
    ...(made.attribute ? [[p.string(made.attribute), packed] as const] : []),
  );
  return script({ code, state, data, ...(made.files && { files: made.files }) });
}

const shapes = { inputShapes: { x: [1, 3] } };
const byteCode = { name: 'm/bytecode.pkl', data: 'x' };
const oldCode = {
  name: 'm/code/__torch__/torch/nn/quantized/modules/linear.py',
  data: 'class Linear(Module):\n  __parameters__ = []\n',
};

describe('the profile of an archive that is given none', () => {
  it.each([
    ['torch-x86', 'for x86', {}],
    ['torch-x86', 'default', { zeroPoint: 0 }],
    ['torch-x86', 'default', { perChannel: false }],
    ['torch-x86', 'default', { perChannel: false, weightZeroPoint: 3 }],
    ['torch-x86', 'default', { dynamic: true }],
    ['torch-x86', 'default', { dynamic: true, perChannel: false }],
    ['torch-onednn', 'for onednn', { zeroPoint: 128 }],
    ['torch-qnnpack', 'for qnnpack', { zeroPoint: 128, perChannel: false }],
    ['torch-qnnpack', 'with zero points', { zeroPoint: 128, weightZeroPoint: 2 }],
    ['torch-qnnpack', 'signed', { type: 12, zeroPoint: 5 }],
    ['torch-qnnpack', 'phones', { files: [byteCode] }],
    ['torch-qnnpack', 'phones', { dynamic: true, files: [byteCode] }],
    ['torch-qnnpack', 'phones', { attribute: '_jit_pass_hoist_conv_packed_params.a.1' }],
    ['torch-fbgemm', 'before 1.13', { files: [oldCode] }],
  ] as const)('%s (%s): %j', async (profile, reason, made) => {
    const graph = await importModel(archive(made), shapes);
    const [note] = graph.origin?.notes ?? [];
    expect(graph.origin?.profile).toBe(profile);
    expect(note).toMatchObject({ code: 'U4003', severity: 'note', hint: expect.stringContaining('--profile') });
    expect(note.message).toContain(`'${profile}' is taken: `);
    expect(note.message).toContain(reason);
    // the import equals an import with this profile
    const given = await importModel(archive(made), { ...shapes, profile });
    expect({ ...graph, origin: undefined, pool: undefined }).toEqual({ ...given, origin: undefined, pool: undefined });
  });

  it('is the given one, without a note', async () => {
    for (const profile of torchProfiles) {
      const graph = await importModel(archive(), { ...shapes, profile });
      expect(graph.origin).toMatchObject({ profile });
      expect(graph.origin?.notes ?? []).toEqual([]);
    }
  });

  it('is absent where no layer depends on it', async () => {
    const graph = await importModel(script({ code: forward('return torch.relu(x)') }), shapes);
    expect(graph.origin).not.toHaveProperty('profile');
    expect(graph.origin).not.toHaveProperty('notes');
  });

  it('stands in certificates', async () => {
    const graph = await importModel(archive(), shapes);
    const notes = [expect.objectContaining({ code: 'U4003' })];
    expect(legalize(graph).certificate).toMatchObject({ profile: 'torch-x86', notes });
    const model = await compile(graph, { backend: 'reference' });
    expect(model.certificate).toMatchObject({ profile: 'torch-x86', notes });
    model.dispose();
  });
});

describe('every command that reads a model', () => {
  const folder = mkdtempSync(join(tmpdir(), 'unskew-'));
  const file = join(folder, 'm.pt');
  writeFileSync(file, archive());
  const compiled = join(folder, 'm.unskew');
  const shape = ['--shape', 'x=1,3'];

  it.each([
    ['inspect', file, ...shape],
    ['run', file, ...shape, '--random', '1'],
    ['check', file, ...shape, '--runs', '1'],
    ['rewrite', file, ...shape, '-o', join(folder, 'm.onnx')],
    ['compile', file, ...shape, '-o', compiled],
    ['strategies', file, ...shape],
    ['explain', file, ...shape],
    ['bench', file, ...shape, '--threads', '1'],
    ['inspect', compiled],
    ['run', compiled, '--random', '1'],
  ])('%s says which was taken: %s', async (...args) => {
    if (args[1] !== compiled) {
      const given = await unskew([...args, '--json', '--profile', 'torch-onednn']);
      expect(JSON.parse(given.stdout)).toMatchObject({ profile: 'torch-onednn' });
      expect(JSON.parse(given.stdout)).not.toHaveProperty('notes');
      expect(given.stderr).not.toContain('U4003');
    }
    const json = await unskew([...args, '--json']);
    expect(json).toMatchObject({ code: 0 });
    expect(JSON.parse(json.stdout)).toMatchObject({ profile: 'torch-x86', notes: [{ code: 'U4003' }] });
    expect(json.stderr).toMatch(/note\[U4003\].*'torch-x86' is taken[\s\S]*--profile NAME/);
  });

  it('refuses it for ONNX models', async () => {
    expect(await unskew(['inspect', join(folder, 'm.onnx'), '--profile', 'torch-x86'])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/U4002.*'torch-x86' is not one for ONNX models/),
    });
  });
});
