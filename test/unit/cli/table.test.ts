import { describe, expect, test } from 'vitest';
import { count, formatPairs, formatTable, named, right, shortened, textWidth, wrap } from '../../../src/cli/table.ts';
import { Terminal } from '../../../src/cli/terminal.ts';
import { formatBytes } from '../../../src/diagnostics/index.ts';

describe('tables', () => {
  test('text to the left, numbers to the right, no trailing blanks', () => {
    const table = formatTable(
      ['layer', right('ms'), 'note'],
      [
        ['a', 1.5, 'first'],
        ['longer', 10, undefined],
      ],
    );
    expect(table).toBe(['layer    ms  note', '------  ---  -----', 'a       1.5  first', 'longer   10'].join('\n'));
  });

  test('columns are counted as a terminal shows them', () => {
    expect(['abc', '日本', 'e\u0301', '\x1b[31mred\x1b[0m', '👍', 'Σ·zx'].map(textWidth)).toEqual([3, 4, 1, 3, 2, 4]);
    expect(formatTable(['名', right('n')], [['a', 1]])).toBe('名  n\n--  -\na   1');
  });

  test('long names lose their middle, in columns of names alone', () => {
    const folded = `${'a/'.repeat(40)}Conv2D;${'b/'.repeat(40)}BiasAdd`;
    const cut = `${'a/'.repeat(15)}…${'b/'.repeat(11)}BiasAdd`;
    expect(shortened(folded)).toBe(cut);
    expect(formatTable([named('layer'), 'reason'], [[folded, folded]]).split('\n')[2]).toBe(`${cut}  ${folded}`);
    expect(shortened('x'.repeat(60))).toBe('x'.repeat(60));
    expect(textWidth(shortened('x'.repeat(61)))).toBe(60);
    expect(shortened('日'.repeat(31))).toBe(`${'日'.repeat(15)}…${'日'.repeat(14)}`);
  });

  test('pairs, counts, bytes, wrapping', () => {
    expect(
      formatPairs(
        [
          ['a', 'x'],
          ['long', ''],
        ],
        ' ',
      ),
    ).toBe(' a     x\n long');
    expect([count(1, 'layer'), count(2, 'layer'), count(0, 'matrix', 'matrices')]).toEqual([
      '1 layer',
      '2 layers',
      '0 matrices',
    ]);
    expect([0, 1023, 1024, 3652352].map(formatBytes)).toEqual(['0 B', '1023 B', '1.0 KiB', '3.5 MiB']);
    expect(wrap('one two three', 7)).toEqual(['one two', 'three']);
  });
});

describe('the terminal', () => {
  const caught = (isTTY: boolean, env: Record<string, string> = {}, quiet = false) => {
    let [out, err] = ['', ''];
    const terminal = new Terminal(
      {
        stdout: { write: (text) => void (out += text), isTTY },
        stderr: { write: (text) => void (err += text), isTTY },
        sendFile: async () => {},
        readStdin: async () => new Uint8Array(),
        env,
      },
      { verbose: false, quiet },
    );
    return { terminal, out: () => out, err: () => err };
  };

  test('colour on a terminal only, and not where NO_COLOR is set', () => {
    expect(caught(true).terminal.paint('red', 'x')).toBe('\x1b[31mx\x1b[0m');
    expect(caught(false).terminal.paint('red', 'x')).toBe('x');
    expect(caught(true, { NO_COLOR: '1' }).terminal.paint('red', 'x')).toBe('x');
  });

  test('control characters in texts of a model are shown, not sent', () => {
    const { terminal, out } = caught(true);
    terminal.print('a\x1b]0;title\x07\r\nb\x9b2J');
    expect(out()).toBe('a\\x1b]0;title\\x07\\x0d\nb\\x9b2J\n');
  });

  test('progress is on terminals only, and is gone before anything else is written', () => {
    const shown = caught(true);
    shown.terminal.progress('half');
    shown.terminal.print('done');
    expect(shown.err()).toBe('\r\x1b[Khalf\r\x1b[K');
    expect(shown.out()).toBe('done\n');
    const piped = caught(false);
    piped.terminal.progress('half');
    expect(piped.err()).toBe('');
  });

  test('quiet drops notes, never errors', () => {
    const { terminal, err } = caught(false, {}, true);
    terminal.note('note');
    terminal.error('error');
    expect(err()).toBe('error\n');
  });
});
