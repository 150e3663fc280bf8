/** Archives made by hand: a ZIP writer and a pickle writer, for tests of files that no tool would write. */
import { crc32, deflateRawSync } from 'node:zlib';

export interface Entry {
  readonly name: string;
  readonly data: Uint8Array | string;
  readonly deflate?: boolean;
  /** Declares other facts in the directory than the true ones. */
  readonly declared?: {
    readonly size?: number;
    readonly crc?: number;
    readonly method?: number;
    readonly flags?: number;
  };
}

const bytesOf = (data: Uint8Array | string): Uint8Array => (typeof data === 'string' ? Buffer.from(data) : data);

/** A ZIP archive of these entries; `zip64` writes sizes and offsets the long way. */
export function zip(entries: readonly Entry[], { zip64 = false, count = entries.length } = {}): Uint8Array {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  const push = (list: Buffer[], ...buffers: readonly Uint8Array[]) => list.push(...buffers.map((b) => Buffer.from(b)));
  for (const { name, data, deflate = false, declared = {} } of entries) {
    const raw = bytesOf(data);
    const packed = deflate ? deflateRawSync(raw) : raw;
    const nameBytes = Buffer.from(name);
    const { size = raw.length, crc = crc32(raw), method = deflate ? 8 : 0, flags = 0x800 } = declared;
    const packedSize = deflate ? packed.length : size;
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(20, 4);
    local.writeUInt16LE(flags, 6);
    local.writeUInt16LE(method, 8);
    local.writeUInt32LE(crc, 14);
    local.writeUInt32LE(packedSize, 18);
    local.writeUInt32LE(size, 22);
    local.writeUInt16LE(nameBytes.length, 26);
    const extra = zip64 ? Buffer.alloc(28) : Buffer.alloc(0);
    if (zip64) {
      extra.writeUInt16LE(1, 0);
      extra.writeUInt16LE(24, 2);
      extra.writeBigUInt64LE(BigInt(size), 4);
      extra.writeBigUInt64LE(BigInt(packedSize), 12);
      extra.writeBigUInt64LE(BigInt(offset), 20);
    }
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(20, 4);
    central.writeUInt16LE(20, 6);
    central.writeUInt16LE(flags, 8);
    central.writeUInt16LE(method, 10);
    central.writeUInt32LE(crc, 16);
    central.writeUInt32LE(zip64 ? 0xffffffff : packedSize, 20);
    central.writeUInt32LE(zip64 ? 0xffffffff : size, 24);
    central.writeUInt16LE(nameBytes.length, 28);
    central.writeUInt16LE(extra.length, 30);
    central.writeUInt32LE(zip64 ? 0xffffffff : offset, 42);
    push(parts, local, nameBytes, packed);
    push(directory, central, nameBytes, extra);
    offset += 30 + nameBytes.length + packed.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Math.min(count, 0xffff), 8);
  end.writeUInt16LE(Math.min(count, 0xffff), 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(zip64 ? 0xffffffff : offset, 16);
  if (!zip64) return Buffer.concat([...parts, central, end]);
  const long = Buffer.alloc(56 + 20);
  long.writeUInt32LE(0x06064b50, 0);
  long.writeBigUInt64LE(44n, 4);
  long.writeBigUInt64LE(BigInt(count), 24);
  long.writeBigUInt64LE(BigInt(count), 32);
  long.writeBigUInt64LE(BigInt(central.length), 40);
  long.writeBigUInt64LE(BigInt(offset), 48);
  long.writeUInt32LE(0x07064b50, 56);
  long.writeBigUInt64LE(BigInt(offset + central.length), 64);
  long.writeUInt32LE(1, 72);
  return Buffer.concat([...parts, central, long, end]);
}

// ---- pickles

export type Item = Buffer;

const op = (code: string, ...more: readonly Uint8Array[]): Item =>
  Buffer.concat([Buffer.from(code, 'latin1'), ...more]);
const u32 = (n: number): Buffer => {
  const b = Buffer.alloc(4);
  b.writeUInt32LE(n);
  return b;
};

/** The opcodes that tests need, in a form that reads like the values they make. */
export const p = {
  int(n: number): Item {
    const b = Buffer.alloc(4);
    b.writeInt32LE(n);
    return op('J', b);
  },
  float(x: number): Item {
    const b = Buffer.alloc(8);
    b.writeDoubleBE(x);
    return op('G', b);
  },
  string: (text: string): Item => op('X', u32(Buffer.byteLength(text)), Buffer.from(text)),
  none: op('N'),
  bool: (value: boolean): Item => op(value ? '\x88' : '\x89'),
  tuple: (...items: readonly Item[]): Item => op('(', ...items, op('t')),
  list: (...items: readonly Item[]): Item => op(']', op('('), ...items, op('e')),
  dict: (...entries: readonly (readonly [Item, Item])[]): Item => op('}', op('('), ...entries.flat(), op('u')),
  global: (name: string): Item => {
    const dot = name.lastIndexOf('.');
    return op('c', Buffer.from(`${name.slice(0, dot)}\n${name.slice(dot + 1)}\n`));
  },
  call: (name: string, ...args: readonly Item[]): Item => op('', p.global(name), p.tuple(...args), op('R')),
  object: (name: string, state: Item): Item => op('', p.global(name), op(')\x81'), state, op('b')),
  memo: (item: Item, key: number): Item => op('', item, op('r', u32(key))),
  recall: (key: number): Item => op('j', u32(key)),
  raw: (code: string): Item => op(code),
  storage: (type: string, key: string, length: number): Item =>
    op(
      '',
      p.tuple(p.string('storage'), p.global(`torch.${type}Storage`), p.string(key), p.string('cpu'), p.int(length)),
      op('Q'),
    ),
  ints: (...numbers: readonly number[]): Item => p.tuple(...numbers.map((n) => p.int(n))),
  tensor: (storage: Item, offset: number, sizes: readonly number[], strides: readonly number[]): Item =>
    p.call(
      'torch._utils._rebuild_tensor_v2',
      storage,
      p.int(offset),
      p.ints(...sizes),
      p.ints(...strides),
      p.bool(false),
      p.call('collections.OrderedDict'),
    ),
  quantized: (storage: Item, sizes: readonly number[], strides: readonly number[], parameters: Item): Item =>
    p.call(
      'torch._utils._rebuild_qtensor',
      storage,
      p.int(0),
      p.ints(...sizes),
      p.ints(...strides),
      parameters,
      p.bool(false),
      p.call('collections.OrderedDict'),
    ),
  perTensor: (scale: number, zeroPoint: number): Item =>
    p.tuple(p.global('torch.per_tensor_affine'), p.float(scale), p.int(zeroPoint)),
} as const;

export const pickle = (item: Item): Uint8Array =>
  Buffer.concat([Buffer.from('\x80\x02', 'latin1'), item, Buffer.from('.')]);

export interface Script {
  /** The body of the file of class `M`, with its methods. */
  readonly code: string;
  /** Attributes of the module. */
  readonly state?: Item;
  readonly constants?: Item;
  readonly files?: readonly Entry[];
  readonly data?: Readonly<Record<string, Uint8Array>>;
}

/** An archive with one module of the class `__torch__.M`. */
export function script({ code, state = p.dict(), constants = p.tuple(), files = [], data = {} }: Script): Uint8Array {
  return zip([
    { name: 'm/data.pkl', data: pickle(p.object('__torch__.M', state)) },
    { name: 'm/code/__torch__.py', data: code, deflate: true },
    { name: 'm/constants.pkl', data: pickle(constants) },
    ...Object.entries(data).map(([key, bytes]) => ({ name: `m/data/${key}`, data: bytes })),
    ...files,
    { name: 'm/version', data: '3\n' },
  ]);
}

/** `forward(self, x)` with this body. */
export const forward = (...lines: readonly string[]): string =>
  [
    'class M(Module):',
    '  __parameters__ = []',
    '  def forward(self: __torch__.M,',
    '    x: Tensor) -> Tensor:',
    ...lines.map((l) => `    ${l}`),
    '',
  ].join('\n');
