/** The services that the compiler has without any platform, compared with Node's. */
import { createHash } from 'node:crypto';
import { crc32 as crc32OfNode } from 'node:zlib';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { base64Of, bytesOfBase64, crc32, sha256 } from '../../../src/platform/index.ts';

const bytes = fc.uint8Array({ maxLength: 300 });

it('hashes are SHA-256, of any number of parts', () => {
  fc.assert(
    fc.property(fc.array(bytes), (parts) => {
      expect(sha256(parts)).toBe(createHash('sha256').update(Buffer.concat(parts)).digest('hex'));
    }),
  );
});

it('checksums are CRC-32, also of bytes behind other bytes', () => {
  fc.assert(
    fc.property(bytes, bytes, (first, second) => {
      expect(crc32(second, crc32(first))).toBe(crc32OfNode(Buffer.concat([first, second])));
    }),
  );
});

it('base64 equals Node.js, in both directions and beyond one call', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        bytes,
        fc.integer({ min: 32_760, max: 70_000 }).map((n) => new Uint8Array(n).fill(n)),
      ),
      (all) => {
        const text = Buffer.from(all).toString('base64');
        expect(base64Of(all)).toBe(text);
        expect(Buffer.compare(bytesOfBase64(text), all)).toBe(0);
      },
    ),
  );
  expect(bytesOfBase64('a-text that is not base64')).toHaveLength(0);
});
