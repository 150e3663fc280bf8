/** A place among tokens, and the ways to go on from it. */
import type { Refuse, Token } from './tokens.ts';

/** The deepest nesting of expressions and blocks. */
const DEEPEST = 400;

export class Cursor {
  readonly #tokens: readonly Token[];
  protected readonly refuse: Refuse;
  #at = 0;
  #depth = 0;

  /** @param tokens the last is the end: the cursor stays there, however often it is asked to go on */
  constructor(tokens: readonly Token[], refuse: Refuse) {
    this.#tokens = tokens;
    this.refuse = refuse;
  }

  protected peek(): Token {
    return this.#tokens[this.#at];
  }

  protected next(): Token {
    const token = this.peek();
    if (token.kind !== 'end') this.#at++;
    return token;
  }

  protected is(text: string): boolean {
    const { kind, text: actual } = this.peek();
    return kind === 'operator' && actual === text;
  }

  protected isName(text: string): boolean {
    const { kind, text: actual } = this.peek();
    return kind === 'name' && actual === text;
  }

  protected take(text: string): boolean {
    const taken = this.is(text) || this.isName(text);
    if (taken) this.next();
    return taken;
  }

  protected takeKind(kind: Token['kind']): boolean {
    const taken = this.peek().kind === kind;
    if (taken) this.next();
    return taken;
  }

  protected expect(text: string): void {
    if (!this.take(text)) this.unexpected(`'${text}'`);
  }

  protected name(): string {
    if (this.peek().kind !== 'name') this.unexpected('a name');
    return this.next().text;
  }

  protected newline(): void {
    if (!this.take(';') && !this.takeKind('newline')) this.unexpected('the end of the line');
  }

  protected skipLine(): void {
    while (!this.takeKind('newline') && this.peek().kind !== 'end') this.next();
  }

  protected unexpected(wanted: string): never {
    const { kind, text, line } = this.peek();
    return this.refuse(line, `${wanted} is expected, not ${text === '' ? `the ${kind}` : `'${text.slice(0, 40)}'`}`);
  }

  protected nested<T>(body: () => T): T {
    if (++this.#depth > DEEPEST) this.refuse(this.peek().line, `more than ${DEEPEST} levels of nesting`);
    const result = body();
    this.#depth--;
    return result;
  }

  /** The text of the token after the next. */
  protected get following(): string | undefined {
    return this.#tokens[this.#at + 1]?.text;
  }
}
