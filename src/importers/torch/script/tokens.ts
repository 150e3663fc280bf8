/** Tokens of TorchScript source text; line ends inside brackets do not count, indentation becomes tokens. */

export interface Token {
  readonly kind: 'name' | 'number' | 'string' | 'operator' | 'newline' | 'indent' | 'dedent' | 'end';
  /** The text of the token; the contents of a string. */
  readonly text: string;
  readonly line: number;
}

/** Refuses the text at a line. */
export type Refuse = (line: number, why: string) => never;

const pattern =
  /([ \t\f]+|\\\r?\n|#[^\n]*)|(\r?\n)|([A-Za-z_]\w*)|((?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?[jJ]?)|([rbuRBU]{0,2}(?:"(?:[^"\\\n]|\\[\s\S])*"|'(?:[^'\\\n]|\\[\s\S])*'))|(->|\*\*=?|\/\/=?|<<|>>|[-+*/%@&|^=<>!]=|[-+*/%@&|^~<>=.,:;()[\]{}])/y;

const opening = new Set(['(', '[', '{']);
const closing = new Set([')', ']', '}']);

export function tokenize(text: string, refuse: Refuse): Token[] {
  const tokens: Token[] = [];
  const indents = [0];
  let line = 1;
  let depth = 0;
  let at = 0;
  let lineStart = true;
  const push = (kind: Token['kind'], value: string) => tokens.push({ kind, text: value, line });
  while (at < text.length) {
    if (lineStart && depth === 0) {
      const blank = /[ \t\f]*(#[^\n]*)?(\r?\n|$)/y;
      blank.lastIndex = at;
      const empty = blank.exec(text);
      if (empty) {
        at += empty[0].length;
        if (empty[2] !== '') line++;
        else if (empty[0] === '') break;
        continue;
      }
      const width = /[ \t]*/y;
      width.lastIndex = at;
      const indent = width.exec(text)?.[0].length ?? 0;
      at += indent;
      if (indent > indents[indents.length - 1]) {
        indents.push(indent);
        push('indent', '');
      }
      while (indent < indents[indents.length - 1]) {
        indents.pop();
        push('dedent', '');
      }
      if (indent !== indents[indents.length - 1]) refuse(line, 'the indentation fits no block');
      lineStart = false;
    }
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match === null) return refuse(line, `'${text.slice(at, at + 10).split('\n')[0]}' is not TorchScript`);
    at += match[0].length;
    const [, space, newline, name, number, string, operator] = match;
    if (newline !== undefined) {
      if (depth === 0) {
        push('newline', '');
        lineStart = true;
      }
      line++;
    } else if (name !== undefined) push('name', name);
    else if (number !== undefined) push('number', number.replaceAll('_', ''));
    else if (string !== undefined) {
      push('string', contentsOf(string));
      line += string.split('\n').length - 1;
    } else if (operator !== undefined) {
      if (opening.has(operator)) depth++;
      else if (closing.has(operator)) depth = Math.max(0, depth - 1);
      push('operator', operator);
    } else if (space.startsWith('\\')) line++;
  }
  if (!lineStart) push('newline', '');
  for (let i = 1; i < indents.length; i++) push('dedent', '');
  push('end', '');
  return tokens;
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '\n': '' };

/** The contents of a string literal, quotes and prefix taken off. */
function contentsOf(literal: string): string {
  const quote = literal.search(/["']/);
  const inner = literal.slice(quote + 1, -1);
  if (/r/i.test(literal.slice(0, quote))) return inner;
  return inner.replace(/\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|[\s\S])/g, (_, escaped: string) => {
    if (escaped.startsWith('x') && escaped.length === 3)
      return String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
    if (/^[0-7]/.test(escaped)) return String.fromCharCode(Number.parseInt(escaped, 8));
    return escapes[escaped] ?? escaped;
  });
}
