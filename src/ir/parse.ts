/** Reads the textual form that `print` writes. Errors name line and column. */

import { type Code, fail, UnskewError } from '../diagnostics/index.ts';
import { type RequantizeProfile, requantizeModes } from '../numerics/index.ts';
import { platform } from '../platform/index.ts';
import { byteLengthOf, type ITensor, isDType, isHalf, sizeOf, tensorOfBytes } from '../tensors/index.ts';
import { bodyPath, MOST_NESTED } from './bodies.ts';
import { GraphBuilder } from './builder.ts';
import type { AnyValue, AttrValue } from './define_op.ts';
import type { Graph, SymbolFacts } from './graph.ts';
import { findOp } from './op_table.ts';
import { isElement, parseItems, toNumber } from './parse_elements.ts';
import { parseDim, typeOfParts } from './parse_type.ts';
import { type Token, tokensOf, unquoted } from './tokens.ts';
import { isStatic, type Loc, sameShape, type TensorType } from './types.ts';

/**
 * @param constants contents of the constants whose contents the text leaves out
 * @throws UnskewError with line and column: U3001 for other text, and the code of the builder for operators that do not
 * fit their operands
 */
export function parse(text: string, file?: string, constants?: ReadonlyMap<string, ITensor>): Graph {
  return new Parser(text, file, constants).graph();
}

class Parser {
  readonly #text: string;
  readonly #file: string | undefined;
  readonly #tokens: readonly Token[];
  #next = 0;
  #constants = new Map<string, { readonly tensor: ITensor; readonly at: number }>();
  readonly #given: ReadonlyMap<string, ITensor>;
  /** Names in the text: inline constants get others. */
  readonly #names = new Set<string>();
  #unnamed = 0;
  /** The nodes and attributes around the graph that is read, as `constantsByPath` has them. */
  #path = '';
  #depth = 0;

  constructor(text: string, file: string | undefined, given: ReadonlyMap<string, ITensor> = new Map()) {
    this.#text = text;
    this.#file = file;
    this.#given = given;
    this.#tokens = tokensOf(text, (message, at) => this.#refuse(message, at));
    this.#tokens.forEach(({ text, kind }, i) => {
      if (kind === 'mark' && (text === '%' || text === '@')) this.#names.add(this.#nameOf(this.#tokens[i + 1]) ?? '');
    });
  }

  graph(): Graph {
    const graph = this.#graph();
    if (this.#peek().kind !== 'end') this.#unexpected('the end of the text');
    return graph;
  }

  #graph(): Graph {
    this.#readConstants();
    this.#word('graph');
    this.#mark('@');
    const b = new GraphBuilder(this.#name());
    for (const [name, { tensor, at }] of this.#constants) this.#located(at, () => b.constant(tensor, name));
    this.#list('(', ')', () => {
      const { at } = this.#peek();
      this.#mark('%');
      const name = this.#name();
      this.#mark(':');
      const { dtype, shape } = this.#type();
      this.#located(at, () => b.input(name, dtype, shape));
    });
    this.#mark('->');
    const outputTokens = this.#next;
    this.#skipGroup();
    const symbols = this.#accept('sizes') ? this.#symbols() : undefined;
    const profile = this.#accept('profile') ? this.#profile() : undefined;
    this.#mark('{');
    while (!this.#is('}')) this.#node(b);
    if (this.#accept('constants')) this.#skipConstants();
    const end = this.#next;
    this.#next = outputTokens;
    const outputs = this.#list('(', ')', () => this.#value(b));
    this.#next = end;
    return { ...b.finish(outputs), ...(symbols && { symbols }), ...(profile && { profile }) };
  }

  #profile(): RequantizeProfile {
    this.#mark('=');
    const { at } = this.#peek();
    const profile = this.#string() as RequantizeProfile;
    return Object.hasOwn(requantizeModes, profile)
      ? profile
      : this.#refuse(`'${profile}' is not a profile`, at, `one of: ${Object.keys(requantizeModes).join(', ')}`);
  }

  /** `(N=[1,1024], H=[3,inf] "the height")` */
  #symbols(): Record<string, SymbolFacts> {
    const ranges = this.#list('(', ')', () => {
      const symbol = this.#name();
      this.#mark('=');
      const { at } = this.#peek();
      const [min, max, ...rest] = this.#list('[', ']', () => toNumber(this.#number()));
      if (max === undefined || rest.length > 0) this.#refuse('two bounds were expected', at);
      const name = this.#peek().kind === 'string' ? this.#string() : undefined;
      return [
        symbol,
        { ...(min > 0 && { min }), ...(max < Infinity && { max }), ...(name !== undefined && { name }) },
      ] as const;
    });
    return Object.fromEntries(ranges);
  }

  /** Constants stand at the end but are needed first: behind the brace that closes the graph. */
  #readConstants(): void {
    const start = this.#next;
    let end = start;
    for (let depth = 0; end < this.#tokens.length; end++) {
      const { kind, text } = this.#tokens[end];
      if (kind !== 'mark') continue;
      if (text === '{') depth++;
      else if (text === '}' && --depth === 0) break;
    }
    if (
      end + 2 >= this.#tokens.length ||
      this.#tokens[end + 1].text !== 'constants' ||
      this.#tokens[end + 2].text !== '{'
    )
      return;
    this.#next = end + 3;
    while (!this.#is('}')) this.#listedConstant();
    this.#next = start;
  }

  #skipConstants(): void {
    this.#mark('{');
    while (!this.#is('}')) this.#next++;
  }

  /** `@w : s8[16,3,3,3] = base64"…"` */
  #listedConstant(): void {
    this.#mark('@');
    const { at } = this.#peek();
    const name = this.#name();
    if (this.#constants.has(name)) this.#refuse(`the constant @${name} is defined twice`, at, undefined, 'U2002');
    this.#mark(':');
    const type = this.#type();
    this.#mark('=');
    if (!this.#accept('sha256')) {
      this.#word('base64');
      this.#constants.set(name, { tensor: this.#constant(name, type, this.#expect('string'), at), at });
      return;
    }
    this.#string();
    const given = this.#given.get(this.#path + name);
    if (given === undefined) this.#refuse(`the contents of @${name} were left out when this text was printed`, at);
    else if (given.dtype !== type.dtype || !sameShape(given.shape, type.shape))
      this.#refuse(`@${name} is not of the type that the text gives`, at);
    else this.#constants.set(name, { tensor: given, at });
  }

  #constant(name: string, { dtype, shape }: TensorType, { text }: Token, at: number): ITensor {
    if (dtype === 'opaque' || !isStatic(shape)) return this.#refuse(`@${name} needs a type of known shape`, at);
    const expected = byteLengthOf(dtype, sizeOf(shape));
    const bytes = platform.bytesOfBase64(text.slice(1, -1));
    if (bytes.length !== expected) this.#refuse(`@${name} needs ${expected} bytes, but has ${bytes.length}`, at);
    if (text.length - 2 !== 4 * Math.ceil(expected / 3)) this.#refuse(`the contents of @${name} are not base64`, at);
    return tensorOfBytes(dtype, shape, bytes);
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
    const op = findOp(opName) ?? this.#refuse(`'${opName}' is not an operator`, start);
    const specs = Object.entries(op.operands);
    const operands: (AnyValue | null)[] = [];
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
    const attrs = this.#is('{', true) ? this.#attrs(names[0]) : {};
    this.#mark(':');
    const types = [this.#type()];
    while (this.#accept(',')) types.push(this.#type());
    const loc = this.#peek().text === 'loc' ? this.#loc() : {};
    const results = this.#located(start, () => b.emitList(op, operands, attrs, { names, loc }));
    const same =
      results.length === types.length &&
      results.every((r, i) => r.type.dtype === types[i].dtype && sameShape(r.type.shape, types[i].shape));
    if (!same) this.#refuse(`the result types written here differ from the types that ${opName} gives`, start);
  }

  #attrs(node: string): Record<string, AttrValue> {
    const pairs = this.#list('{', '}', () => {
      const key = this.#expect('word').text;
      this.#mark('=');
      return [key, this.#peek().text === 'graph' ? this.#body(node, key) : this.#attr()] as const;
    });
    return Object.fromEntries(pairs);
  }

  /** A graph inside of an operator, with constants of its own. */
  #body(node: string, attribute: string): Graph {
    if (this.#depth === MOST_NESTED)
      this.#refuse(`graphs stand in graphs ${MOST_NESTED} times at most`, this.#peek().at);
    const [constants, path] = [this.#constants, this.#path];
    this.#constants = new Map();
    this.#path = bodyPath(path, node, attribute);
    this.#depth++;
    const graph = this.#graph();
    this.#depth--;
    this.#constants = constants;
    this.#path = path;
    return graph;
  }

  #attr(): AttrValue {
    return this.#is('[', true) ? (this.#list('[', ']', () => this.#scalar()) as AttrValue) : this.#scalar();
  }

  #scalar(): number | string | boolean {
    const token = this.#take();
    if (token.kind === 'string') return this.#contents(token);
    if (token.kind === 'number' || token.text === 'nan') return toNumber(token.text);
    if (token.text === 'true' || token.text === 'false') return token.text === 'true';
    return this.#refuse(`an attribute value was expected, not '${token.text}'`, token.at);
  }

  /** `%x`, `@w`, `3:u8` or `[1, 2]:s64` */
  #value(b: GraphBuilder): AnyValue {
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
    if (isHalf(dtype)) return this.#refuse(`constants of ${dtype} stand at the end, in base64`, at);
    const wrong = items.find((item) => !isElement(dtype, item));
    if (wrong !== undefined) return this.#refuse(`${wrong} is not of type ${dtype}`, at);
    const data = parseItems(dtype, items);
    return b.constant({ dtype, shape: isList ? [items.length] : [], data }, this.#freshName());
  }

  #freshName(): string {
    for (;;) {
      const name = this.#unnamed === 0 ? 'const' : `const.${this.#unnamed}`;
      this.#unnamed++;
      if (!this.#names.has(name)) return name;
    }
  }

  /** `loc(file="m.onnx" input="w" "conv1" QLinearConv)`, all of it optional. */
  #loc(): Loc {
    this.#next++;
    this.#mark('(');
    const loc: { file?: string; node?: string; op?: string; input?: string } = {};
    while (!this.#is(')')) {
      const { kind, text, at } = this.#peek();
      if (this.#peek(1).text === '=') {
        if (text !== 'file' && text !== 'input' && text !== 'op')
          return this.#refuse(`a location has no '${text}'`, at, 'it has: file, input, op, and the node in quotes');
        this.#next += 2;
        loc[text] = this.#string();
      } else if (kind === 'string') loc.node = this.#string();
      else loc.op = this.#expect('word').text;
    }
    return loc;
  }

  #type(): TensorType {
    const { text, at } = this.#expect('word');
    const parts = this.#list('[', ']', () => {
      const part = this.#take();
      return parseDim(part.text) === undefined
        ? this.#refuse(
            `'${part.text}' is not a size: a whole number from 0, a symbol, or an expression in quotes`,
            part.at,
          )
        : part.text;
    });
    return typeOfParts(text, parts) ?? this.#refuse(`'${text}' is not an element type`, at);
  }

  #number(): string {
    const token = this.#take();
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

  /** The next token, consumed; the end of the text stays. */
  #take(): Token {
    const token = this.#peek();
    if (token.kind !== 'end') this.#next++;
    return token;
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
    const token = this.#peek();
    if (token.text !== text || token.kind === 'end') return false;
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
    if (!this.#accept(text)) this.#unexpected(`'${text}'`);
  }

  #unexpected(expected: string): never {
    const { text, at } = this.#peek();
    this.#refuse(`${expected} was expected, not '${text.slice(0, 40)}'`, at);
  }

  #word = (text: string): void => this.#mark(text);
  #string = (): string => this.#contents(this.#expect('string'));
  #contents = ({ text, at }: Token): string => unquoted(text, (message, offset) => this.#refuse(message, at + offset));

  /** A plain or quoted name. */
  #name(): string {
    return this.#nameOf(this.#peek()) === undefined
      ? this.#unexpected('a name')
      : (this.#nameOf(this.#take()) as string);
  }

  #nameOf(token: Token): string | undefined {
    if (token.kind === 'string') return this.#contents(token);
    return token.kind === 'word' || token.kind === 'number' ? token.text : undefined;
  }

  /** Errors of the builder say where in the text. */
  #located<T>(at: number, body: () => T): T {
    try {
      return body();
    } catch (error) {
      if (!(error instanceof UnskewError)) throw error;
      const { code, message, hint } = error.diagnostics[0];
      return this.#refuse(message, at, hint, code);
    }
  }

  #refuse(message: string, at: number, hint?: string, code: Code = 'U3001'): never {
    const before = this.#text.slice(0, at);
    const line = before.split('\n').length;
    const column = at - before.lastIndexOf('\n');
    const where = this.#file === undefined ? {} : { file: this.#file };
    return fail(code, `line ${line}, column ${column}: ${message}`, where, hint);
  }
}
