/** Text in columns. */
import { stripVTControlCharacters } from 'node:util';

/** A column by its title; `right` aligns numbers by their last digits. */
export type Column = string | { readonly right: string };
export type Cell = string | number | undefined;

export const right = (title: string): Column => ({ right: title });

/** Aligned columns under a header; no trailing blanks. The last line has no newline. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly Cell[])[]): string {
  const titles = columns.map((column) => (typeof column === 'string' ? column : column.right));
  const texts = rows.map((row) => columns.map((_, c) => String(row[c] ?? '')));
  const widths = titles.map((title, c) =>
    texts.reduce((most, row) => Math.max(most, textWidth(row[c])), textWidth(title)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, c) => {
        const blank = ' '.repeat(widths[c] - textWidth(cell));
        return typeof columns[c] === 'string' ? cell + blank : blank + cell;
      })
      .join('  ')
      .trimEnd();
  return [line(titles), line(widths.map((width) => '-'.repeat(width))), ...texts.map(line)].join('\n');
}

/** `name  text` lines, the names aligned. */
export function formatPairs(pairs: readonly (readonly [string, string])[], indent = ''): string {
  const width = pairs.reduce((most, [name]) => Math.max(most, textWidth(name)), 0);
  return pairs
    .map(([name, text]) => `${indent}${name}${' '.repeat(width - textWidth(name))}  ${text}`.trimEnd())
    .join('\n');
}

/** Two columns each: CJK, full-width forms, emoji. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
/** No column of their own: combining marks, joiners. */
const NARROWEST = /[\p{M}\p{Cf}]/u;

/** Columns that the text takes on a terminal; colour takes none. */
export function textWidth(text: string): number {
  let width = 0;
  for (const character of stripVTControlCharacters(text)) {
    if (WIDE.test(character)) width += 2;
    else if (!NARROWEST.test(character)) width += 1;
  }
  return width;
}

/** `1 layer`, `2 layers` */
export const count = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;

/** Text broken between words into lines of at most `width` columns. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && textWidth(line) + 1 + textWidth(word) > width) {
      lines.push(line);
      line = '';
    }
    line += line === '' ? word : ` ${word}`;
  }
  return line === '' ? lines : [...lines, line];
}
