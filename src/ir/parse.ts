/** Reads the textual form that `print` writes. Errors name line and column. */
import { fail } from '../diagnostics/index.ts';
import { GraphBuilder } from './builder.ts';
import { tensorOfBytes } from './constant_pool.ts';
import type { AttrValue, OperandSpecs, Value } from './define_op.ts';
import { type DType, dtypes, isDType, newArray } from './dtype.ts';
import type { Graph, SymbolRange } from './graph.ts';
import { findOp } from './op_table.ts';
import { parseType } from './parse_type.ts';
import { type ITensor, sizeOf } from './tensor.ts';
import { isStatic, type Loc, sameShape, type TensorType } from './types.ts';

const TOKEN =
  /\s+|\/\/[^\n]*|(?<string>"(?:[^"\\]|\\.)*")|(?<number>-?(?:inf\b|\d+(?:\.\d+)?(?:e[-+]?\d+)?)(?![\w.]))|(?<word>[A-Za-z0-9_.$/]+)|(?<mark>->|[%@(){}[\]=:,])/y;

interface Token {
  readonly kind: 'string' | 'number' | 'word' | 'mark' | 'end';
  readonly text: string;
  readonly at: number;
}

/**
 * @param constants contents of the constants whose contents the text leaves out
 * @throws UnskewError U3001 with line and column
 */
export function parse(text: string, file?: string, constants?: ReadonlyMap<string, ITensor>): Graph {
  return new Parser(text, file, constants).graph();
}

class Parser {
  readonly #text: string;
  readonly #file: string | undefined;
  readonly #tokens: Token[] = [];
  #next = 0;
  readonly #constants = new Map<string, ITensor>();
  readonly #given: ReadonlyMap<string, ITensor>;

  constructor(text: string, file: string | undefined, given: ReadonlyMap<string, ITensor> = new Map()) {
    this.#text = text;
    this.#file = file;
    this.#given = given;
    TOKEN.lastIndex = 0;
    while (TOKEN.lastIndex < text.length) {
      const at = TOKEN.lastIndex;
      const match = TOKEN.exec(text);
      if (!match) this.#refuse(`unexpected character ${JSON.stringify(text[at])}`, at);
      for (const [kind, value] of Object.entries(match?.groups ?? {})) {
        if (value !== undefined) this.#tokens.push({ kind: kind as Token['kind'], text: value, at });
      }
    }
    this.#tokens.push({ kind: 'end', text: 'end of text', at: text.length });
  }

  graph(): Graph {
    this.#readConstants();
    this.#word('graph');
    this.#mark('@');
    const b = new GraphBuilder(this.#name());
    for (const [name, tensor] of this.#constants) b.constant(tensor, name);
    this.#list('(', ')', () => {
      this.#mark('%');
      const name = this.#name();
      this.#mark(':');
      const { dtype, shape } = this.#type();
      b.input(name, dtype, shape);
    });
    this.#mark('->');
    const outputTokens = this.#next;
    this.#skipGroup();
    const symbols = this.#accept('sizes') ? this.#symbols() : undefined;
    this.#mark('{');
    while (!this.#is('}')) this.#node(b);
    const end = this.#next;
    this.#next = outputTokens;
    const outputs = this.#list('(', ')', () => this.#value(b));
    this.#next = end;
    return { ...b.finish(outputs as Value[]), ...(symbols && { symbols }) };
  }

  /** `(N=[1,1024], H=[3,inf])` */
  #symbols(): Record<string, SymbolRange> {
    const ranges = this.#list('(', ')', () => {
      const symbol = this.#name();
      this.#mark('=');
      const { at } = this.#peek();
      const [min, max, ...rest] = this.#list('[', ']', () => toNumber(this.#number()));
      if (max === undefined || rest.length > 0) this.#refuse('two bounds were expected', at);
      return [symbol, { ...(min > 0 && { min }), ...(max < Infinity && { max }) }] as const;
    });
    return Object.fromEntries(ranges);
  }

  /** Constants stand at the end but are needed first. */
  #readConstants(): void {
    const start = this.#tokens.findIndex(
      (t, i) => t.text === 'constants' && this.#tokens[i + 1]?.text === '{' && this.#tokens[i - 1]?.text === '}',
    );
    if (start < 0) return;
    this.#next = start + 2;
    while (!this.#is('}')) {
      this.#mark('@');
      const at = this.#peek().at;
      const name = this.#name();
      this.#mark(':');
      const type = this.#type();
      this.#mark('=');
      if (this.#accept('sha256')) {
        this.#string();
        const given = this.#given.get(name);
        if (given === undefined) this.#refuse(`the contents of @${name} were left out when this text was printed`, at);
        const fits = given?.dtype === type.dtype && sameShape(given.shape, type.shape);
        if (!fits) this.#refuse(`@${name} is not of the type that the text gives`, at);
        this.#constants.set(name, given as ITensor);
        continue;
      }
      this.#word('base64');
      const bytes = new Uint8Array(Buffer.from(this.#string(), 'base64'));
      this.#constants.set(name, this.#constant(name, type, bytes, at));
    }
    this.#next = 0;
  }

  #constant(name: string, { dtype, shape }: TensorType, bytes: Uint8Array, at: number): ITensor {
    if (dtype === 'opaque' || !isStatic(shape)) return this.#refuse(`@${name} needs a type of known shape`, at);
    const expected = sizeOf(shape) * dtypes[dtype].bytes;
    if (bytes.length !== expected) this.#refuse(`@${name} needs ${expected} bytes, but has ${bytes.length}`, at);
    return tensorOfBytes(dtype, shape, bytes.slice());
  }

  #node(b: GraphBuilder): void {
    const start = this.#peek().at;
    const names: string[] = [];
    do {
      this.#mark('%');
      names.push(this.#name());
    } while (this.#accept(','));
    this.#mark('=');
    const opName = this.#expect('word').text;
    const op = findOp(opName) ?? this.#refuse(`there is no operator '${opName}'`, start);
    const specs = Object.entries(op.operands as OperandSpecs);
    const operands: (Value | null)[] = [];
    this.#list('(', ')', () => {
      const named = this.#peek(1).text === '=' ? specs.findIndex(([name]) => name === this.#peek().text) : -1;
      if (this.#peek(1).text !== '=') {
        operands.push(this.#accept('_') ? null : this.#value(b));
        return;
      }
      if (named < 0) this.#refuse(`${opName} has no operand '${this.#peek().text}'`, this.#peek().at);
      this.#next += 2;
      while (operands.length < named) operands.push(null);
      operands[named] = this.#value(b);
    });
    const attrs = this.#is('{', true) ? this.#attrs() : {};
    this.#mark(':');
    const types = [this.#type()];
    while (this.#accept(',')) types.push(this.#type());
    const loc = this.#peek().text === 'loc' ? this.#loc() : {};
    const results = b.emitList(op, operands, attrs, { names, loc });
    const same =
      results.length === types.length &&
      results.every((r, i) => r.type.dtype === types[i].dtype && sameShape(r.type.shape, types[i].shape));
    if (!same) this.#refuse(`the result types written here are not those that ${opName} has`, start);
  }

  #attrs(): Record<string, AttrValue> {
    const pairs = this.#list('{', '}', () => {
      const key = this.#expect('word').text;
      this.#mark('=');
      return [key, this.#attr()] as const;
    });
    return Object.fromEntries(pairs);
  }

  #attr(): AttrValue {
    if (this.#is('[', true)) return this.#list('[', ']', () => this.#attr()) as AttrValue;
    const token = this.#tokens[this.#next++];
    if (token.kind === 'string') return JSON.parse(token.text);
    if (token.kind === 'number' || token.text === 'nan') return toNumber(token.text);
    if (token.text === 'true' || token.text === 'false') return token.text === 'true';
    return this.#refuse(`an attribute value was expected, not '${token.text}'`, token.at);
  }

  /** `%x`, `@w`, `3:u8` or `[1, 2]:s64` */
  #value(b: GraphBuilder): Value {
    const { text, at } = this.#peek();
    if (text === '%' || text === '@') {
      this.#next++;
      const name = this.#name();
      return b.lookup(name) ?? this.#refuse(`${text}${name} is not defined`, at);
    }
    const isList = text === '[';
    const items = isList ? this.#list('[', ']', () => this.#number()) : [this.#number()];
    this.#mark(':');
    const dtype = this.#expect('word').text;
    if (!isDType(dtype)) return this.#refuse(`'${dtype}' is not an element type`, at);
    return b.constant({ dtype, shape: isList ? [items.length] : [], data: parseItems(dtype, items) });
  }

  #loc(): Loc {
    this.#next++;
    this.#mark('(');
    const loc: { file?: string; node?: string; op?: string } = {};
    while (!this.#is(')')) {
      if (this.#peek(1).text === '=') {
        const key = this.#expect('word').text === 'op' ? 'op' : 'file';
        this.#next++;
        loc[key] = this.#string();
      } else if (this.#peek().kind === 'string') loc.node = this.#string();
      else loc.op = this.#expect('word').text;
    }
    return loc;
  }

  #type(): TensorType {
    const start = this.#expect('word');
    const open = this.#peek();
    const dims = this.#list('[', ']', () => this.#tokens[this.#next++].text);
    return (
      parseType(`${start.text}[${dims.join(',')}]`) ?? this.#refuse(`'${start.text}' is not an element type`, open.at)
    );
  }

  #number(): string {
    const token = this.#tokens[this.#next++];
    if (token.kind !== 'number' && token.text !== 'nan')
      this.#refuse(`a number was expected, not '${token.text}'`, token.at);
    return token.text;
  }

  #list<T>(open: string, close: string, item: () => T): T[] {
    this.#mark(open);
    const items: T[] = [];
    if (this.#is(close)) return items;
    do items.push(item());
    while (this.#accept(','));
    this.#mark(close);
    return items;
  }

  #skipGroup(): void {
    this.#mark('(');
    while (!this.#is(')')) this.#next++;
  }

  #peek = (ahead = 0): Token => this.#tokens[Math.min(this.#next + ahead, this.#tokens.length - 1)];

  /** True, and consumed unless `keep`, when the next token is this text; the end of the text is refused. */
  #is(text: string, keep = false): boolean {
    const token = this.#peek();
    if (token.text === text && token.kind !== 'string') {
      if (!keep) this.#next++;
      return true;
    }
    if (token.kind === 'end') this.#refuse(`'${text}' is missing`, token.at);
    return false;
  }

  #accept(text: string): boolean {
    if (this.#peek().text !== text) return false;
    this.#next++;
    return true;
  }

  #expect(kind: Token['kind']): Token {
    const token = this.#peek();
    if (token.kind !== kind) this.#refuse(`a ${kind} was expected, not '${token.text}'`, token.at);
    this.#next++;
    return token;
  }

  #mark(text: string): void {
    if (!this.#accept(text)) this.#refuse(`'${text}' was expected, not '${this.#peek().text}'`, this.#peek().at);
  }

  #word = (text: string): void => this.#mark(text);
  #string = (): string => JSON.parse(this.#expect('string').text);

  /** A plain or quoted name. */
  #name(): string {
    const token = this.#tokens[this.#next++];
    if (token.kind === 'string') return JSON.parse(token.text);
    if (token.kind === 'word' || token.kind === 'number') return token.text;
    return this.#refuse(`a name was expected, not '${token.text}'`, token.at);
  }

  #refuse(message: string, at: number): never {
    const before = this.#text.slice(0, at).split('\n');
    return fail(
      'U3001',
      `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}: ${message}`,
      this.#file ? { file: this.#file } : {},
    );
  }
}

const toNumber = (text: string): number =>
  text === 'nan' ? Number.NaN : text === 'inf' ? Infinity : text === '-inf' ? -Infinity : Number(text);

function parseItems(dtype: DType, items: readonly string[]): ITensor['data'] {
  const data = newArray(dtype, items.length);
  items.forEach((item, i) => {
    data[i] = data instanceof BigInt64Array || data instanceof BigUint64Array ? BigInt(item) : toNumber(item);
  });
  return data;
}
