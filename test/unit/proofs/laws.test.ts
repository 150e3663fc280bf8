import { describe, expect, it } from 'vitest';
import { correctionRules } from '../../../src/passes/all_rules.ts';
import { differenceOf } from '../../../src/proofs/laws.ts';

describe.each(correctionRules.map(({ name, law }) => [name, law] as const))('the law of %s', (_name, law) => {
  it('holds for all shapes and values', () => {
    expect(differenceOf(law)).toBeUndefined();
  });

  it('does not hold with another sign', () => {
    const [told] = law.split(/,? {3}(?!and)/);
    const signs = [...told.slice(told.indexOf(' = ')).matchAll(/ [−+] /g)].map(
      ({ index }) => index + told.indexOf(' = '),
    );
    for (const at of signs) {
      const other = `${law.slice(0, at)}${law[at + 1] === '+' ? ' − ' : ' + '}${law.slice(at + 3)}`;
      expect(differenceOf(other), other).toMatch(/^over the taps (inside|outside): /);
    }
  });
});

describe('mistakes', () => {
  it.each([
    [
      'Σw where taps are outside',
      'qconv(x, w; zx) = conv(x, w) − zx·Σw[o]',
      'outside: 0 on the left, -1·w·zx on the right',
    ],
    [
      'the same behind padding with 0',
      'qconv(x, w; zx, pads) = conv(pad(x, 0, pads), w) − zx·Σw[o]',
      'outside: 0 on the left',
    ],
    ['a correction that is not scaled', 'qconv(x, w; zx) = conv(x, w) − conv(1, w)', 'inside: w·x'],
    [
      'the sign of the last term, as in the comment of TVM’s convolution.cc',
      'qconv(x, w; zx, zw) = conv(x, w) − zx·conv(1, w) − zw[o]·conv(x, 1) − zx·zw[o]·conv(1, 1)',
      'inside: w·x',
    ],
    ['every zero point dropped', 'qconv(x, w; zx, zw) = conv(x, w)', 'inside: w·x'],
    ['the zero point of the weights at the source', 'qconv(x, w; zw) = qconv(x, w; zx)', 'inside: w·x + -1·x·zw'],
    ['a source that moves alone', 'qconv(x, w; zx, zw) = qconv(x + 128, w; zx, zw)', 'inside: w·x'],
    ['halves of odd numbers', 'qconv(x, w; zx) = qconv(x, h; zx) + qconv(x, h; zx),   h = w·0', 'inside: w·x'],
    ['one column for all', 'qmatmul(a, b; za, zb) = qmatmul(a, b; za) − qmatmul(a, 1; za)', 'inside: a·b'],
    ['the second of two equations', 'qconv(x, w) = conv(x, w)   and   qconv(x, w; zx, 0) = conv(x, w)', 'inside: w·x'],
  ])('%s', (_what, law, difference) => {
    expect(differenceOf(law)).toContain(`over the taps ${difference}`);
  });
});

it('definitions count', () => {
  const law = 'qconv(x, w; zx, zw) = qconv(x, ŵ; zx) − ẑw[o]·qconv(x, 1; zx)';
  expect(differenceOf(`${law},   ŵ = w − 128 and ẑw = zw − 128 for u8 weights`)).toBeUndefined();
  expect(differenceOf(`${law},   ŵ = w − 128 and ẑw = zw − 127 for u8 weights`)).toContain('inside');
});

it.each([
  ['conv(x', "'conv(x' lacks ')' behind 'conv ( x'"],
  ['conv(x, w) zx', "'conv(x, w) zx' cannot be read beyond 'conv ( x , w )'"],
  ['conv(x, w) +', "'conv(x, w) +' ends early"],
  ['convolve(x, w)', "'convolve' is not a function that laws are told in"],
])('%s is not read', (text, message) => {
  expect(() => differenceOf(`qconv(x, w) = ${text}`)).toThrow(message);
});
