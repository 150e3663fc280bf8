/** The textual form cut into words, marks, numbers and strings, with the place of each. */

export type TokenKind = 'string' | 'number' | 'word' | 'mark' | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** The text as written, the quotes of strings included. */
  readonly text: string;
  readonly at: number;
}

/** The gaps between tokens, and all tokens but strings: strings may be long, and are found by hand. */
const GAP = /(?:\s+|\/\/[^\n]*)+/y;
const TOKEN =
  /(?<number>-?(?:inf\b|\d+(?:\.\d+)?(?:e[-+]?\d+)?)(?![\w.]))|(?<word>[A-Za-z0-9_.$/]+)|(?<mark>->|[%@(){}[\]=:,])/y;

/** @param refuse called with a message and the place of the fault */
export function tokensOf(text: string, refuse: (message: string, at: number) => never): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; ; ) {
    GAP.lastIndex = at;
    if (GAP.test(text)) at = GAP.lastIndex;
    if (at >= text.length) break;
    let token: Token;
    if (text[at] === '"') token = { kind: 'string', text: text.slice(at, endOfString(text, at, refuse)), at };
    else {
      TOKEN.lastIndex = at;
      const groups = TOKEN.exec(text)?.groups ?? refuse(`unexpected character ${JSON.stringify(text[at])}`, at);
      const kind = groups.mark !== undefined ? 'mark' : groups.word !== undefined ? 'word' : 'number';
      token = { kind, text: groups[kind], at };
    }
    tokens.push(token);
    at += token.text.length;
  }
  tokens.push({ kind: 'end', text: 'end of text', at: text.length });
  return tokens;
}

const QUOTE_OR_ESCAPE = /["\\]/g;

function endOfString(text: string, start: number, refuse: (message: string, at: number) => never): number {
  QUOTE_OR_ESCAPE.lastIndex = start + 1;
  for (;;) {
    const found = QUOTE_OR_ESCAPE.exec(text) ?? refuse('a string does not end', start);
    if (found[0] === '"') return QUOTE_OR_ESCAPE.lastIndex;
    QUOTE_OR_ESCAPE.lastIndex++;
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

/**
 * The contents of a string. Escapes are those of JSON; every other character stands for itself, control characters too.
 *
 * @param refuse called for an invalid escape, with its offset
 */
export function unquoted(token: string, refuse: (message: string, offset: number) => never): string {
  const inner = token.slice(1, -1);
  if (!inner.includes('\\')) return inner;
  return inner.replace(/\\(?:u([0-9a-fA-F]{4})|(.))/gs, (whole, code: string | undefined, letter, offset: number) =>
    code !== undefined
      ? String.fromCharCode(Number.parseInt(code, 16))
      : (ESCAPES[letter] ?? refuse(`${JSON.stringify(whole)} is not an escape of a string`, offset + 1)),
  );
}
