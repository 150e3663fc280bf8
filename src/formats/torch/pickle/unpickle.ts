/**
 * A reader of pickles that executes nothing: it knows the opcodes that PyTorch writes, and globals from a list of the
 * caller. Anything else is an error that names it. Nothing here recurses, and every opcode allocates no more than the
 * bytes it consumes, so that time and memory are bounded by the length of the pickle.
 */
import { fail, type Location } from '../../../diagnostics/index.ts';
import type { Storage, TorchTensor } from './tensor.ts';

/** Tuples and lists are both arrays; a dict is a Map. */
export type PickleValue = null | boolean | number | string | TorchTensor | PickleValue[] | PickleDict | Unread;
/** Objects that are not values of the code, or not yet. */
export type Unread = PickleObject | PickleGlobal | Storage | Uint8Array;
export type PickleDict = Map<PickleValue, PickleValue>;

/** An instance of a class of the archive: its name and what `__getstate__` returned. Never constructed. */
export class PickleObject {
  readonly className: string;
  state: PickleValue = null;

  constructor(className: string) {
    this.className = className;
  }
}

/** The referent of a GLOBAL: a function that may be called, a class of the archive, or just a name. */
export class PickleGlobal {
  readonly name: string;
  readonly kind: 'function' | 'class' | 'name';
  readonly call: ((args: readonly PickleValue[]) => PickleValue) | undefined;

  constructor(name: string, kind: 'class' | 'name' | ((args: readonly PickleValue[]) => PickleValue)) {
    this.name = name;
    this.kind = typeof kind === 'function' ? 'function' : kind;
    this.call = typeof kind === 'function' ? kind : undefined;
  }
}

export interface UnpickleOptions {
  readonly where: Location;
  /** Resolves `module.name`; undefined when it is not allowed. */
  global(name: string): PickleGlobal | undefined;
  /** Resolves a persistent id. */
  persistent(id: PickleValue): PickleValue;
}

/** @throws UnskewError U1003 for a malformed pickle, U1004 for a global or an opcode that is not allowed */
export const unpickle = (bytes: Uint8Array, options: UnpickleOptions): PickleValue =>
  new Unpickler(bytes, options).run();

const HIGHEST_PROTOCOL = 5;
/** Bytes of a LONG that any number of a model needs. */
const LONGEST_INTEGER = 16;

class Unpickler {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #options: UnpickleOptions;
  readonly #stack: PickleValue[] = [];
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, PickleValue>();
  readonly #globals = new Map<string, PickleGlobal>();
  #at = 0;
  #start = 0;

  constructor(bytes: Uint8Array, options: UnpickleOptions) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#options = options;
  }

  run(): PickleValue {
    for (;;) {
      this.#start = this.#at;
      const code = this.#u8();
      if (code === STOP) return this.#pop();
      const step = steps[code];
      if (step === undefined) {
        this.#refuse(`the opcode 0x${code.toString(16).padStart(2, '0')} is not one that PyTorch writes`, 'U1004');
      }
      step(this.#machine);
    }
  }

  /** The interface of the opcodes. */
  readonly #machine: Machine = {
    u8: () => this.#u8(),
    u16: () => this.#number(2, (at) => this.#view.getUint16(at, true)),
    i32: () => this.#number(4, (at) => this.#view.getInt32(at, true)),
    u32: () => this.#number(4, (at) => this.#view.getUint32(at, true)),
    u64: () => this.#number(8, (at) => Number(this.#view.getBigUint64(at, true))),
    f64: () => this.#number(8, (at) => this.#view.getFloat64(at, false)),
    integer: (length) => this.#integer(length),
    take: (length) => this.#take(length),
    line: () => this.#line(),
    push: (value) => {
      this.#stack.push(value);
    },
    pop: () => this.#pop(),
    top: () => {
      if (this.#stack.length <= (this.#marks.at(-1) ?? 0)) this.#refuse('the stack is empty');
      return this.#stack[this.#stack.length - 1];
    },
    mark: () => {
      this.#marks.push(this.#stack.length);
    },
    popToMark: () => this.#stack.splice(this.#marks.pop() ?? this.#refuse('the mark is missing')),
    memoize: (key) => {
      this.#memo.set(key, this.#machine.top());
    },
    memoSize: () => this.#memo.size,
    recall: (key) => {
      const value = this.#memo.get(key);
      this.#stack.push(value === undefined ? this.#refuse(`nothing is memoized as ${key}`) : value);
    },
    global: (name) => this.#global(name),
    persistent: (id) => this.#options.persistent(id),
    refuse: (why, code) => this.#refuse(why, code),
  };

  #global(name: string): PickleGlobal {
    const known = this.#globals.get(name);
    if (known) return known;
    const found = this.#options.global(name);
    if (found === undefined)
      return this.#refuse(
        `the global '${name.slice(0, 200)}' is not allowed: nothing but tensors and modules is read`,
        'U1004',
      );
    this.#globals.set(name, found);
    return found;
  }

  #pop(): PickleValue {
    if (this.#stack.length <= (this.#marks.at(-1) ?? 0)) this.#refuse('the stack is empty');
    const value = this.#stack.pop();
    return value === undefined ? this.#refuse('the stack is empty') : value;
  }

  #u8(): number {
    if (this.#at >= this.#bytes.length) this.#refuse('it ends before its STOP');
    return this.#bytes[this.#at++];
  }

  #number(length: number, read: (at: number) => number): number {
    const at = this.#at;
    this.#take(length);
    return read(at);
  }

  #integer(length: number): number {
    if (length > LONGEST_INTEGER) this.#refuse(`an integer of ${length} bytes`);
    const bytes = this.#take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]);
    return Number(BigInt.asIntN(8 * length, value));
  }

  #take(length: number): Uint8Array {
    if (!(this.#at + length <= this.#bytes.length))
      this.#refuse(`it ends before the ${length} bytes that it announces`);
    return this.#bytes.subarray(this.#at, (this.#at += length));
  }

  #line(): string {
    const end = this.#bytes.indexOf(10, this.#at);
    if (end < 0) this.#refuse('it ends inside a line');
    const line = utf8(this.#bytes.subarray(this.#at, end));
    this.#at = end + 1;
    return line;
  }

  #refuse(why: string, code: 'U1003' | 'U1004' = 'U1003'): never {
    return fail(code, `the pickle cannot be read at byte ${this.#start}: ${why}`, this.#options.where);
  }
}

interface Machine {
  u8(): number;
  u16(): number;
  i32(): number;
  u32(): number;
  u64(): number;
  f64(): number;
  integer(length: number): number;
  take(length: number): Uint8Array;
  line(): string;
  push(value: PickleValue): void;
  pop(): PickleValue;
  top(): PickleValue;
  mark(): void;
  popToMark(): PickleValue[];
  memoize(key: number): void;
  memoSize(): number;
  recall(key: number): void;
  global(name: string): PickleGlobal;
  persistent(id: PickleValue): PickleValue;
  refuse(why: string, code?: 'U1003' | 'U1004'): never;
}

const decoder = new TextDecoder();
const utf8 = (bytes: Uint8Array): string => decoder.decode(bytes);

function setItems(m: Machine, items: readonly PickleValue[]): void {
  const dict = m.top();
  if (!(dict instanceof Map)) m.refuse('items are set on a value that is not a dict');
  if (items.length % 2 !== 0) m.refuse('a key without a value');
  for (let i = 0; i < items.length; i += 2) {
    const key = items[i];
    if (typeof key === 'object' && key !== null) m.refuse('a key that is neither a number nor a string');
    dict.set(key, items[i + 1]);
  }
}

function append(m: Machine, items: readonly PickleValue[]): void {
  const list = m.top();
  if (!Array.isArray(list)) m.refuse('an append to a value that is not a list');
  for (const item of items) list.push(item);
}

const dictOf = (m: Machine, items: readonly PickleValue[]): void => {
  m.push(new Map());
  setItems(m, items);
};

function tuple(m: Machine, length: number): void {
  const items: PickleValue[] = [];
  for (let i = 0; i < length; i++) items.unshift(m.pop());
  m.push(items);
}

function reduce(m: Machine): void {
  const args = m.pop();
  const callable = m.pop();
  if (!Array.isArray(args)) m.refuse('a call without arguments');
  if (!(callable instanceof PickleGlobal) || callable.call === undefined)
    m.refuse(
      `a call of ${callable instanceof PickleGlobal ? `'${callable.name}'` : 'a value that is not a function'}`,
      'U1004',
    );
  m.push(callable.call(args));
}

function newObject(m: Machine): void {
  m.pop();
  const type = m.pop();
  if (!(type instanceof PickleGlobal) || type.kind !== 'class') m.refuse('an instance of a value that is not a class');
  m.push(new PickleObject(type.name));
}

function build(m: Machine): void {
  const state = m.pop();
  const object = m.top();
  if (object instanceof PickleObject) object.state = state;
  else if (!(object instanceof Map)) m.refuse('a state for a value that is not an object'); // an OrderedDict's own attributes
}

const STOP = 0x2e;

/** The steps by opcode: https://github.com/python/cpython/blob/main/Lib/pickletools.py */
const steps: Readonly<Record<number, (m: Machine) => void>> = {
  // PROTO, FRAME
  128: (m) => {
    const protocol = m.u8();
    if (protocol > HIGHEST_PROTOCOL) m.refuse(`protocol ${protocol}`);
  },
  149: (m) => void m.u64(),
  // MARK
  40: (m) => m.mark(),
  // NONE, NEWTRUE, NEWFALSE
  78: (m) => m.push(null),
  136: (m) => m.push(true),
  137: (m) => m.push(false),
  // BININT, BININT1, BININT2, LONG1, LONG4, BINFLOAT
  74: (m) => m.push(m.i32()),
  75: (m) => m.push(m.u8()),
  77: (m) => m.push(m.u16()),
  138: (m) => m.push(m.integer(m.u8())),
  139: (m) => m.push(m.integer(m.u32())),
  71: (m) => m.push(m.f64()),
  // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8, BINSTRING, SHORT_BINSTRING
  88: (m) => m.push(utf8(m.take(m.u32()))),
  140: (m) => m.push(utf8(m.take(m.u8()))),
  141: (m) => m.push(utf8(m.take(m.u64()))),
  84: (m) => m.push(utf8(m.take(m.u32()))),
  85: (m) => m.push(utf8(m.take(m.u8()))),
  // BINBYTES, SHORT_BINBYTES
  66: (m) => m.push(m.take(m.u32())),
  67: (m) => m.push(m.take(m.u8())),
  // EMPTY_LIST, APPEND, APPENDS, LIST
  93: (m) => m.push([]),
  97: (m) => {
    const item = m.pop();
    append(m, [item]);
  },
  101: (m) => append(m, m.popToMark()),
  108: (m) => m.push(m.popToMark()),
  // EMPTY_TUPLE, TUPLE, TUPLE1, TUPLE2, TUPLE3
  41: (m) => m.push([]),
  116: (m) => m.push(m.popToMark()),
  133: (m) => tuple(m, 1),
  134: (m) => tuple(m, 2),
  135: (m) => tuple(m, 3),
  // EMPTY_DICT, DICT, SETITEM, SETITEMS
  125: (m) => m.push(new Map()),
  100: (m) => dictOf(m, m.popToMark()),
  115: (m) => {
    const value = m.pop();
    const key = m.pop();
    setItems(m, [key, value]);
  },
  117: (m) => setItems(m, m.popToMark()),
  // BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET
  113: (m) => m.memoize(m.u8()),
  114: (m) => m.memoize(m.u32()),
  148: (m) => m.memoize(m.memoSize()),
  104: (m) => m.recall(m.u8()),
  106: (m) => m.recall(m.u32()),
  // GLOBAL, STACK_GLOBAL
  99: (m) => {
    const module = m.line();
    m.push(m.global(`${module}.${m.line()}`));
  },
  147: (m) => {
    const name = m.pop();
    m.push(m.global(`${String(m.pop())}.${String(name)}`));
  },
  // REDUCE, NEWOBJ, BUILD, BINPERSID
  82: reduce,
  129: newObject,
  98: build,
  81: (m) => m.push(m.persistent(m.pop())),
};
