/**
 * Records the commands of one native segment: its buffers, the layouts of each value, and the first and last use of
 * each buffer. Lowerings ask for operands in the layout they want; a conversion is recorded only when a value does not
 * exist in this layout yet.
 */
import { assert } from '../../diagnostics/index.ts';
import {
  type ByteType,
  byteLengthOf,
  byteTypes,
  constantOf,
  type DType,
  type Graph,
  type ITensor,
  isDType,
  isStatic,
  isTensorOf,
  type Node,
  sharesBytes,
  typeOf,
  type ValueId,
} from '../../ir/index.ts';
import type {
  BufferRef,
  Command,
  Kernel,
  MemoryDesc,
  NativeMemory,
  NativeType,
  OneDnnBinding,
  Primitive,
  SessionSpec,
} from './binding.ts';
import { countedIn, roomOf } from './counted.ts';
import { copiesFirst } from './early_copies.ts';
import { channelsLast, KeptConstants } from './kept_constants.ts';
import { type ChannelSlice, nativeTypes } from './kernel.ts';
import {
  type BufferLayout,
  type Home,
  inMemoryOrder,
  isPlain,
  layoutOfDesc,
  layoutOfStrides,
  normalized,
  type PlainLayout,
  plainStrides,
} from './layout.ts';
import type { KernelChoice, Machine } from './machine.ts';
import { type Lifetime, planMemory } from './memory_plan.ts';

/** A buffer of bytes with channels last. Without a slice, its positions lie one after another. */
interface Written {
  readonly destination: Buffer;
  readonly slice?: ChannelSlice;
}

/** A buffer of the segment. Fixed ones are inputs, outputs and constants; the others go to the arena. */
export class Buffer {
  readonly bytes: number;
  readonly fixed: BufferRef | undefined;
  first = Number.POSITIVE_INFINITY;
  last = -1;

  constructor(bytes: number, fixed?: BufferRef) {
    this.bytes = bytes;
    this.fixed = fixed;
  }
}

/** A value in a buffer with a distance for each axis, in elements. */
export interface Strided {
  readonly buffer: Buffer;
  readonly strides: readonly number[];
}

interface Place {
  readonly layout: BufferLayout;
  readonly buffer: Buffer;
}

/** The commands of a segment. */
export interface Recording {
  readonly spec: SessionSpec;
  /** The node that each command belongs to. */
  readonly labels: readonly string[];
  /** The buffers of the arena, and which one each reference of a command to the arena means, in their order. */
  readonly arena: readonly Lifetime[];
  readonly places: readonly number[];
}

type Given = Readonly<Record<string, Buffer | undefined>>;
interface Recorded {
  readonly kernel?: Kernel['name'];
  readonly make: (refs: Readonly<Record<string, BufferRef>>) => Command;
  readonly buffers: Readonly<Record<string, Buffer>>;
}

export class Recorder {
  readonly graph: Graph;
  readonly binding: OneDnnBinding;
  readonly threads: number;
  readonly kernels: KernelChoice;
  readonly kept: KeptConstants;
  readonly #commands: Recorded[] = [];
  readonly #labels: string[] = [];
  readonly #buffers: Buffer[] = [];
  /** Every layout in which a value exists, in order of making; a plain layout is listed under its one name. */
  readonly #places = new Map<ValueId, Place[]>();
  /** Values that are made where somebody wants a layout of them, by copies that belong to a node. */
  readonly #views = new Map<ValueId, Strided & { readonly node: Node | undefined }>();
  readonly #outputs: ReadonlyMap<ValueId, Buffer>;
  readonly #inputBytes: number[];
  #homes: ReadonlyMap<ValueId, Home> = new Map();
  readonly #settled = new Set<ValueId>();
  /** Buffers of concatenations some part of which is at home. */
  readonly #wholes = new Map<ValueId, Buffer>();
  #node: Node | undefined;

  /** `inputs` and `outputs` cross the border of the segment row major. */
  constructor(
    graph: Graph,
    binding: OneDnnBinding,
    { threads, kernels = 'auto' }: Pick<Machine, 'threads' | 'kernels'>,
    inputs: readonly ValueId[],
    outputs: readonly ValueId[],
    kept = new KeptConstants(),
  ) {
    this.kept = kept;
    this.graph = graph;
    this.binding = binding;
    this.threads = threads;
    this.kernels = kernels;
    this.#inputBytes = inputs.map((id) => this.bytesOf(id));
    inputs.forEach((id, index) => {
      this.#places.set(id, [{ layout: 'row-major', buffer: new Buffer(this.bytesOf(id), { space: 'input', index }) }]);
    });
    this.#outputs = new Map(outputs.map((id, index) => [id, new Buffer(this.bytesOf(id), { space: 'output', index })]));
  }

  // ---- questions of lowerings ----

  shape(id: ValueId): readonly number[] {
    const { shape } = countedIn(this.graph).get(id) ?? typeOf(this.graph, id);
    assert(isStatic(shape), `%${id} has no static shape`);
    return shape;
  }
  dtype(id: ValueId): DType {
    const { dtype } = typeOf(this.graph, id);
    return isDType(dtype) ? dtype : this.#refuse(id, dtype, 'computed with');
  }
  /** The element type where it can be one of these only. */
  dtypeOf<const D extends DType>(id: ValueId, ...wanted: readonly D[]): D {
    const dtype = this.dtype(id);
    return wanted.find((one) => one === dtype) ?? this.#refuse(id, dtype, wanted.join(' or '));
  }

  isConstant = (id: ValueId): boolean => this.constant(id) !== undefined;
  constant = (id: ValueId | undefined): ITensor | undefined => constantOf(this.graph, id);
  /** The tensor of a constant with one of these element types. */
  constantOf<const D extends DType>(id: ValueId, ...wanted: readonly D[]): ITensor<D> {
    const value = this.constant(id);
    if (value && isTensorOf(value, ...wanted)) return value;
    return this.#refuse(id, value?.dtype ?? 'computed', wanted.join(' or '));
  }
  /** The first element of a constant, which stands for all of them. */
  scalar(id: ValueId): number {
    const value = this.constant(id);
    return value ? Number(value.data[0]) : this.#refuse(id, 'computed', 'constant');
  }
  bytesOf = (id: ValueId): number => Math.max(byteLengthOf(this.dtype(id), this.#elementsOf(id)), 1);
  byteType = (id: ValueId): ByteType => this.dtypeOf(id, ...byteTypes);
  nativeType = (id: ValueId): NativeType => this.dtypeOf(id, ...nativeTypes);

  /** The plain layout in which the value exists already, row major when there is a choice to make. */
  preferredLayout(id: ValueId): PlainLayout {
    const plain =
      this.#places
        .get(id)
        ?.map((p) => p.layout)
        .filter(isPlain) ?? [];
    return plain[0] ?? 'row-major';
  }

  /** A descriptor of the value in a plain layout. */
  desc(id: ValueId, layout: PlainLayout): MemoryDesc {
    const shape = this.shape(id);
    return this.binding.desc(this.nativeType(id), shape.length === 0 ? [1] : shape, layout);
  }
  anyDesc = (id: ValueId): MemoryDesc => this.binding.desc(this.nativeType(id), this.shape(id), 'any');

  /** The value in this layout; converted when it does not exist yet. */
  use(id: ValueId, layout: BufferLayout): Buffer {
    const wanted = isPlain(layout) ? normalized(layout, this.shape(id)) : layoutOfDesc(layout);
    const places = this.#places.get(id) ?? this.#materialize(id, wanted);
    const found = places.find((p) =>
      isPlain(p.layout) || isPlain(wanted) ? p.layout === wanted : p.layout.equals(wanted),
    );
    if (found) return found.buffer;
    const buffer = this.#convert(id, places[0], wanted);
    places.push({ layout: wanted, buffer });
    return buffer;
  }

  /** The buffer in which a result is to be written, in a layout of the lowering's choice. */
  define(id: ValueId, layout: BufferLayout): Buffer {
    const chosen = isPlain(layout) ? normalized(layout, this.shape(id)) : layoutOfDesc(layout);
    const output = chosen === 'row-major' ? this.#outputs.get(id) : undefined;
    const buffer = output ?? this.scratch(isPlain(chosen) ? this.bytesOf(id) : chosen.bytes);
    this.#places.set(id, [{ layout: chosen, buffer }]);
    return buffer;
  }

  /** Values that may be written into the concatenations that alone read them. */
  settle(homes: ReadonlyMap<ValueId, Home>): void {
    this.#homes = homes;
  }

  /** As `define` with channels last, or the place in a concatenation, which nothing but that can read. */
  defineSlice(id: ValueId): Written {
    const home = this.#homes.get(id);
    if (home === undefined) return { destination: this.define(id, 'channels-last') };
    const { whole, before } = home;
    const destination = this.#wholes.get(whole) ?? this.define(whole, 'channels-last');
    this.#wholes.set(whole, destination);
    this.#settled.add(id);
    return { destination, slice: { offset: before, stride: this.shape(whole)[1] } };
  }

  /** True when a part of the concatenation has been written already. */
  isBegun = (whole: ValueId): boolean => this.#wholes.has(whole);
  /** True when the value has been written into the concatenation that reads it. */
  isSettled = (id: ValueId): boolean => this.#settled.has(id);
  /** The buffer of a concatenation, which holds the parts that are at home. */
  defineWhole(id: ValueId, layout: PlainLayout): Buffer {
    return this.#wholes.get(id) ?? this.define(id, layout);
  }

  /** Says that a value in the layout `layout` has the bytes of another one in the layout `from`: none move. */
  alias(id: ValueId, of: ValueId, layout: PlainLayout = 'row-major', from: PlainLayout = 'row-major'): void {
    const buffer = this.use(of, from);
    this.#places.set(id, [{ layout: normalized(layout, this.shape(id)), buffer }]);
  }

  /** Says that a value lies somewhere with strides; readers that want a layout which these are not get a copy. */
  view(id: ValueId, { buffer, strides }: Strided): void {
    const layout = layoutOfStrides(strides, this.shape(id));
    if (layout) this.#places.set(id, [{ layout: normalized(layout, this.shape(id)), buffer }]);
    else this.#views.set(id, { buffer, strides, node: this.#node });
  }

  /** A place of the value for readers that take strides: no bytes move. */
  strided(id: ValueId): Strided {
    const layout = this.preferredLayout(id);
    return this.#views.get(id) ?? { buffer: this.use(id, layout), strides: plainStrides(layout, this.shape(id)) };
  }

  /** The buffer in which a result is to be written with strides that leave no gaps. */
  defineStrided(id: ValueId, strides: readonly number[]): Buffer {
    if (layoutOfStrides(strides, this.shape(id)) === 'row-major') return this.define(id, 'row-major');
    const buffer = this.scratch(this.bytesOf(id));
    this.view(id, { buffer, strides });
    return buffer;
  }

  scratch(bytes: number): Buffer {
    const buffer = new Buffer(bytes);
    this.#buffers.push(buffer);
    return buffer;
  }

  memory = (memory: NativeMemory): Buffer => new Buffer(memory.bytes, { space: 'constant', memory });
  /** Constant weights, seen as `dims`, in the layout a primitive chose: packed once. */
  packed(value: ITensor<NativeType>, dims: readonly number[], to: MemoryDesc): Buffer {
    return this.memory(this.kept.packed(value, dims, to, this.binding, this.threads));
  }
  /** A constant of the graph, or one that the lowering makes. */
  data = (t: ITensor): Buffer => this.memory(this.kept.memory(t, this.binding));

  // ---- recording ----

  /** The node that the next commands belong to, for profiles. */
  begin(node: Node): void {
    this.#node = node;
  }

  kernel(kernel: Kernel, buffers: Given): void {
    this.#record(buffers, (args) => ({ kind: 'kernel', kernel, arguments: args }), kernel.name);
  }

  primitive(primitive: Primitive, buffers: Given): void {
    const scratchpad = primitive.scratchpadBytes > 0 ? this.scratch(primitive.scratchpadBytes) : undefined;
    this.#record({ ...buffers, scratchpad }, (args) => ({ kind: 'primitive', primitive, arguments: args }));
  }

  #record(buffers: Given, make: Recorded['make'], kernel?: Kernel['name']): void {
    const at = this.#commands.length;
    const given = Object.fromEntries(Object.entries(buffers).filter((e): e is [string, Buffer] => e[1] !== undefined));
    for (const buffer of Object.values(given)) {
      buffer.first = Math.min(buffer.first, at);
      buffer.last = Math.max(buffer.last, at);
    }
    this.#commands.push({ make, buffers: given, ...(kernel && { kernel }) });
    this.#labels.push(this.#node?.id ?? '');
  }

  /** Ends the segment: outputs are put in place, buffers get their offsets. */
  finish(): Recording {
    for (const [id, output] of this.#outputs) {
      const places = this.#places.get(id) ?? this.#materialize(id, 'row-major');
      const from = places.find(({ layout }) => layout === 'row-major') ?? places[0];
      if (from.buffer !== output) this.#convert(id, from, 'row-major', output);
    }
    const arena = this.#buffers.filter((b) => b.last >= 0);
    const { offsets, bytes } = planMemory(arena);
    const placed = new Map(arena.map((buffer, at) => [buffer, at]));
    const places: number[] = [];
    const refOf = (buffer: Buffer): BufferRef => {
      if (buffer.fixed) return buffer.fixed;
      const at = placed.get(buffer);
      assert(at !== undefined, 'a buffer of the arena has no place');
      places.push(at);
      return { space: 'arena', offset: offsets[at] };
    };
    const order = copiesFirst(this.#commands);
    const commands = order.map((at) => {
      const { make, buffers } = this.#commands[at];
      return make(Object.fromEntries(Object.entries(buffers).map(([name, buffer]) => [name, refOf(buffer)])));
    });
    const outputBytes = [...this.#outputs.keys()].map((id) => this.bytesOf(id));
    return {
      spec: { threads: this.threads, arenaBytes: bytes, inputBytes: this.#inputBytes, outputBytes, commands },
      labels: order.map((at) => this.#labels[at]),
      arena,
      places,
    };
  }
  // ---- inside ----
  #elementsOf = (id: ValueId): number => roomOf(countedIn(this.graph).get(id) ?? { shape: this.shape(id) });

  #refuse(id: ValueId, is: string, wanted: string): never {
    assert(false, `${this.#node?.op ?? 'a segment'}: %${id} is ${is} and should be ${wanted}`);
  }

  /** A view, copied, or a constant of the graph: put straight into the layout wanted first. */
  #materialize(id: ValueId, wanted: BufferLayout): Place[] {
    const layout: PlainLayout = isPlain(wanted) ? wanted : 'row-major';
    const view = this.#views.get(id);
    if (view) {
      const buffer = this.define(id, layout);
      const now = this.#node;
      this.#node = view.node;
      this.#copy(id, view, buffer, layout);
      this.#node = now;
      return [{ layout, buffer }];
    }
    const value = this.constant(id);
    assert(value, `%${id} is used before it is defined`);
    const buffer =
      layout === 'row-major'
        ? this.data(value)
        : this.memory(this.kept.memory(value, this.binding, 'channels last', channelsLast));
    const places = [{ layout, buffer }];
    this.#places.set(id, places);
    return places;
  }

  #convert(id: ValueId, from: Place, to: BufferLayout, given?: Buffer): Buffer {
    const buffer = given ?? this.scratch(isPlain(to) ? this.bytesOf(id) : to.bytes);
    if (isPlain(from.layout) && isPlain(to)) {
      this.#copy(id, { buffer: from.buffer, strides: plainStrides(from.layout, this.shape(id)) }, buffer, to);
    } else {
      const [source, destination] = [from.layout, to].map((l) => (isPlain(l) ? this.desc(id, l) : l));
      this.primitive(this.binding.reorder(source, destination, this.threads), {
        source: from.buffer,
        destination: buffer,
      });
    }
    return buffer;
  }

  #copy(id: ValueId, { buffer: source, strides }: Strided, destination: Buffer, to: PlainLayout): void {
    // elements that share bytes lie row major everywhere
    const isPacked = sharesBytes(this.dtype(id));
    const shape = isPacked ? [this.bytesOf(id)] : this.shape(id);
    const inOrder = (byAxis: readonly number[]) => (shape.length === 0 ? [1] : inMemoryOrder(to, byAxis));
    this.kernel(
      {
        name: 'copy',
        elementBytes: byteLengthOf(this.dtype(id), 1),
        shape: inOrder(shape),
        sourceStrides: inOrder(isPacked ? [1] : strides),
        destinationStrides: inOrder(plainStrides(to, shape)),
        sourceOffset: 0,
        destinationOffset: 0,
      },
      { source, destination },
    );
  }
}
