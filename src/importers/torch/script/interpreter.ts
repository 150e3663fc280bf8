/**
 * Runs the code of an archive as far as it can be known without data: numbers are computed, branches taken, loops run,
 * modules and functions inlined; operators on tensors become nodes of a graph. A branch that depends on data is refused.
 */
import type { Location } from '../../../diagnostics/index.ts';
import { PickleObject } from '../../../formats/torch/index.ts';
import { describe, GraphTensor, isTensor, type TorchValue, Undetermined } from '../values.ts';
import type { Block, Expression, Statement } from './ast.ts';
import { builtins, isPlain, truth } from './builtins.ts';
import type { CodeBase } from './code.ts';
import { containerCall } from './containers.ts';
import { type Ending, type Frame, Frames } from './frames.ts';
import { writesNumber } from './in_place.ts';
import { dottedName, operatorName, operators, raised, raises, typed, words } from './language.ts';
import { iterated } from './loops.ts';
import { ClassConstant, type Modules } from './modules.ts';
import { ClassObject, FunctionObject, fieldOf, ModuleObject, type Operators } from './objects.ts';
import { prepack } from './packed.ts';
import { bindParameters } from './parameters.ts';
import { type Special, specials } from './specials.ts';
import { State } from './state.ts';

type Keywords = ReadonlyMap<string, TorchValue>;

export class Interpreter extends Frames {
  readonly #constants: readonly TorchValue[];
  readonly #operators: Operators;
  readonly #modules: Modules;
  #variable: string | undefined;
  /** The number of running methods that create modules: their assignments define the module. */
  #loading = 0;
  readonly state = new State();

  constructor(
    code: CodeBase,
    constants: readonly TorchValue[],
    operators: Operators,
    modules: Modules,
    archive: Location,
  ) {
    super(code, archive);
    this.#constants = constants;
    this.#operators = operators;
    this.#modules = modules;
    modules.runBy((method, args, where) => {
      this.#loading++;
      this.call(method, args, new Map(), where);
      this.#loading--;
    });
  }

  // ---- objects

  /** Pickled objects become modules when they are reached. */
  #reached(value: TorchValue, line: number): TorchValue {
    return value instanceof PickleObject ? this.#modules.instance(value, this.at(line)) : value;
  }

  attribute(object: ModuleObject, name: string, where: () => Location): TorchValue | undefined {
    const assigned = this.state.assigned(object, name);
    if (assigned !== undefined) return assigned;
    const found = this.#modules.attribute(object, name, where);
    if (found === undefined) return found;
    if (!(found instanceof ClassConstant)) {
      if (this.#loading === 0) this.state.read(object, name, found);
      return found;
    }
    this.frames.push({ file: found.file, variables: new Map(), self: undefined });
    const value = this.#evaluate(found.value);
    this.frames.pop();
    return value;
  }

  // ---- calls

  call(
    { code, file, self }: FunctionObject,
    args: readonly TorchValue[],
    keywords: Keywords,
    where: Location,
  ): TorchValue {
    return this.nested(where, () => {
      const frame: Frame = { file, self: self ?? this.frames.at(-1)?.self, variables: new Map() };
      this.frames.push(frame);
      const evaluate = (e: Expression) => this.#evaluate(e);
      bindParameters(code, {
        args: self ? [self, ...args] : args,
        keywords,
        variables: frame.variables,
        evaluate,
        where,
      });
      const ending = this.#run(code.body);
      this.frames.pop();
      return ending?.kind === 'return' ? ending.value : null;
    });
  }

  // ---- statements

  #run(block: Block): Ending | undefined {
    for (const statement of block) {
      const ending = this.#execute(statement);
      if (ending) return ending;
    }
    return undefined;
  }

  #execute(statement: Statement): Ending | undefined {
    this.step(statement.line);
    switch (statement.kind) {
      case 'assign': {
        const [target] = statement.targets;
        this.#variable = target.kind === 'name' ? target.name : undefined;
        const value = this.#evaluate(statement.value);
        this.#variable = undefined;
        for (const to of statement.targets) this.#assign(to, value);
        return undefined;
      }
      case 'augment': {
        const { operator, target, value, line } = statement;
        const [old, by] = [this.#evaluate(target), this.#evaluate(value)];
        const inPlace = isTensor(old) || Array.isArray(old) ? operators[operator] : undefined;
        this.#assign(
          target,
          inPlace ? this.#invoke(`${inPlace}_`, [old, by], line) : this.#operator(operator, [old, by], line),
        );
        return undefined;
      }
      case 'expression':
        this.#evaluate(statement.value);
        return undefined;
      case 'return':
        return { kind: 'return', value: statement.value ? this.#evaluate(statement.value) : null };
      case 'if':
        return this.#run(this.#branch(statement));
      case 'while':
        while (this.decided(this.#evaluate(statement.test), statement.line)) {
          const ending = this.#run(statement.body);
          if (ending?.kind === 'return') return ending;
          if (ending?.kind === 'break') break;
        }
        return undefined;
      case 'for':
        return this.#loop(statement);
      case 'with':
        return this.#within(statement);
      case 'raise':
        return this.refuse(statement.line, 'the code raises an exception', 'U2005');
      case 'assert':
        if (truth(this.#evaluate(statement.test)) === false) this.refuse(statement.line, 'an assertion fails', 'U2005');
        return undefined;
      case 'pass':
        return undefined;
      default:
        return { kind: statement.kind };
    }
  }

  /** The branch to take. For a check on sizes that only a run can decide, the branch that does not raise. */
  #branch({ test, then, otherwise, line }: Extract<Statement, { kind: 'if' }>): Block {
    const value = this.#now(this.#evaluate(test), line);
    const known = truth(value);
    if (known !== undefined) return known ? then : otherwise;
    if (!(value instanceof GraphTensor)) {
      if (raises(then)) return otherwise;
      if (raises(otherwise)) return then;
    }
    return this.decided(value, line) ? then : otherwise;
  }

  #loop({ target, over, body, line }: Extract<Statement, { kind: 'for' }>): Ending | undefined {
    for (const item of iterated(over, this.#api)) {
      this.step(line);
      this.#assign(target, this.#reached(item, line));
      const ending = this.#run(body);
      if (ending?.kind === 'return') return ending;
      if (ending?.kind === 'break') break;
    }
    return undefined;
  }

  /** Objects with `__enter__` and `__exit__`, such as torch.no_grad(). */
  #within({ managers, body, line }: Extract<Statement, { kind: 'with' }>): Ending | undefined {
    const entered = managers.map(({ context, target }) => {
      const manager = this.#evaluate(context);
      const value = this.#method(manager, '__enter__', [], line);
      if (target) this.#assign(target, value);
      return manager;
    });
    const ending = this.#run(body);
    for (const manager of entered.reverse()) this.#method(manager, '__exit__', [null, null, null], line);
    return ending;
  }

  #method(object: TorchValue, name: string, args: readonly TorchValue[], line: number): TorchValue {
    const found = object instanceof ModuleObject ? this.attribute(object, name, () => this.at(line)) : undefined;
    if (found instanceof FunctionObject) return this.call(found, args, new Map(), this.at(line));
    return this.refuse(line, `a 'with' of ${describe(object)}, which has no ${name}`, 'U2008');
  }

  #assign(target: Expression, value: TorchValue): void {
    switch (target.kind) {
      case 'name':
        this.frame.variables.set(target.name, value);
        return;
      case 'tuple':
      case 'list': {
        if (!Array.isArray(value)) this.refuse(target.line, `${describe(value)} cannot be unpacked`, 'U2008');
        if (value.length !== target.items.length)
          this.refuse(target.line, `${value.length} values for ${target.items.length} variables`);
        target.items.forEach((item, i) => {
          this.#assign(item, this.#reached(value[i], target.line));
        });
        return;
      }
      case 'attribute': {
        const object = this.#evaluate(target.object);
        if (!(object instanceof ModuleObject)) this.refuse(target.line, `${describe(object)} has no attributes`);
        if (this.#loading > 0) object.attributes.set(target.name, value);
        else this.state.assign(object, target.name, value, this.at(target.line));
        return;
      }
      case 'subscript': {
        const container = this.#evaluate(target.object);
        if (!Array.isArray(container) && !(container instanceof Map))
          this.refuse(target.line, `an assignment to an element of ${describe(container)}`, 'U2008');
        this.#invoke('aten::_set_item', [container, this.#evaluate(target.index), value], target.line);
        return;
      }
      default:
        this.refuse(target.line, 'an assignment to an expression that is not a variable');
    }
  }

  // ---- expressions

  #evaluate(e: Expression): TorchValue {
    this.step(e.line);
    switch (e.kind) {
      case 'number':
      case 'string':
        return e.value;
      case 'name':
        return this.#name(e.name, e.line);
      case 'attribute':
        return this.#attributeOf(e);
      case 'subscript':
        return this.#subscript(e);
      case 'call':
        return this.nested(
          () => this.at(e.line),
          () => this.#callOf(e),
        );
      case 'list':
      case 'tuple':
        return e.items.map((item) => this.#evaluate(item));
      case 'dict':
        return new Map(e.entries.map(([key, value]) => [this.#evaluate(key), this.#evaluate(value)]));
      case 'unary': {
        const operand = this.#evaluate(e.operand);
        return e.operator === '+'
          ? operand
          : this.#operator(e.operator === '-' ? 'negative' : e.operator, [operand], e.line);
      }
      case 'binary':
        return this.#binary(e);
      case 'conditional':
        return this.#evaluate(this.decided(this.#evaluate(e.test), e.line) ? e.then : e.otherwise);
      case 'slice':
        return this.refuse(e.line, 'a slice outside of an index');
    }
  }

  #binary({ operator, left, right, line }: Extract<Expression, { kind: 'binary' }>): TorchValue {
    const a = this.#evaluate(left);
    if (operator === 'and' || operator === 'or') {
      const known = truth(a);
      if (known !== undefined) return known === (operator === 'and') ? this.#evaluate(right) : a;
      return a;
    }
    return this.#operator(operator, [a, this.#evaluate(right)], line);
  }

  #operator(operator: string, args: readonly TorchValue[], line: number): TorchValue {
    const name = operators[operator] ?? this.refuse(line, `the operator '${operator}' is not supported`, 'U2008');
    if (operator === 'not in')
      return this.#invoke('aten::__not__', [this.#invoke(name, [args[1], args[0]], line)], line);
    return this.#invoke(name, operator === 'in' ? [args[1], args[0]] : args, line);
  }

  #name(name: string, line: number): TorchValue {
    const value = this.frame.variables.get(name);
    if (value !== undefined) return value;
    if (name in words) return words[name];
    return this.refuse(line, `the variable '${name}' has no value`);
  }

  #attributeOf(e: Extract<Expression, { kind: 'attribute' }>): TorchValue {
    const dotted = dottedName(e, this.frame.variables);
    if (dotted !== undefined) return this.#global(dotted, e.line);
    const object = this.#evaluate(e.object);
    if (object instanceof ModuleObject) {
      const value = this.attribute(object, e.name, () => this.at(e.line));
      if (value !== undefined) return value;
      return this.refuse(e.line, `the module ${object.className} has no attribute '${e.name}'`);
    }
    const field =
      object instanceof Map ? object.get(e.name) : Array.isArray(object) ? fieldOf(object, e.name) : undefined;
    if (field !== undefined) return field;
    return this.refuse(e.line, `the attribute '${e.name}' of ${describe(object)} is not supported`, 'U2008');
  }

  /** `CONSTANTS.c3`, or a function of the archive. */
  #global(dotted: string, line: number): TorchValue {
    if (dotted.startsWith('CONSTANTS.c')) {
      const constant = this.#constants[Number(dotted.slice(11))];
      if (constant === undefined)
        return this.refuse(line, `${dotted} is not one of the ${this.#constants.length} constants`);
      const value = this.#reached(constant, line);
      this.state.keep(value);
      return value;
    }
    const found = this.code.functionOf(dotted);
    if (found) return new FunctionObject(found.code, found.path);
    const made = this.code.classObject(dotted);
    if (made) return made;
    return this.refuse(line, `'${dotted.slice(0, 200)}' is not supported as a value`, 'U2008');
  }

  #subscript({ object, index, line }: Extract<Expression, { kind: 'subscript' }>): TorchValue {
    const container = this.#evaluate(object);
    if (index.kind === 'slice') {
      const [start, end, step] = index.bounds.map((bound) => (bound ? this.#evaluate(bound) : null));
      return this.#invoke('aten::slice', [container, start, end ?? null, step ?? 1], line);
    }
    const at = this.#evaluate(index);
    if (container instanceof Undetermined) return container;
    const call = containerCall('aten::__getitem__', container);
    const refuse = (why: string): never => this.refuse(line, why);
    if (call) return this.#reached(call.run({ args: [container, at], refuse }), line);
    return this.refuse(line, `an element of ${describe(container)} is not supported`, 'U2008');
  }

  // ---- calls

  #callOf(e: Extract<Expression, { kind: 'call' }>): TorchValue {
    const special =
      e.callee.kind === 'name' && !this.frame.variables.has(e.callee.name) ? specials[e.callee.name] : undefined;
    if (special) return special.call(this.#api, e);
    const variable = this.#variable;
    this.#variable = undefined;
    const dotted = dottedName(e.callee, this.frame.variables);
    const isOperator = dotted?.startsWith('torch.') || dotted?.startsWith('ops.');
    const callee = isOperator ? null : this.#evaluate(e.callee);
    const args = e.args.map((arg) => this.#evaluate(arg));
    const keywords = new Map(e.keywords.map(([name, value]) => [name, this.#evaluate(value)] as const));
    this.#variable = variable;
    if (dotted !== undefined && isOperator) {
      const name = operatorName(dotted);
      const result = this.#invoke(name, args, e.line, typed(name, e.args, keywords));
      if (writesNumber(name, args) && e.args[0].kind === 'name') this.#assign(e.args[0], result);
      return result;
    }
    if (callee instanceof FunctionObject) return this.call(callee, args, keywords, this.at(e.line));
    if (callee instanceof ClassObject) return callee.make(args, keywords, (why) => this.refuse(e.line, why, 'U2008'));
    return this.refuse(e.line, `a call of ${describe(callee)}`, 'U2008');
  }

  #invoke(name: string, args: readonly TorchValue[], line: number, keywords: Keywords = new Map()): TorchValue {
    this.boundLists(args, line);
    if (name === 'prim::RaiseException') return this.refuse(line, raised(args), 'U2005');
    const packed = prepack(name, args, this.at(line));
    if (packed) return packed;
    const refuse = (why: string): never => this.refuse(line, `${name} ${why}`, 'U2008');
    const container = containerCall(name, args[0]);
    if (container?.changes) this.state.change(args[0], this.at(line));
    if (container) return container.run({ args, refuse });
    const builtin = builtins[writesNumber(name, args) ? name.slice(0, -1) : name];
    const isPlainCall = () => args.every((arg) => isPlain(this.#now(arg, line)));
    if (builtin && (!this.#operators.has(name) || isPlainCall()))
      return builtin({ name, args: args.map((arg) => this.#now(arg, line)), keywords, refuse });
    const module = this.frame.self?.path ?? '';
    const variable = this.#variable;
    return this.#operators.apply({ name, args, keywords, module, variable, where: this.at(line) });
  }

  /** A tensor as it is after all writes. */
  #now(value: TorchValue, line: number): TorchValue {
    return isTensor(value) ? this.#operators.current(value, this.at(line)) : value;
  }

  readonly #api: Special = {
    evaluate: (e) => this.#evaluate(e),
    apply: (name, args, line) => this.#invoke(name, args, line),
    attribute: (object, name, line) => this.attribute(object, name, () => this.at(line)),
    refuse: (line, why, code) => this.refuse(line, why, code),
  };
}
