/** Text in columns. */
import { stripVTControlCharacters } from 'node:util';

/** A column by its title; `right` aligns numbers by their last digits, `named` shortens names. */
export type Column = string | { readonly right: string } | { readonly named: string };
export type Cell = string | number | undefined;

export const right = (title: string): Column => ({ right: title });
export const named = (title: string): Column => ({ named: title });

/** Columns of a name in a table: TensorFlow joins the names of operators that it folds into one, to hundreds of characters. */
const WIDEST_NAME = 60;

/** A name for people: a long one with an ellipsis in its middle. */
export function shortened(name: string, widest = WIDEST_NAME): string {
  if (textWidth(name) <= widest) return name;
  const characters = [...name];
  const before = fitting(characters, Math.ceil((widest - 1) / 2));
  const after = fitting(characters.toReversed(), Math.floor((widest - 1) / 2)).toReversed();
  return `${before.join('')}…${after.join('')}`;
}

/** The first characters that take no more than so many columns. */
function fitting(characters: readonly string[], columns: number): readonly string[] {
  let width = 0;
  const end = characters.findIndex((character) => {
    width += textWidth(character);
    return width > columns;
  });
  return end < 0 ? characters : characters.slice(0, end);
}

/** Aligned columns under a header; no trailing blanks. The last line has no newline. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly Cell[])[]): string {
  const titles = columns.map(titleOf);
  const texts = rows.map((row) => columns.map((column, c) => textOf(column, row[c])));
  const widths = titles.map((title, c) =>
    texts.reduce((most, row) => Math.max(most, textWidth(row[c])), textWidth(title)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, c) => {
        const blank = ' '.repeat(widths[c] - textWidth(cell));
        return isRight(columns[c]) ? blank + cell : cell + blank;
      })
      .join('  ')
      .trimEnd();
  return [line(titles), line(widths.map((width) => '-'.repeat(width))), ...texts.map(line)].join('\n');
}

const isRight = (column: Column): column is { readonly right: string } =>
  typeof column !== 'string' && 'right' in column;

const isNamed = (column: Column): column is { readonly named: string } =>
  typeof column !== 'string' && 'named' in column;

const titleOf = (column: Column): string => (isRight(column) ? column.right : isNamed(column) ? column.named : column);

const textOf = (column: Column, cell: Cell): string => {
  const text = String(cell ?? '');
  return isNamed(column) ? shortened(text) : text;
};

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
