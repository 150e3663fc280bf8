import { describe, expect, it } from 'vitest';
import { readCompiledFile, writeCompiledFile } from '../../src/codegen/compiled_file.ts';
import { isCompiledFile } from '../../src/codegen/compiled_name.ts';
import { UnskewError } from '../../src/diagnostics/index.ts';
import { GraphBuilder, parse, print, tensor } from '../../src/ir/index.ts';
import { nnCast } from '../../src/ir/ops/nn_cast.op.ts';
import { nnClip } from '../../src/ir/ops/nn_elementwise_unary.op.ts';
import { qnnConv } from '../../src/ir/ops/qnn_conv.op.ts';
import { compile } from '../../src/runtime/compile.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { Model } from '../../src/runtime/model.ts';

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

  it('holds nothing but the model: not the graphs that it was made of', () => {
    const compiled = model();
    const { graph, target, certificate, strategies } = compiled;
    expect(writeCompiledFile(compiled)).toEqual(writeCompiledFile({ graph, target, certificate, strategies }));
  });

  it('is refused when truncated anywhere, of another version or damaged, with a located sentence', () => {
    const bytes = writeCompiledFile(model());
    for (let length = 8; length < bytes.length; length += 7) {
      expect(() => readCompiledFile(bytes.subarray(0, length), 'm.unskew')).toThrow(/U5004[\s\S]*m\.unskew/);
    }
    const other = bytes.slice();
    other[7] = 9;
    expect(() => readCompiledFile(other)).toThrow(/version 9/);
  });

  it('is refused, or says the same, with any one bit of it flipped', () => {
    const bytes = writeCompiledFile(model());
    const text = print(readCompiledFile(bytes).graph);
    let accepted = 0;
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const damaged = bytes.slice();
      damaged[bit >> 3] ^= 1 << (bit & 7);
      try {
        if (!isCompiledFile(damaged)) continue; // the magic: another format
        const again = readCompiledFile(damaged, 'm.unskew');
        accepted++;
        if (print(again.graph) !== text) expect.fail(`bit ${bit} is flipped and nobody says so`);
      } catch (error) {
        if (!(error instanceof UnskewError) || error.code !== 'U5004') throw error;
      }
    }
    // the zeros in front of aligned sections mean nothing
    expect(accepted).toBeLessThan(8 * 3 * 64);
  });

  it('names the damaged part: the header, or the constant', () => {
    const bytes = writeCompiledFile(model());
    const flipped = (at: number) => {
      const damaged = bytes.slice();
      damaged[at] ^= 1;
      return () => readCompiledFile(damaged, 'm.unskew');
    };
    expect(flipped(40)).toThrow(/U5004.*header[\s\S]*m\.unskew/);
    expect(flipped(bytes.length - 1)).toThrow(/U5004.*the constant @/);
    expect(() => readCompiledFile(Uint8Array.of(...bytes, 0))).toThrow(/should have \d+ bytes, but has/);
  });

  it('of the first version, which had no checksums, is refused by name', () => {
    const old = writeCompiledFile(model());
    old[7] = 1;
    expect(() => readCompiledFile(old)).toThrow(/is of version 1; this unskew reads version 4/);
  });

  it('keeps the names of outputs that are small constants', () => {
    const b = new GraphBuilder('net');
    const x = b.input('x', 'f32', [2]);
    const shown = [
      b.constant(tensor('s64', [2n]), 'sh'),
      b.scalar('f32', 3, 'a scalar'),
      b.constant(tensor('bool', [1, 0]), 'm'),
    ];
    const y = b.emit(nnClip, { x: x as never }, { min: 0, max: 1 });
    const graph = b.finish([shown[0], y, shown[1], shown[2]]);
    const compiled = compileGraph(graph, { backend: 'reference' });
    expect(readCompiledFile(writeCompiledFile(compiled)).graph.outputs).toEqual(graph.outputs);
    const text = print(graph);
    expect(parse(text).outputs).toEqual(graph.outputs);
    expect(print(parse(text))).toBe(text);
  });
});
