/**
 * The memory that tensors of a running program share. Variables, lists, dicts and attributes hold handles: several may
 * stand for one tensor, several tensors for one storage. Reading a handle gives the current contents of its memory.
 */
import { assert, fail, type Location } from '../../../diagnostics/index.ts';
import { TorchTensor } from '../../../formats/torch/index.ts';
import type { AnyValue } from '../../../ir/index.ts';
import { Place, Storage } from '../memory/place.ts';
import { type Builder, type Region, whole } from '../memory/region.ts';
import { channelsLast, isLastOrder, isPacked, rowMajor, type Strides } from '../memory/strides.ts';
import { viewsOf } from '../memory/views.ts';
import type { MemoryFormat } from '../operators/context.ts';
import { GraphTensor, isTensor, isUnderstood, type TorchValue } from '../values.ts';
import type { OperatorCall } from './objects.ts';

export type Handle = GraphTensor<AnyValue> | TorchTensor;
export const isHandle = (value: TorchValue | undefined): value is Handle =>
  value instanceof GraphTensor || value instanceof TorchTensor;

/** Operators whose results lie in memory as a kernel likes it. */
const arranged = /^aten::(scaled_dot_product_attention|_native_multi_head_attention|einsum|lstm|gru|rnn_\w+)$/;

/** A write to a stored tensor, and its place. */
export interface StoredWrite {
  readonly by: string;
  readonly where: Location;
}

export class Memory {
  readonly #places = new WeakMap<Handle, Place>();
  /** The current tensors, with their element types and parameters. */
  readonly #latest = new WeakMap<Place, GraphTensor<AnyValue>>();
  /** Places that differ from their stored tensors by now. */
  readonly #changed = new WeakSet<Place>();
  /** Results whose layout in memory is not known; others are row-major or channels-last. */
  readonly #unknownLayout = new WeakSet<GraphTensor<AnyValue>>();
  /** Stored tensors that were written to. */
  readonly written = new Map<TorchTensor, StoredWrite>();
  readonly #read = new WeakSet<TorchTensor>();
  readonly #graph: (x: Handle, where: Location) => GraphTensor<AnyValue>;

  /** `graph` gives a tensor its value in the graph. */
  constructor(graph: (x: Handle, where: Location) => GraphTensor<AnyValue>) {
    this.#graph = graph;
  }

  // ---- reading

  /** The current tensor; lists and dicts are returned unchanged. A call that only writes to it does not read it. */
  current(value: Handle, b: Builder, where: Location, isRead?: boolean): Handle;
  current(value: TorchValue, b: Builder, where: Location, isRead?: boolean): TorchValue;
  current(value: TorchValue, b: Builder, where: Location, isRead = true): TorchValue {
    if (!isHandle(value)) return value;
    const place = this.#places.get(value);
    if (place && (value instanceof GraphTensor || this.#isChanged(place))) return this.#now(place, b);
    if (value instanceof TorchTensor && isRead) this.#noteRead(value, where);
    return value;
  }

  /** The same for the tensors of lists. */
  currentDeep(value: TorchValue, b: Builder, where: Location): TorchValue {
    if (!Array.isArray(value)) return this.current(value, b, where);
    const isNested = value.some((item) => isTensor(item) || Array.isArray(item));
    return isNested ? value.map((item) => this.currentDeep(item, b, where)) : value;
  }

  /** True when something has read a stored number: it may have become a number of the code. */
  wasRead(x: TorchTensor): boolean {
    return this.#read.has(x);
  }

  #isChanged(place: Place): boolean {
    return place.storage.version > 0 || place.storage.doubt !== undefined || this.#changed.has(place);
  }

  #noteRead(x: TorchTensor, where: Location): void {
    for (const other of this.written.keys())
      if (other !== x && other.storage === x.storage)
        fail('U2008', 'a stored tensor is read that shares its memory with another one, which is written to', where);
    if (x.count === 1) this.#read.add(x);
  }

  #now(place: Place, b: Builder): GraphTensor<AnyValue> {
    const known = this.#latest.get(place);
    assert(known, 'a place has no tensor');
    return place.isStale ? this.#become(place, place.read(b), known) : known;
  }

  /** Registers a place under its latest handle. */
  #become(place: Place, value: AnyValue, like: GraphTensor<AnyValue>): GraphTensor<AnyValue> {
    const { type, quantization, channelsLast: isLast } = like;
    const tensor = new GraphTensor(value, type, { quantization, channelsLast: isLast });
    this.#bind(tensor, place, tensor);
    return tensor;
  }

  #bind(handle: Handle, place: Place, latest: GraphTensor<AnyValue>): Place {
    this.#places.set(handle, place);
    this.#latest.set(place, latest);
    return place;
  }

  // ---- places

  #placeOf(x: Handle, where: Location): Place {
    const known = this.#places.get(x);
    if (known) return known;
    const tensor = this.#graph(x, where);
    const storage = new Storage(tensor.value, x);
    return this.#bind(x, new Place(storage, this.#regionOf(x), tensor.value), tensor);
  }

  #regionOf(x: Handle): Region {
    return this.#places.get(x)?.region ?? whole(x.shape, this.#stridesOf(x));
  }

  #stridesOf(x: Handle): Strides {
    if (x instanceof TorchTensor) return x.view.strides;
    if (this.#unknownLayout.has(x)) return undefined;
    return x.channelsLast ? channelsLast(x.shape) : rowMajor(x.shape);
  }

  /** Gives a stored tensor the elements of another one from now on. */
  stand(x: TorchTensor, tensor: GraphTensor): void {
    const place = new Place(new Storage(tensor.value), whole(tensor.shape, rowMajor(tensor.shape)), tensor.value);
    this.#bind(x, place, tensor);
    this.#changed.add(place);
  }

  // ---- results

  /**
   * Records the memory that the results of a call share with its operands: `call` has the handles, `now` the current
   * tensors.
   */
  place(call: OperatorCall, now: OperatorCall, result: TorchValue): TorchValue {
    const results = Array.isArray(result) ? result : [result];
    const [self] = call.args;
    if (results.some((x) => isTensor(x) && !isUnderstood(x))) return this.#mayShare(call, results, result);
    if (!isHandle(self) || !results.every(isHandle)) return this.#renewed(call, result);
    const found = results.map(({ shape, type }) => ({ shape, type: type.name }));
    const operand = { region: this.#regionOf(self), type: self.type.name };
    const answer = viewsOf(call.name, operand, now.args, now.keywords, found);
    if (answer === 'new') return this.#renewed(call, result);
    const source = this.#placeOf(self, call.where);
    const placed = results.map((given, i): Handle => {
      if (given === self) return given;
      const region = typeof answer === 'string' ? undefined : answer[i];
      const x = ordered(given, region);
      if (answer === 'self') this.#places.set(x, source);
      else this.#share(x, source, region, call.where);
      return x;
    });
    return Array.isArray(result) ? placed : placed[0];
  }

  /** The order of a tensor's elements: that of a new one, channels-last, both (axes of size 1), or neither. */
  formatOf(x: GraphTensor): MemoryFormat {
    const { shape, strides } = this.#regionOf(x);
    const last = channelsLast(shape);
    return {
      isContiguous: isPacked(shape, strides) ?? !x.channelsLast,
      isChannelsLast: (last && isPacked(shape, strides, last)) ?? x.channelsLast,
    };
  }

  #share(x: Handle, source: Place, region: Region | undefined, where: Location): void {
    const tensor = this.#graph(x, where);
    if (region) {
      this.#bind(x, source.view(region, tensor.value), tensor);
      return;
    }
    if (x instanceof GraphTensor) this.#unknownLayout.add(x);
    this.#placeOf(x, where).storage.mayBe(source.storage);
  }

  /** New memory: never an operand's, although the elements may be the same. */
  #renewed(call: OperatorCall, result: TorchValue): TorchValue {
    const operands = operandsOf(call);
    const isKnown = !arranged.test(call.name) && operands.every((x) => this.#isPlain(x));
    const own = (x: TorchValue): TorchValue => {
      if (Array.isArray(x)) return x.map(own);
      if (x instanceof TorchTensor && operands.includes(x)) return x.copy();
      if (x instanceof GraphTensor && !isKnown && !x.channelsLast) this.#unknownLayout.add(x);
      return x;
    };
    return own(result);
  }

  #isPlain(x: Handle): boolean {
    const { shape, strides } = this.#regionOf(x);
    return isPacked(shape, strides) ?? false;
  }

  /** The results of an unknown operator may share any memory. */
  #mayShare(call: OperatorCall, results: readonly TorchValue[], result: TorchValue): TorchValue {
    for (const x of results.filter(isHandle))
      for (const operand of operandsOf(call))
        if (x !== operand) this.#placeOf(x, call.where).storage.mayBe(this.#placeOf(operand, call.where).storage);
    return result;
  }

  // ---- writing

  /** `transpose_` and its kin: the tensor itself becomes the view that `now`, the operator without `_`, makes. */
  turn(target: Handle, now: OperatorCall, result: GraphTensor): boolean {
    const operand = { region: this.#regionOf(target), type: target.type.name };
    const found = { shape: result.shape, type: result.type.name };
    const answer = viewsOf(now.name, operand, now.args, now.keywords, [found]);
    if (typeof answer === 'string' || answer[0] === undefined) return false;
    const place = this.#placeOf(target, now.where);
    place.become(answer[0], result.value);
    this.#become(place, result.value, result);
    this.#changed.add(place);
    return true;
  }

  /** Gives a tensor other elements, of its type; `call` has the operands. */
  write(
    target: Handle,
    call: OperatorCall,
    part: GraphTensor,
    b: Builder,
    by: { name: string; isUniform: boolean },
  ): void {
    const { where } = call;
    const place = this.#placeOf(target, where);
    for (const other of operandsOf(call)) {
      const read = this.#places.get(other);
      if (read && read !== place && place.isDisturbedBy(read))
        b.refuse(`${by.name} reads memory that it writes to: PyTorch does not define the result`);
    }
    place.write(b, part.value, `${by.name} at ${where.node ?? 'an unknown place'}`, by.isUniform);
    const { type, channelsLast: isLast } = this.#latest.get(place) ?? part;
    const { quantization } = part;
    this.#become(place, part.value, new GraphTensor(part.value, type, { quantization, channelsLast: isLast }));
    const { origin } = place.storage;
    if (origin instanceof TorchTensor && !this.written.has(origin)) this.written.set(origin, { by: by.name, where });
  }
}

/** A view whose order of axes says how results of elementwise operators lie. */
function ordered(x: Handle, region: Region | undefined): Handle {
  const last = region && isLastOrder(region.shape, region.strides);
  if (last === undefined || x instanceof TorchTensor || x.channelsLast === last) return x;
  return new GraphTensor(x.value, x.type, { quantization: x.quantization, channelsLast: last });
}

const operandsOf = ({ args, keywords }: OperatorCall): readonly Handle[] =>
  [...args, ...keywords.values()].flat().filter(isHandle);
