/** Requests that oneDNN has no primitive for are told by a code, and everything else stays an error. */
import { expect, it } from 'vitest';
import { offered } from '../../../src/codegen/onednn/offered.ts';

const failing = (message: string, code?: string) => () => {
  throw Object.assign(new Error(message), code !== undefined && { code });
};

it('gives the result', () => expect(offered(() => 7)).toBe(7));

it('gives nothing where oneDNN has no implementation', () =>
  expect(offered(failing('oneDNN has no implementation of it', 'ERR_NO_IMPLEMENTATION'))).toBeUndefined());

it.each([
  ['oneDNN has no memory for a convolution', 'ERR_OUT_OF_MEMORY'],
  ['oneDNN has no implementation of it', undefined],
])('throws on: %s (%s)', (message, code) => expect(() => offered(failing(message, code))).toThrow(message));
