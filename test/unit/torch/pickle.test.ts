/** Pickles: values, tensors, and refusals. */
import { describe, expect, it } from 'vitest';
import { PickleObject, type TorchTensor, unpickleTorch } from '../../../src/formats/torch/pickle/index.ts';
import { type Item, p, pickle } from './archives.ts';

const where = { file: 'm.pt', node: 'data.pkl' };
const storages: Readonly<Record<string, Uint8Array>> = {
  bytes: Uint8Array.from({ length: 24 }, (_, i) => i),
  floats: new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer),
  doubles: new Uint8Array(Float64Array.of(0.5, 0.25).buffer),
  longs: new Uint8Array(BigInt64Array.of(3n, -4n).buffer),
};
const read = (item: Item) =>
  unpickleTorch(pickle(item), { where, storage: (key) => storages[key] ?? new Uint8Array(0) });
const tensor = (item: Item) => read(item) as TorchTensor;

describe('pickles', () => {
  it('hold numbers, strings, lists, tuples and dicts', () => {
    expect(read(p.tuple(p.int(-5), p.float(0.1), p.string('é'), p.none, p.bool(true), p.list(p.int(1))))).toEqual([
      -5,
      0.1,
      'é',
      null,
      true,
      [1],
    ]);
    expect(read(p.dict([p.string('a'), p.int(1)], [p.int(2), p.none]))).toEqual(
      new Map<unknown, unknown>([
        ['a', 1],
        [2, null],
      ]),
    );
  });

  it('hold long integers in two’s complement', () => {
    expect(read(p.raw('\x8a\x02\x00\xff'))).toBe(-256);
    expect(read(p.raw('\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x40'))).toBe(2 ** 62);
  });

  it('share memoized values', () => {
    const [a, b] = read(p.tuple(p.memo(p.list(p.int(1)), 70000), p.recall(70000))) as unknown[];
    expect(a).toBe(b);
  });

  it('hold instances of classes of the archive, never constructed', () => {
    const object = read(p.object('__torch__.net.M', p.dict([p.string('k'), p.int(3)]))) as PickleObject;
    expect(object).toBeInstanceOf(PickleObject);
    expect([object.className, object.state]).toEqual(['__torch__.net.M', new Map([['k', 3]])]);
  });

  it('hold typed lists', () => {
    expect(read(p.call('torch.jit._pickle.build_intlist', p.list(p.int(1), p.int(2))))).toEqual([1, 2]);
    expect(
      read(p.call('torch.jit._pickle.restore_type_tag', p.list(p.none), p.string('List[Optional[Tensor]]'))),
    ).toEqual([null]);
  });
});

describe('tensors', () => {
  it('are views of their storage', () => {
    const t = tensor(p.tensor(p.storage('Float', 'floats', 6), 1, [2, 2], [2, 1]));
    expect(t.tensor()).toEqual({ dtype: 'f32', shape: [2, 2], data: Float32Array.of(2, 3, 4, 5) });
    expect(t.tensor().data.buffer).toBe(storages.floats.buffer);
  });

  it('follow their strides', () => {
    const t = tensor(p.tensor(p.storage('Byte', 'bytes', 24), 0, [2, 3, 4], [12, 1, 3]));
    const expected = [0, 1].flatMap((n) => [0, 1, 2].flatMap((c) => [0, 1, 2, 3].map((w) => n * 12 + c + 3 * w)));
    expect([...t.tensor().data]).toEqual(expected);
    expect([...tensor(p.tensor(p.storage('Byte', 'bytes', 24), 5, [3], [0])).tensor().data]).toEqual([5, 5, 5]);
    expect(tensor(p.tensor(p.storage('Byte', 'bytes', 24), 24, [0, 3], [3, 1])).tensor().data.length).toBe(0);
    expect([...tensor(p.tensor(p.storage('Byte', 'bytes', 24), 7, [], [])).tensor().data]).toEqual([7]);
  });

  it('are quantized per tensor or along an axis', () => {
    const storage = p.storage('QInt8', 'bytes', 6);
    expect(tensor(p.quantized(storage, [2, 3], [3, 1], p.perTensor(0.5, 4))).quantization).toEqual({
      kind: 'per-tensor',
      scale: 0.5,
      zeroPoint: 4,
    });
    const scales = p.tensor(p.storage('Double', 'doubles', 2), 0, [2], [1]);
    const zeros = p.tensor(p.storage('Long', 'longs', 2), 0, [2], [1]);
    const parameters = p.tuple(p.global('torch.per_channel_affine'), scales, zeros, p.int(0));
    expect(tensor(p.quantized(storage, [2, 3], [3, 1], parameters)).quantization).toEqual({
      kind: 'per-channel',
      scales: [0.5, 0.25],
      zeroPoints: [3, -4],
      axis: 0,
    });
  });

  const floats = p.storage('Float', 'floats', 6);
  it.each([
    ['leave their storage', p.tensor(floats, 3, [2, 2], [2, 1]), 'U1004', 'leaves its storage of 6'],
    ['have negative strides', p.tensor(floats, 5, [3], [-1]), 'U1004', 'negative'],
    ['lack a stride', p.tensor(floats, 0, [2, 2], [1]), 'U1004', 'one stride for each axis'],
    ['repeat without end', p.tensor(floats, 0, [50_000, 50_000], [0, 0]), 'U1006', 'repeats'],
    ['have too many axes', p.tensor(floats, 0, Array(100).fill(1), Array(100).fill(1)), 'U1004', '100 axes'],
    [
      'are of no type',
      p.tensor(p.storage('Quaternion', 'x', 1), 0, [1], [1]),
      'U1004',
      "'torch.QuaternionStorage' is not",
    ],
    ['are of complex numbers', p.tensor(p.storage('ComplexFloat', 'x', 1), 0, [1], [1]), 'U1004', 'ComplexFloat'],
    ['have no scheme', p.quantized(p.storage('QInt8', 'bytes', 6), [6], [1], p.tuple()), 'U1004', 'unknown form'],
    ['are quantized floats', p.quantized(floats, [6], [1], p.perTensor(1, 0)), 'U1004', 'float32'],
  ])('refuses those that %s', (_what, item, code, message) => {
    expect(() => read(item)).toThrow(expect.objectContaining({ code, message: expect.stringContaining(message) }));
  });

  it('refuses a storage of fewer bytes than it declares', () => {
    const item = p.tensor(p.storage('Float', 'floats', 2 ** 31 - 1), 0, [2 ** 31 - 1], [1]);
    expect(() => read(item)).toThrow(/U1004.*8589934588 bytes for 2147483647 elements, but the entry 'floats' has 24/);
  });
});

describe('hostile pickles', () => {
  it.each([
    'os.system',
    'builtins.eval',
    'torch.hub.load',
    'torch.nn.Linear',
    'torch._utils._rebuild_sparse_tensor',
    '__builtin__.getattr',
  ])('%s is an error that names it', (name) => {
    expect(() => read(p.call(name, p.string('x')))).toThrow(
      new RegExp(`U1004[\\s\\S]*'${name.replaceAll('.', '\\.')}' is not allowed`),
    );
  });

  it.each(['torch._tensor._rebuild_from_type_v2', 'torchao.dtypes.affine_quantized_tensor.AffineQuantizedTensor'])(
    '%s is said to be of a subclass, and what to do',
    (name) => {
      expect(() => read(p.call(name, p.string('x')))).toThrow(
        /U2008.*tensors of a subclass[\s\S]*help: .*unwrap_tensor_subclass/,
      );
    },
  );

  it.each([
    ['a call of a name', p.call('torch.per_tensor_affine'), 'a call of'],
    ['a call of a class', p.call('__torch__.M'), 'a call of'],
    ['a call of a number', Buffer.concat([p.int(1), p.tuple(), p.raw('R')]), 'not a function'],
    ['an instance of a function', p.object('torch.Size', p.none), 'not a class'],
    ['an opcode of Python alone', p.raw('2'), '0x32'],
    ['an empty stack', p.raw('0'), '0x30'],
    ['too few operands', p.raw('\x86'), 'the stack is empty'],
    ['a tuple below a mark', Buffer.concat([p.int(1), p.raw('('), p.raw('\x85')]), 'the stack is empty'],
    ['no mark', p.raw('t'), 'the mark is missing'],
    ['a memo that is not there', p.recall(3), 'nothing is memoized'],
    ['a list as a key', p.dict([p.list(), p.none]), 'a key'],
    ['a key without a value', Buffer.concat([p.raw('}('), p.int(1), p.raw('u')]), 'a key without a value'],
    ['an item for no list', Buffer.concat([p.int(1), p.int(2), p.raw('a')]), 'not a list'],
    ['a state for a number', Buffer.concat([p.int(1), p.none, p.raw('b')]), 'not an object'],
    ['a long string that is not there', p.raw('X\xff\xff\xff\x7fabc'), '2147483647 bytes'],
    ['a huge integer', p.raw('\x8b\xff\xff\xff\x7f'), 'an integer of'],
    ['a later protocol', p.raw('\x80\x09'), 'protocol 9'],
  ])('refuses %s', (_what, item, message) => {
    expect(() => read(item)).toThrow(
      expect.objectContaining({ name: 'UnskewError', message: expect.stringContaining(message) }),
    );
  });

  it('does not recurse', () => {
    const deep = Buffer.concat([Buffer.alloc(2_000_000, '('), Buffer.from('N'), Buffer.alloc(2_000_000, 't')]);
    expect(() => read(deep)).not.toThrow();
  });

  it('takes a list that contains itself', () => {
    const list = read(Buffer.concat([p.memo(p.list(), 0), p.recall(0), p.raw('a')])) as unknown[];
    expect(list[0]).toBe(list);
  });

  it('is refused at every length', () => {
    const whole = pickle(
      p.tuple(p.tensor(p.storage('Float', 'floats', 6), 0, [2, 2], [2, 1]), p.dict([p.string('a'), p.float(1)])),
    );
    for (let i = 0; i < whole.length; i++)
      expect(() => unpickleTorch(whole.subarray(0, i), { where, storage: (key) => storages[key] })).toThrow(
        expect.objectContaining({ name: 'UnskewError' }),
      );
  });
});
