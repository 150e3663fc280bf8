/** A text with one edit: the text has the lines that begin with a space or `-`, and gets the lines with `+`. */
export function edited(text: string, diff: string): string {
  const lines = diff.split('\n').filter((line) => line !== '');
  const before = lines.filter((line) => line[0] !== '+').map((line) => line.slice(1));
  const after = lines.filter((line) => line[0] !== '-').map((line) => line.slice(1));
  const [from, to] = [before, after].map((some) => some.map((line) => `${line}\n`).join(''));
  const places = text.split(from).length - 1;
  if (places !== 1) throw new Error(`the lines before are there ${places} times:\n${from}`);
  return text.replace(from, () => to);
}
