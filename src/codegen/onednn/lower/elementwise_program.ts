/** Builds the program of one command over elements: values of the graph become sources, operators become instructions. */
import { assert } from '../../../diagnostics/index.ts';
import { type DType, type ITensor, sizeOf, type ValueId } from '../../../ir/index.ts';
import type { Kernel } from '../kernel.ts';
import type { Instruction } from '../kernels/elementwise_kernel.ts';
import { inMemoryOrder, type PlainLayout } from '../layout.ts';
import type { Buffer, Recorder } from '../recorder.ts';
import { broadcastStrides, operandLayout } from './broadcast.ts';

/** The number of a source, or of an instruction. */
export interface Register {
  readonly from: 'source' | 'instruction';
  readonly at: number;
}

interface Source {
  readonly type: DType;
  readonly strides: readonly number[];
  readonly buffer: Buffer;
}

type Drawn = Omit<Instruction, 'operands'> & { readonly operands: readonly Register[] };

export class ElementwiseProgram {
  readonly #recorder: Recorder;
  readonly #shape: readonly number[];
  readonly #layout: PlainLayout;
  readonly #sources: Source[] = [];
  readonly #instructions: Drawn[] = [];
  readonly #registers = new Map<string, Register>();

  /** The shape of all results, and the layout in which they are computed. */
  constructor(recorder: Recorder, shape: readonly number[], layout: PlainLayout) {
    this.#recorder = recorder;
    this.#shape = shape;
    this.#layout = layout;
  }

  dtype = (id: ValueId): DType => this.#recorder.dtype(id);
  rank = (id: ValueId): number => this.#recorder.shape(id).length;
  constant = (id: ValueId | undefined): ITensor | undefined => this.#recorder.constant(id);

  /** The value, broadcast to the shape; `axis` is the one along which a list of parameters lies. */
  value(id: ValueId, axis?: number): Register {
    const own = this.#recorder.shape(id);
    const key = `${id} ${axis ?? ''}`;
    return this.#registers.get(id) ?? this.#registers.get(key) ?? this.#read(key, id, this.#extended(own, axis));
  }

  /** A constant that the graph has in another form, of the shape of `like`. */
  data(t: ITensor, axis?: number): Register {
    const strides = broadcastStrides(this.#extended(t.shape, axis), this.#shape, this.#layout);
    assert(axis !== undefined || sizeOf(t.shape) === 1, 'a tensor of its own lies row major');
    return this.#source({ type: t.dtype, strides, buffer: this.#recorder.data(t) });
  }

  emit(operation: string, operands: readonly Register[], parameters: readonly number[] = []): Register {
    this.#instructions.push({ operation, operands, parameters });
    return { from: 'instruction', at: this.#instructions.length - 1 };
  }

  /** Says that a value is in a register. */
  define(id: ValueId, register: Register): void {
    this.#registers.set(id, register);
  }

  /** Records the command; `written` are the values that others read. */
  record(written: readonly ValueId[]): void {
    const number = ({ from, at }: Register) => (from === 'source' ? at : this.#sources.length + at);
    const numberOf = (id: ValueId) => {
      const register = this.#registers.get(id);
      assert(register?.from === 'instruction', `%${id} is not computed by the program`);
      return number(register);
    };
    const kernel: Kernel = {
      name: 'elementwise',
      shape: inMemoryOrder(this.#layout, this.#shape),
      sources: this.#sources.map(({ type, strides }) => ({ type, strides })),
      instructions: this.#instructions.map(({ operands, ...rest }) => ({ ...rest, operands: operands.map(number) })),
      destinations: written.map(numberOf),
    };
    const sources = this.#sources.map(({ buffer }, i) => [`source${i}`, buffer] as const);
    const destinations = written.map((id, i) => [`destination${i}`, this.#recorder.define(id, this.#layout)] as const);
    this.#recorder.kernel(kernel, Object.fromEntries([...sources, ...destinations]));
  }

  #read(key: string, id: ValueId, own: readonly number[]): Register {
    const strides = broadcastStrides(own, this.#shape, this.#layout);
    const isExtended = own.length !== this.#recorder.shape(id).length;
    const layout = isExtended ? 'row-major' : operandLayout(this.#recorder, id, this.#shape, this.#layout);
    const register = this.#source({ type: this.dtype(id), strides, buffer: this.#recorder.use(id, layout) });
    this.#registers.set(key, register);
    return register;
  }

  #source(source: Source): Register {
    this.#sources.push(source);
    return { from: 'source', at: this.#sources.length - 1 };
  }

  /** A list along an axis as a tensor with ones for the axes behind. */
  #extended(shape: readonly number[], axis: number | undefined): readonly number[] {
    if (axis === undefined || shape.length !== 1 || shape[0] === 1) return shape;
    return [...shape, ...Array(this.#shape.length - 1 - axis).fill(1)];
  }
}
