/** A parser of TorchScript source text, as `torch.jit.save` prints it. */
import type { Block, ClassCode, Expression, FunctionCode, Manager, Parameter, SourceFile, Statement } from './ast.ts';
import { Cursor } from './cursor.ts';
import { type Refuse, tokenize } from './tokens.ts';

/** @param refuse called with the line that cannot be parsed */
export const parseSource = (text: string, refuse: Refuse): SourceFile =>
  new Parser(tokenize(text, refuse), refuse).file();

const precedence: Readonly<Record<string, number>> = {
  or: 1,
  and: 2,
  in: 4,
  'not in': 4,
  is: 4,
  'is not': 4,
  '==': 4,
  '!=': 4,
  '<': 4,
  '>': 4,
  '<=': 4,
  '>=': 4,
  '|': 5,
  '^': 6,
  '&': 7,
  '<<': 8,
  '>>': 8,
  '+': 9,
  '-': 9,
  '*': 10,
  '/': 10,
  '//': 10,
  '%': 10,
  '@': 10,
  '**': 12,
};
/** Attributes that are None are not always stored. */
const mayBeNone = (type: Expression | undefined): boolean =>
  (type?.kind === 'name' && type.name === 'NoneType') ||
  (type?.kind === 'subscript' && type.object.kind === 'name' && type.object.name === 'Optional');

const noneAt = (line: number): Expression => ({ line, kind: 'name', name: 'None' });

const NOT = 3;
const NEGATION = 11;

class Parser extends Cursor {
  file(): SourceFile {
    const classes = new Map<string, ClassCode>();
    const functions = new Map<string, FunctionCode>();
    while (this.peek().kind !== 'end') {
      if (this.isName('class')) {
        const code = this.#class();
        classes.set(code.name, code);
      } else if (this.isName('def')) {
        const code = this.#function();
        functions.set(code.name, code);
      } else if (this.isName('import') || this.isName('from')) this.skipLine();
      else this.#statement(); // `op_version_set = 1` of the first versions
    }
    return { classes, functions };
  }

  // ---- declarations

  #class(): ClassCode {
    const { line } = this.next();
    const name = this.name();
    const bases: string[] = [];
    if (this.take('('))
      while (!this.take(')')) {
        const { kind, text } = this.next();
        if (kind === 'end') this.unexpected("')'");
        bases.push(text);
      }
    const fields: string[] = [];
    const methods = new Map<string, FunctionCode>();
    const constants = new Map<string, Expression>();
    this.#indented(() => {
      if (this.isName('def')) {
        const code = this.#function();
        methods.set(code.name, code);
        return;
      }
      const start = this.peek();
      const target = this.#expression();
      const isTyped = this.take(':');
      const type = isTyped ? this.#expression() : undefined;
      const value = this.take('=') ? this.#expressions() : mayBeNone(type) ? noneAt(start.line) : undefined;
      this.newline();
      if (isTyped && target.kind === 'name') fields.push(target.name);
      if (isTyped && value !== undefined && start.kind === 'name' && target.kind === 'name')
        constants.set(target.name, value);
    });
    return { name, line, methods, constants, fields: bases.includes('NamedTuple') ? fields : undefined };
  }

  #function(): FunctionCode {
    const { line } = this.next();
    const name = this.name();
    const parameters: Parameter[] = [];
    this.expect('(');
    while (!this.take(')')) {
      this.take('*');
      if (this.take(',')) continue; // the following parameters are given by keyword
      parameters.push({
        name: this.name(),
        type: this.take(':') ? this.#expression() : undefined,
        default: this.take('=') ? this.#expression() : undefined,
      });
      if (!this.is(')')) this.expect(',');
    }
    if (this.take('->')) this.#expression();
    return { name, line, parameters, body: this.#block() };
  }

  #block(): Block {
    const statements: Statement[] = [];
    this.#indented(() => {
      statements.push(this.#statement());
    });
    return statements;
  }

  #indented(item: () => void): void {
    this.nested(() => {
      this.expect(':');
      if (this.peek().kind !== 'newline') {
        item();
        return;
      }
      this.next();
      if (!this.takeKind('indent')) return; // a class without attributes has no body
      while (!this.takeKind('dedent')) {
        if (this.peek().kind === 'end') this.unexpected('a statement');
        item();
      }
    });
  }

  // ---- statements

  #statement(): Statement {
    const { line, kind, text } = this.peek();
    if (kind === 'name') {
      switch (text) {
        case 'if':
          return this.nested(() => this.#if());
        case 'while':
          this.next();
          return { line, kind: 'while', test: this.#expression(), body: this.#block() };
        case 'for': {
          this.next();
          const target = this.#targets();
          this.expect('in');
          return { line, kind: 'for', target, over: this.#expressions(), body: this.#block() };
        }
        case 'return':
        case 'raise': {
          this.next();
          const value = this.peek().kind === 'newline' ? undefined : this.#expressions();
          this.newline();
          return { line, kind: text, value };
        }
        case 'assert': {
          this.next();
          const test = this.#expression();
          const message = this.take(',') ? this.#expression() : undefined;
          this.newline();
          return { line, kind: 'assert', test, message };
        }
        case 'pass':
        case 'break':
        case 'continue':
          this.next();
          this.newline();
          return { line, kind: text };
        case 'with':
          this.next();
          return { line, kind: 'with', managers: this.#managers(), body: this.#block() };
        case 'try':
        case 'global':
        case 'del':
          return this.refuse(line, `a statement with '${text}' is not supported`);
      }
    }
    const statement = this.#simple(line);
    this.newline();
    return statement;
  }

  #managers(): Manager[] {
    const managers: Manager[] = [];
    do managers.push({ context: this.#expression(), target: this.take('as') ? this.#expression() : undefined });
    while (this.take(','));
    return managers;
  }

  /** From `if` or `elif` to the end of its last branch. */
  #if(): Statement {
    const { line } = this.next();
    const test = this.#expression();
    const then = this.#block();
    if (this.isName('elif')) return { line, kind: 'if', test, then, otherwise: [this.nested(() => this.#if())] };
    return { line, kind: 'if', test, then, otherwise: this.take('else') ? this.#block() : [] };
  }

  /** The targets of a loop: names, without the operator `in`. */
  #targets(): Expression {
    const { line } = this.peek();
    const items = [this.#postfix()];
    while (this.take(',') && !this.isName('in')) items.push(this.#postfix());
    return items.length === 1 ? items[0] : { line, kind: 'tuple', items };
  }

  #simple(line: number): Statement {
    const first = this.#expressions();
    if (this.take(':')) {
      this.#expression();
      return this.take('=')
        ? { line, kind: 'assign', targets: [first], value: this.#expressions() }
        : { line, kind: 'pass' };
    }
    const { kind, text } = this.peek();
    if (kind === 'operator' && text !== '=' && text.endsWith('=') && !precedence[text]) {
      this.next();
      return { line, kind: 'augment', target: first, operator: text.slice(0, -1), value: this.#expressions() };
    }
    const targets: Expression[] = [];
    let value = first;
    while (this.take('=')) {
      targets.push(value);
      value = this.#expressions();
    }
    return targets.length === 0 ? { line, kind: 'expression', value } : { line, kind: 'assign', targets, value };
  }

  // ---- expressions

  /** One expression, or a tuple without parentheses. */
  #expressions(): Expression {
    const { line } = this.peek();
    const first = this.#expression();
    if (!this.is(',')) return first;
    const items = [first];
    while (this.take(',')) {
      if (this.is('=') || this.is(')') || this.peek().kind === 'newline') break;
      items.push(this.#expression());
    }
    return { line, kind: 'tuple', items };
  }

  #expression(): Expression {
    return this.nested(() => {
      const { line } = this.peek();
      const then = this.#binary(0);
      if (!this.take('if')) return then;
      const test = this.#binary(0);
      this.expect('else');
      return { line, kind: 'conditional', test, then, otherwise: this.#expression() };
    });
  }

  #binary(least: number): Expression {
    return this.nested(() => {
      let left = this.#unary();
      for (;;) {
        const operator = this.#operator();
        const level = operator === undefined ? undefined : precedence[operator];
        if (operator === undefined || level === undefined || level <= least) return left;
        const { line } = this.next();
        if (operator.includes(' ')) this.next();
        left = { line, kind: 'binary', operator, left, right: this.#binary(operator === '**' ? level - 1 : level) };
      }
    });
  }

  /** The binary operator that comes next; `not in` and `is not` are two tokens. */
  #operator(): string | undefined {
    const { kind, text } = this.peek();
    if (kind !== 'operator' && kind !== 'name') return undefined;
    const following = this.following;
    if (kind === 'name' && text === 'not' && following === 'in') return 'not in';
    if (kind === 'name' && text === 'is' && following === 'not') return 'is not';
    return Object.hasOwn(precedence, text) ? text : undefined;
  }

  #unary(): Expression {
    const { line, text } = this.peek();
    if (this.take('not')) return { line, kind: 'unary', operator: 'not', operand: this.#binary(NOT) };
    if (this.is('-') || this.is('+') || this.is('~')) {
      this.next();
      return { line, kind: 'unary', operator: text, operand: this.#binary(NEGATION) };
    }
    return this.#postfix();
  }

  #postfix(): Expression {
    let value = this.#primary();
    for (;;) {
      const { line } = this.peek();
      if (this.take('.')) value = { line, kind: 'attribute', object: value, name: this.name() };
      else if (this.take('(')) value = this.#call(value, line);
      else if (this.take('[')) {
        const index = this.#index();
        this.expect(']');
        value = { line, kind: 'subscript', object: value, index };
      } else return value;
    }
  }

  #call(callee: Expression, line: number): Expression {
    const args: Expression[] = [];
    const keywords: [string, Expression][] = [];
    while (!this.take(')')) {
      const isKeyword = this.peek().kind === 'name' && this.following === '=';
      if (isKeyword) {
        const name = this.name();
        this.expect('=');
        keywords.push([name, this.#expression()]);
      } else args.push(this.#expression());
      if (!this.is(')')) this.expect(',');
    }
    return { line, kind: 'call', callee, args, keywords };
  }

  #index(): Expression {
    const { line } = this.peek();
    const bounds: (Expression | undefined)[] = [this.is(':') ? undefined : this.#expressions()];
    while (this.take(':')) bounds.push(this.is(':') || this.is(']') ? undefined : this.#expression());
    const [only, ...others] = bounds;
    return only && others.length === 0 ? only : { line, kind: 'slice', bounds };
  }

  #primary(): Expression {
    const { kind, text, line } = this.peek();
    if (kind === 'number') {
      this.next();
      if (/j$/i.test(text)) this.refuse(line, 'complex numbers are not supported');
      return { line, kind: 'number', value: Number(text), isFloat: /[.e]/i.test(text) && !/^0x/i.test(text) };
    }
    if (kind === 'string') {
      let value = '';
      while (this.peek().kind === 'string') value += this.next().text;
      return { line, kind: 'string', value };
    }
    if (kind === 'name') return { line, kind: 'name', name: this.next().text };
    if (this.take('(')) {
      if (this.take(')')) return { line, kind: 'tuple', items: [] };
      const inner = this.#expressions();
      this.expect(')');
      return inner;
    }
    if (this.take('[')) return { line, kind: 'list', items: this.#items(']', () => this.#expression()) };
    if (this.take('{')) {
      const entry = (): [Expression, Expression] => {
        const key = this.#expression();
        this.expect(':');
        return [key, this.#expression()];
      };
      return { line, kind: 'dict', entries: this.#items('}', entry) };
    }
    return this.unexpected('an expression');
  }

  #items<T>(end: string, item: () => T): T[] {
    const items: T[] = [];
    while (!this.take(end)) {
      items.push(item());
      if (!this.is(end)) this.expect(',');
    }
    return items;
  }
}
