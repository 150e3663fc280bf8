/**
 * The interface of the native addon: a thin, typed binding of oneDNN (memory descriptors, primitives with attributes
 * and post-ops, an executable command list) plus the few kernels that oneDNN lacks. Decisions stay in TypeScript.
 *
 * `runtime/addon.ts` loads the addon and gives it this type; native/ implements it; nothing else talks to native code.
 */

import type { Kernel, NativeType } from './kernel.ts';

export type { Kernel, NativeType };

/** A oneDNN memory descriptor (immutable). Logical dims are always N, C, spatial… or the matmul's batch…, M, N. */
export interface MemoryDesc {
  readonly dims: readonly number[];
  readonly type: NativeType;
  /** Bytes of the buffer it needs, padding of blocked layouts included. */
  readonly bytes: number;
  /** Human-readable layout, such as `acdb` or `ABcd4b16a4b`. */
  readonly layout: string;
  /** Element strides of a plain (not blocked) layout, else undefined. */
  readonly strides: readonly number[] | undefined;
  equals(other: MemoryDesc): boolean;
}

/** Weights as our kernels read them on this instruction set, and the way they are packed, in words that these kernels know. */
export interface PackedForm {
  readonly way: string;
  readonly bytes: Uint8Array;
}

/** Native memory, 64-byte aligned, owned by the addon, shared by the sessions that use it. Freed with its last user. */
export interface NativeMemory {
  readonly bytes: number;
}

/** 'any' lets oneDNN choose; 'channels-last' is a c d … b; 'row-major' is a b c d …; numbers are element strides. */
export type Layout = 'any' | 'channels-last' | 'row-major' | readonly number[];

export type PostOp =
  /** y = alg(x): relu, linear (alpha·x + beta), clip (alpha..beta), round, logistic, tanh, elu, hardswish, sqrt, exp, … */
  | { readonly kind: 'eltwise'; readonly algorithm: string; readonly alpha: number; readonly beta: number }
  /** y = x op other, `other` broadcast along its dims of size 1; its buffer is argument `post<i>`. */
  | {
      readonly kind: 'binary';
      readonly algorithm: 'add' | 'mul' | 'sub' | 'max' | 'min' | 'div';
      readonly other: MemoryDesc;
    };

export interface PrimitiveAttributes {
  /**
   * Multipliers of (accumulator + bias), before every post-op: one per output channel, or a single one. The addon gives
   * this meaning in both versions of oneDNN (2.x: output scales; 3.x: a leading binary_mul).
   */
  readonly scales?: Float32Array;
  /** Zero point of the source (subtracted from every source element, padding included) and of the destination. */
  readonly sourceZeroPoint?: number;
  readonly destinationZeroPoint?: number;
  /** Matmul only. */
  readonly weightsZeroPoint?: number;
  /**
   * In this order, then the destination zero point, then rounding to an integer type. `eltwise round` as the last one
   * makes it rne(x) + zero point, as the specification of QuantizeLinear has it.
   */
  readonly postOps?: readonly PostOp[];
}

/** The bias of an integer convolution or matmul is s32, in units of the accumulator. */
export interface ConvolutionSpec {
  readonly source: MemoryDesc;
  /** OIdhw, or gOIdhw when `groups` is over 1. O counts output channels, transposed or not (per group with gOIdhw). */
  readonly weights: MemoryDesc;
  readonly bias?: MemoryDesc;
  readonly destination: MemoryDesc;
  readonly groups: number;
  readonly strides: readonly number[];
  /** Spec-style dilations: 1 means dense. */
  readonly dilations: readonly number[];
  readonly padsBegin: readonly number[];
  readonly padsEnd: readonly number[];
  readonly transposed?: boolean;
  readonly attributes?: PrimitiveAttributes;
}

export interface MatmulSpec {
  readonly source: MemoryDesc;
  readonly weights: MemoryDesc;
  readonly bias?: MemoryDesc;
  readonly destination: MemoryDesc;
  readonly attributes?: PrimitiveAttributes;
}

export interface PoolingSpec {
  readonly algorithm: 'max' | 'average-include-padding' | 'average-exclude-padding';
  readonly source: MemoryDesc;
  readonly destination: MemoryDesc;
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly padsBegin: readonly number[];
  readonly padsEnd: readonly number[];
}

/**
 * A part of a convolution that an implementation computes wrongly: a source zero point, one where there is padding besides,
 * additions and multiplications by channel as post-ops.
 */
export type Defect = 'source-zero-point' | 'padded-source-zero-point' | 'binary-post-ops';

/** A created primitive: its arguments are named as in a `Command`. */
export interface Primitive {
  /** oneDNN's name of the implementation, such as `brgconv:avx512_core_vnni`. */
  readonly implementation: string;
  /** Known of that implementation for such arguments (native/known_bugs.cc lists them): the lowering goes around them. */
  readonly defects: readonly Defect[];
  readonly scratchpadBytes: number;
  /** Descriptors as chosen: `source`, `weights`, `bias`, `destination`. */
  readonly descs: Readonly<Record<string, MemoryDesc>>;
}

/** The memory of an argument while a session runs. */
export type BufferRef =
  | { readonly space: 'arena'; readonly offset: number }
  | { readonly space: 'constant'; readonly memory: NativeMemory }
  | { readonly space: 'input'; readonly index: number }
  | { readonly space: 'output'; readonly index: number };

/**
 * One step of a session. A primitive's arguments: source, source1 (binary), weights, bias, destination, scratchpad (when
 * scratchpadBytes > 0), and post<i> for every binary post-op i; a kernel's are named in its own declaration.
 *
 * Destinations lie in the arena or an output. A destination may be the very place of a source (same space, same offset)
 * only where the declaration says `in place`, and for eltwise, binary and softmax; otherwise overlap is refused.
 * Offsets are multiples of the element size (64 is best).
 */
export type Command =
  | {
      readonly kind: 'primitive';
      readonly primitive: Primitive;
      readonly arguments: Readonly<Record<string, BufferRef>>;
    }
  | { readonly kind: 'kernel'; readonly kernel: Kernel; readonly arguments: Readonly<Record<string, BufferRef>> };

export interface SessionSpec {
  readonly threads: number;
  readonly arenaBytes: number;
  /** Bytes that each input and output buffer must have; checked at every run. */
  readonly inputBytes: readonly number[];
  readonly outputBytes: readonly number[];
  readonly commands: readonly Command[];
}

/** Memory that sessions compute in, one after the other; those that run at once have several. */
export interface Arenas {
  readonly [arenasTag]: never;
}
declare const arenasTag: unique symbol;

/** A session that is being made. */
export interface SessionOpening {
  /** Goes on for about so long, with one command at least; undefined: there is more to do. A session that is refused cannot go on. */
  advance(milliseconds: number): NativeSession | undefined;
}

/** As many numbers and offsets as a template has. */
export interface TemplateSizes {
  readonly numbers: Float64Array;
  readonly offsets: Float64Array;
  readonly arenaBytes: number;
}

/** A list of commands whose numbers can change: a session of it takes about a quarter of the time of one from a specification. */
export interface SessionTemplate {
  /** `inputBytes`, `outputBytes` and the numbers of each kernel, in their order. */
  numbers(): Float64Array;
  /** True when the other one differs in numbers, offsets in the arena and its size alone. Constants are equal when their bytes are. */
  matches(other: SessionTemplate): boolean;
  /** A session with other numbers, and other offsets for the references to the arena in the order of commands and arguments. Checked as in `session`. */
  session(sizes: TemplateSizes): NativeSession;
  /**
   * Gives a session of this template other sizes, as `session` would, behind the runs that it was given. Kernels whose numbers stay the same
   * stay as they are. A session whose new sizes are refused keeps the ones that it has.
   */
  resize(session: NativeSession, sizes: TemplateSizes): void;
}

export interface NativeSession {
  /**
   * Runs on an executor thread; the event loop stays free. Runs of a session are queued in order. Sessions of more than
   * one thread share an executor, as they share the team that computes, and take turns there; a session of one thread has
   * its own.
   * Inputs are copied before it returns, unless nobody changes them until the run ends; it resolves with new outputs.
   *
   * Where the last run took 100 µs at most, nothing runs or waits, and the team is free, it computes on the calling thread and
   * returns the outputs themselves: to hand the run over would take as long. One of 32 such runs is handed over all the same, so
   * that the event loop has its turn between calls whose results are awaited in a row.
   */
  run(inputs: readonly Uint8Array[], areUnchanging?: boolean): Promise<Uint8Array[]> | Uint8Array[];
  /** Runs to the end, on the calling thread (with more than one: as first of the team), before it returns. */
  runSync(inputs: readonly Uint8Array[], outputs: readonly Uint8Array[]): void;
  /** Runs once and returns the microseconds of each command. */
  profile(inputs: readonly Uint8Array[], outputs: readonly Uint8Array[]): Float64Array;
  /**
   * Frees memory and thread; a later call throws. Idempotent. A run that has begun ends first, and is not waited for here;
   * queued ones reject.
   */
  dispose(): void;
}

export type KernelIsa = 'scalar' | 'avx2' | 'avx512';

export interface OneDnnVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

/** A file whose memory goes back to the system while sessions pack what lies in it. */
export interface HeldFile {
  /** A copy of bytes of the file, from memory or from the file. @throws Error ERR_FILE_CHANGED where it was written to */
  read(offset: number, length: number): Uint8Array;
}

/**
 * Errors of functions and sessions have the `code` ERR_OUT_OF_MEMORY or ERR_OUT_OF_THREADS where the system has no more of
 * that, ERR_POSITION where a run reads a position outside of its axis (`command` is the index of the command that does), and ERR_NO_IMPLEMENTATION where oneDNN has no primitive, or none that gives right integers; others are faults of the
 * caller.
 */
export interface OneDnnBinding {
  /** The version of the library that was found. */
  readonly version: OneDnnVersion;
  /** The version of the headers that the addon was compiled with. */
  readonly builtFor: OneDnnVersion;
  /** The ISA oneDNN dispatches to here and now (DNNL_MAX_CPU_ISA applied). */
  readonly isa: 'sse41' | 'avx' | 'avx2' | 'avx512' | 'vnni' | 'amx';

  desc(type: NativeType, dims: readonly number[], layout: Layout): MemoryDesc;
  /**
   * Primitives are created for a number of threads, since implementations partition their work at creation. Throw a sentence
   * when oneDNN has none. Here and in a session `threads` is capped by the processors this process may use.
   */
  convolution(spec: ConvolutionSpec, threads: number): Primitive;
  matmul(spec: MatmulSpec, threads: number): Primitive;
  pooling(spec: PoolingSpec, threads: number): Primitive;
  binary(
    algorithm: string,
    source: MemoryDesc,
    source1: MemoryDesc,
    destination: MemoryDesc,
    threads: number,
  ): Primitive;
  eltwise(algorithm: string, alpha: number, beta: number, desc: MemoryDesc, threads: number): Primitive;
  softmax(axis: number, desc: MemoryDesc, threads: number): Primitive;
  reduction(
    algorithm: 'mean' | 'sum' | 'max' | 'min',
    source: MemoryDesc,
    destination: MemoryDesc,
    threads: number,
  ): Primitive;
  reorder(source: MemoryDesc, destination: MemoryDesc, threads: number): Primitive;

  /** An aligned copy of `bytes`. */
  memory(bytes: Uint8Array): NativeMemory;
  /**
   * The bytes themselves, which never change: they are copied where the runs of a session read them, not where a session packs them.
   *
   * @param file whose memory they lie in
   */
  lent(bytes: Uint8Array, file?: HeldFile): NativeMemory;
  /**
   * The memory of a whole file, of which what is lent goes back to the system, part by part, as sessions pack or copy it. Sessions that
   * need it afterwards read the file again: they throw ERR_FILE_CHANGED where it was written to.
   *
   * @param descriptor of the open file, which is duplicated
   */
  held(bytes: Uint8Array, descriptor: number): HeldFile;
  /** A copy of a constant. */
  contents(memory: NativeMemory): Uint8Array;
  /** The forms into which the sessions that there are have packed a constant. */
  packedForms(memory: NativeMemory): PackedForm[];
  /** A constant of so many bytes that is there in these forms alone: a session that needs another one, or the bytes, is refused. */
  prepacked(bytes: number, forms: readonly PackedForm[]): NativeMemory;
  /** A constant packed once into the layout a primitive wants. */
  pack(bytes: Uint8Array, source: MemoryDesc, destination: MemoryDesc, threads: number): NativeMemory;
  arenas(): Arenas;
  /**
   * @param arenas of the sessions of a model; absent: its own
   * @param expendable memory that nobody reads any more: what is lent of it goes back to the system, part by part, as it is packed,
   *   and reads as zeros then
   */
  session(spec: SessionSpec, arenas?: Arenas, expendable?: Uint8Array): NativeSession;
  /** The same in parts, between which JavaScript runs. */
  opening(spec: SessionSpec, arenas?: Arenas, expendable?: Uint8Array): SessionOpening;
  sessionTemplate(spec: SessionSpec, arenas?: Arenas): SessionTemplate;

  /**
   * The sums over the rows, by block and column of blocks × rows × length signed bytes: of all bytes, and of the
   * positive ones. At most 2^24 − 1 rows.
   */
  byteSums(
    bytes: Uint8Array,
    blocks: number,
    rows: number,
    length: number,
  ): { readonly sums: Int32Array; readonly aboves: Int32Array };

  /** Gives what is free in the heap back to the system. Takes 1 ms for some 50 MiB. */
  trim(): void;

  /** For tests: kernels of sessions made afterwards use this instruction set; undefined means the best there is. Throws where the CPU lacks it. */
  setKernelIsa(isa: KernelIsa | undefined): void;
  /** The instruction set that kernels use now. */
  readonly kernelIsa: KernelIsa;

  /**
   * Integer convolutions and matmuls try an implementation on a small problem of the same kind before they use it, once
   * per process, and skip it when it gives wrong integers. For tests: implementations whose name contains `part` give
   * one wrong sum in self-tests from now on; undefined ends this. Earlier verdicts are forgotten.
   */
  simulateWrongSums(part: string | undefined): void;
  /** Counts the self-tests of this process so far, and their time. */
  readonly selfTests: { readonly count: number; readonly microseconds: number };
}
