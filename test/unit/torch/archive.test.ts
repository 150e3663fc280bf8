/** ZIP containers: the files that PyTorch writes, and files that nobody should write. */
import { describe, expect, it } from 'vitest';
import { openArchive } from '../../../src/formats/torch/archive/index.ts';
import { type Entry, zip } from './archives.ts';

const open = (entries: readonly Entry[], options?: Parameters<typeof zip>[1]) =>
  openArchive(zip(entries, options), 'm.pt');
const refused = (entries: readonly Entry[], code: string, part: string, options?: Parameters<typeof zip>[1]) =>
  expect(open(entries, options)).rejects.toMatchObject({
    name: 'UnskewError',
    code,
    message: expect.stringContaining(part),
  });

describe('archives', () => {
  it('are folders of entries, stored or deflated, below one root', async () => {
    const archive = await open([
      { name: 'net/data.pkl', data: Uint8Array.of(1, 2, 3) },
      { name: 'net/code/', data: '' },
      { name: 'net/code/a.py', data: 'class A:\n'.repeat(100), deflate: true },
    ]);
    expect(archive.root).toBe('net/');
    expect(archive.names).toEqual(['data.pkl', 'code/a.py']);
    expect([...archive.bytes('data.pkl')]).toEqual([1, 2, 3]);
    expect(archive.text('code/a.py')).toBe('class A:\n'.repeat(100));
    expect(archive.at('data.pkl')).toEqual({ file: 'm.pt', node: 'net/data.pkl' });
  });

  it('give stored entries as views of the file', async () => {
    const bytes = zip([
      { name: 'data/0', data: Uint8Array.of(7, 8) },
      { name: 'version', data: '3' },
    ]);
    const archive = await openArchive(bytes);
    expect(archive.bytes('data/0').buffer).toBe(bytes.buffer);
  });

  it('may have entries at the top', async () => {
    expect(
      (
        await open([
          { name: 'a', data: '' },
          { name: 'b/c', data: '' },
        ])
      ).names,
    ).toEqual(['a', 'b/c']);
  });

  it('may be of the 64-bit form', async () => {
    const archive = await open(
      [
        { name: 'r/x', data: 'abc' },
        { name: 'r/y', data: 'd'.repeat(1000), deflate: true },
      ],
      { zip64: true },
    );
    expect([archive.text('x'), archive.text('y').length]).toEqual(['abc', 1000]);
  });

  it('name the missing entry', async () => {
    const archive = await open([
      { name: 'r/x', data: '' },
      { name: 'r/z', data: '' },
    ]);
    expect(() => archive.bytes('y')).toThrow(/U1004.*no entry 'r\/y'/);
  });
});

describe('hostile archives', () => {
  it.each(['../x', 'a/../../x', '/etc/passwd', 'C:/x', 'a\\b', 'a/./b', 'a\0b'])('%j is not a legal name', (name) =>
    refused([{ name, data: '' }], 'U1004', 'no plain relative name'),
  );
  it('have no two entries of one name', () =>
    refused(
      [
        { name: 'r/x', data: 'a' },
        { name: 'r/x', data: 'b' },
      ],
      'U1004',
      "two entries named 'r/x'",
    ));
  it('have no other compression', () =>
    refused([{ name: 'x', data: '', declared: { method: 12 } }], 'U1003', 'method 12'));
  it('are not encrypted', () =>
    refused([{ name: 'x', data: 'abc', deflate: true, declared: { flags: 0x801 } }], 'U1003', 'encrypted'));
  it('have stored entries no longer than the file', () =>
    refused([{ name: 'x', data: 'abc', declared: { size: 1e6 } }], 'U1003', 'malformed'));
  it('may not declare more entries than they have', () =>
    refused([{ name: 'x', data: '' }], 'U1003', 'malformed', { count: 9 }));
  it('may not declare an absurd number of entries', () =>
    refused([{ name: 'x', data: '' }], 'U1006', 'entries', { count: 10_000_000, zip64: true }));
  it('may not declare an absurd size of a deflated entry', () =>
    refused([{ name: 'x', data: 'a', deflate: true, declared: { size: 2 ** 31 } }], 'U1006', 'deflated entries'));

  it('inflate to the declared size and no more', async () => {
    const bomb = await open([
      { name: 'r/x', data: new Uint8Array(1e6), deflate: true, declared: { size: 1000 } },
      { name: 'r/y', data: '' },
    ]);
    expect(() => bomb.bytes('x')).toThrow(/U1006.*more than the 1000 bytes/);
    const short = await open([
      { name: 'r/x', data: 'abc', deflate: true, declared: { size: 1000 } },
      { name: 'r/y', data: '' },
    ]);
    expect(() => short.bytes('x')).toThrow(/U1003.*3 bytes, but declares 1000/);
    const wrong = await open([
      { name: 'r/x', data: 'abc', deflate: true, declared: { crc: 1 } },
      { name: 'r/y', data: '' },
    ]);
    expect(() => wrong.bytes('x')).toThrow(/U1003.*checksum/);
  });

  it('have the checksums they declare where they are stored too, unless they declare none', async () => {
    const archive = await open([
      { name: 'r/x', data: 'abc', declared: { crc: 1 } },
      { name: 'r/y', data: 'abc' },
      { name: 'r/z', data: 'abc', declared: { crc: 0 } },
    ]);
    expect(() => archive.bytes('x')).toThrow(/U1003.*checksum[\s\S]*m\.pt › r\/x/);
    expect([archive.text('y'), archive.text('z')]).toEqual(['abc', 'abc']);
  });

  it('are refused, or the same, with any one bit flipped', async () => {
    const names = ['a', 'b', 'c'];
    const bytes = zip([
      { name: 'r/a', data: 'stored, as tensors are' },
      { name: 'r/b', data: 'deflated, as code is: '.repeat(4), deflate: true },
      { name: 'r/c', data: Uint8Array.of(0, 1, 2, 3) },
    ]);
    const read = async (from: Uint8Array) => {
      const archive = await openArchive(from, 'm.pt');
      return names.map((name) => archive.text(name)).join('|');
    };
    const right = await read(bytes);
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const damaged = bytes.slice();
      damaged[bit >> 3] ^= 1 << (bit & 7);
      const found = await read(damaged).catch((error) => {
        if (error.name !== 'UnskewError') throw error;
        return right;
      });
      if (found !== right) expect.fail(`bit ${bit} is flipped and nobody says so`);
    }
  });

  it('may not be shorter than before', async () => {
    const whole = zip([
      { name: 'r/a', data: 'a'.repeat(500), deflate: true },
      { name: 'r/b', data: 'b'.repeat(500) },
    ]);
    for (let i = 0; i < 16; i++)
      await expect(openArchive(whole.subarray(0, Math.floor((whole.length * i) / 16)))).rejects.toMatchObject({
        code: 'U1003',
      });
  });
});
