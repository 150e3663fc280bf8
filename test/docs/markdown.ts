/** Tables of Markdown. */

/** A table with a head; a bar in a cell stands for itself, lines stay lines. */
export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [
    head,
    head.map(() => '---'),
    ...rows.map((cells) => cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', '<br>'))),
  ]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');

export const code = (text: string): string => `\`${text}\``;
