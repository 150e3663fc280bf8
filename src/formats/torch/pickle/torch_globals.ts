/** The globals of PyTorch's pickles: functions that put tensors together, and classes of the archive. */

import { fail, type Location } from '../../../diagnostics/index.ts';
import { byteLengthOf } from '../../../tensors/index.ts';
import { type ScalarType, scalarTypeOfName, scalarTypeOfStorage, scalarTypes } from './scalar_type.ts';
import { type Storage, type TensorQuantization, TorchTensor, type View } from './tensor.ts';
import { PickleGlobal, type PickleValue, unpickle } from './unpickle.ts';

export interface TorchPickleOptions {
  readonly where: Location;
  /** The bytes of the storage with this key. */
  storage(key: string): Uint8Array;
}

/**
 * Reads a pickle of `torch.jit.save` or `torch.save`. Instances of classes of the archive (`__torch__.…`) become
 * PickleObjects, tensors TorchTensors.
 *
 * @throws UnskewError U1003, U1004 and U1006 as `unpickle` and TorchTensor
 */
export function unpickleTorch(bytes: Uint8Array, options: TorchPickleOptions): PickleValue {
  const storages = new Map<string, Storage>();
  const globals = torchFunctions(options.where);
  return unpickle(bytes, {
    where: options.where,
    global: (name) => {
      if (subclass.test(name)) refuseSubclass(name, options.where);
      return globals.get(name) ?? (name.startsWith('__torch__.') ? new PickleGlobal(name, 'class') : namedGlobal(name));
    },
    persistent: (id) => storageOf(id, storages, options),
  });
}

/** Functions that build tensors of a library's classes: only the library knows their layout. */
const subclass = /^torch\._tensor\._rebuild_from_type|\._rebuild_wrapper_subclass$|^torchao\./;

function refuseSubclass(name: string, where: Location): never {
  return fail(
    'U2008',
    `the archive holds tensors of a subclass (${name}), as torchao writes quantized weights; they are not read`,
    where,
    'call torchao.utils.unwrap_tensor_subclass(model) before torch.export: it makes plain tensors of them',
  );
}

/** `torch.FloatStorage`, `torch.float32`, `torch.per_tensor_affine`: names that stand for themselves. */
function namedGlobal(name: string): PickleGlobal | undefined {
  const short = /^torch\.(?:storage\.)?(\w+)$/.exec(name)?.[1];
  if (short === undefined) return undefined;
  const isName = short.endsWith('Storage') || schemes.has(short) || scalarTypeOfName(short) !== undefined;
  return isName ? new PickleGlobal(name, 'name') : undefined;
}

const schemes = new Set([
  'per_tensor_affine',
  'per_channel_affine',
  'per_channel_affine_float_qparams',
  'per_tensor_symmetric',
  'per_channel_symmetric',
]);

/** ('storage', torch.FloatStorage, key, device, elements) */
function storageOf(id: PickleValue, storages: Map<string, Storage>, options: TorchPickleOptions): Storage {
  const wrong = (why: string): never => fail('U1004', `a storage of the pickle is wrong: ${why}`, options.where);
  if (!Array.isArray(id) || id.length < 5 || id[0] !== 'storage') return wrong('it is not a storage');
  const [, global, key, , length] = id;
  const name = global instanceof PickleGlobal ? global.name : '';
  const prefix = /(\w+)Storage$/.exec(name)?.[1];
  const type = prefix === 'Untyped' ? scalarTypes.uint8 : scalarTypeOfStorage(prefix ?? '');
  if (type === undefined) return wrong(`the element type of '${name}' is not supported`);
  if (typeof key !== 'string') return wrong('its key is not a string');
  if (typeof length !== 'number' || !Number.isSafeInteger(length) || length < 0)
    return wrong(`it has ${length} elements`);
  const known = storages.get(key);
  if (known && known.type === type && known.length === length) return known;
  const bytes = options.storage(key);
  const needed = byteLengthOf(type.dtype, length);
  if (bytes.length < needed)
    wrong(`it should have ${needed} bytes for ${length} elements, but the entry '${key}' has ${bytes.length}`);
  const storage: Storage = { type, key, length, bytes: () => bytes };
  storages.set(key, storage);
  return storage;
}

function torchFunctions(where: Location): ReadonlyMap<string, PickleGlobal> {
  const wrong = (what: string): never => fail('U1004', `the pickle has ${what}`, where);
  const isStorage = (value: PickleValue): value is Storage =>
    typeof value === 'object' && value !== null && 'key' in value && 'bytes' in value;
  const viewOf = (offset: PickleValue, sizes: PickleValue, strides: PickleValue): View => {
    const integers = (list: PickleValue): readonly number[] =>
      Array.isArray(list) && list.every((n) => typeof n === 'number')
        ? list
        : wrong('a tensor without sizes or strides');
    return { offset: Number(offset), sizes: integers(sizes), strides: integers(strides) };
  };
  const rebuild = ([storage, offset, sizes, strides]: readonly PickleValue[], type?: ScalarType): TorchTensor =>
    isStorage(storage)
      ? new TorchTensor(storage, viewOf(offset, sizes, strides), where, type && { type })
      : wrong('a tensor without a storage');
  const rebuildQuantized = ([storage, offset, sizes, strides, parameters]: readonly PickleValue[]): TorchTensor => {
    if (!isStorage(storage)) return wrong('a quantized tensor without a storage');
    const view = viewOf(offset, sizes, strides);
    const quantization = quantizationOf(parameters, view.sizes, wrong);
    if (!storage.type.isQuantized) wrong(`a quantized tensor of ${storage.type.name}`);
    return new TorchTensor(storage, view, where, { quantization });
  };
  const first = ([value]: readonly PickleValue[]): PickleValue => value ?? null;
  const functions: Readonly<Record<string, (args: readonly PickleValue[]) => PickleValue>> = {
    'torch._utils._rebuild_tensor': (args) => rebuild(args),
    'torch._utils._rebuild_tensor_v2': (args) => rebuild(args),
    'torch._utils._rebuild_tensor_v3': (args) => rebuild(args, typeOf(args[6], wrong)),
    'torch._utils._rebuild_qtensor': rebuildQuantized,
    'torch._utils._rebuild_parameter': first,
    'torch._utils._rebuild_parameter_with_state': first,
    'collections.OrderedDict': () => new Map(),
    'torch.Size': first,
    'torch.device': first,
    'torch.jit._pickle.build_intlist': first,
    'torch.jit._pickle.build_doublelist': first,
    'torch.jit._pickle.build_boollist': first,
    'torch.jit._pickle.build_tensorlist': first,
    'torch.jit._pickle.restore_type_tag': first,
  };
  return new Map(Object.entries(functions).map(([name, call]) => [name, new PickleGlobal(name, call)]));
}

function typeOf(global: PickleValue, wrong: (what: string) => never): ScalarType {
  const name = global instanceof PickleGlobal ? global.name.replace(/^torch\./, '') : '';
  return scalarTypeOfName(name) ?? wrong(`a tensor of the unknown element type '${name}'`);
}

function quantizationOf(
  parameters: PickleValue,
  sizes: readonly number[],
  wrong: (what: string) => never,
): TensorQuantization {
  if (!Array.isArray(parameters)) return wrong('a quantized tensor without parameters');
  const [scheme, scale, zeroPoint, axis] = parameters;
  const name = scheme instanceof PickleGlobal ? scheme.name : String(scheme);
  if (name.startsWith('torch.per_tensor') && typeof scale === 'number' && typeof zeroPoint === 'number')
    return { kind: 'per-tensor', scale, zeroPoint };
  if (!name.startsWith('torch.per_channel') || !(scale instanceof TorchTensor) || !(zeroPoint instanceof TorchTensor))
    return wrong(`a quantized tensor with parameters of the unknown form '${name}'`);
  if (typeof axis !== 'number' || !(axis in sizes))
    return wrong(`a quantized tensor with parameters along axis ${axis}`);
  const isFloat = name === 'torch.per_channel_affine_float_qparams'; // of embeddings
  if (zeroPoint.type.dtype.startsWith('f') && !isFloat)
    wrong('a quantized tensor with zero points that are not integers');
  if (scale.count !== sizes[axis] || zeroPoint.count !== sizes[axis])
    wrong(
      `a quantized tensor with ${scale.count} scales and ${zeroPoint.count} zero points for ${sizes[axis]} channels`,
    );
  return { kind: 'per-channel', scales: scale.numbers(), zeroPoints: zeroPoint.numbers(), axis };
}
