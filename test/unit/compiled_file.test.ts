import { describe, expect, it } from 'vitest';
import { readCompiledFile, writeCompiledFile } from '../../src/codegen/compiled_file.ts';
import { UnskewError } from '../../src/diagnostics/index.ts';
import { GraphBuilder, print, tensor } from '../../src/ir/index.ts';
import { nnCast } from '../../src/ir/ops/nn_cast.op.ts';
import { nnClip } from '../../src/ir/ops/nn_elementwise_unary.op.ts';
import { qnnConv } from '../../src/ir/ops/qnn_conv.op.ts';
import { compile, compileGraph, Model } from '../../src/runtime/compile.ts';

function model() {
  const b = new GraphBuilder('net');
  const x = b.input('x', 'u8', ['N', 2, 4, 4]);
  const w = b.constant(
    tensor(
      's8',
      Int8Array.from({ length: 36 }, (_, i) => i - 18),
      [2, 2, 3, 3],
    ),
    'w',
  );
  const y = b.emit(
    qnnConv,
    { x, w, zx: b.scalar('u8', 7) },
    { strides: [1, 1], pads: [1, 1, 1, 1], dilations: [1, 1] },
  );
  const f = b.emit(nnClip, { x: b.emit(nnCast, { x: y }, { to: 'f32' }) as never }, { min: -Infinity, max: 100 });
  return compileGraph(b.finish([f as never]), { backend: 'reference' });
}
const feeds = { x: { type: 'uint8', data: Uint8Array.from({ length: 64 }, (_, i) => i * 3), dims: [2, 2, 4, 4] } };

describe('a compiled file', () => {
  it('holds the whole model: graph, constants, certificate, infinities', async () => {
    const compiled = model();
    const bytes = writeCompiledFile(compiled);
    const again = readCompiledFile(bytes);
    expect(print(again.graph)).toBe(print(compiled.graph));
    expect(again.certificate).toEqual(compiled.certificate);
    const expected = await new Model(compiled, { backend: 'reference' }).run(feeds);
    expect(await (await compile(bytes, { backend: 'reference' })).run(feeds)).toEqual(expected);
    expect(await (await compile(bytes, { threads: 1 })).run(feeds)).toEqual(expected);
  });

  it('is refused when truncated anywhere, of another version or damaged, with a located sentence', () => {
    const bytes = writeCompiledFile(model());
    for (let length = 8; length < bytes.length; length += 7) {
      expect(() => readCompiledFile(bytes.subarray(0, length), 'm.unskew')).toThrow(/U5004[\s\S]*m\.unskew/);
    }
    const other = bytes.slice();
    other[7] = 9;
    expect(() => readCompiledFile(other)).toThrow(/version 9/);
    for (let i = 12; i < bytes.length; i += 13) {
      const damaged = bytes.slice();
      damaged[i] ^= 0x20;
      try {
        readCompiledFile(damaged);
      } catch (error) {
        expect(error).toBeInstanceOf(UnskewError);
      }
    }
  });
});
