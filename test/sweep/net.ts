/** One layer as an ONNX model, written by onnx-proto node by node, and tensors to run it on. */
import { type DType, dtypes, type ITensor, newArray, sizeOf, tensor } from '../../src/ir/index.ts';
import type { Dim } from '../../src/ir/types.ts';
import type { Strategy } from '../../src/passes/strategy_names.ts';
import {
  type ModelAttr,
  type ModelInitializer,
  type ModelNode,
  type ModelTensor,
  writeModel,
} from '../support/onnx.ts';
import type { Choice } from './covering.ts';

export type Eight = 'u8' | 's8';
export type Feeds = Readonly<Record<string, ITensor>>;

export interface Layer {
  readonly choice: Choice;
  readonly bytes: Uint8Array;
  /** The tensors of each run; sizes behind symbols differ from run to run. */
  readonly feeds: readonly Feeds[];
  readonly strategy: Strategy;
  readonly threads: number;
}

/** The distribution of the elements of a tensor. */
export type Contents =
  | 'random'
  | 'lowest'
  | 'highest'
  | 'alternating'
  | 'bell'
  | 'middle'
  | { readonly constant: number }
  | { readonly of: readonly number[] }
  /** Floats uniform in a range. */
  | { readonly low: number; readonly high: number }
  /** Multiples of a half of `step`: values halfway between two integers are frequent. */
  | { readonly halves: number };

export interface Quantization {
  readonly dtype: DType;
  readonly scales: readonly number[];
  /** None: the operator is written without zero point. */
  readonly zeros: readonly number[] | undefined;
}

export class Net {
  readonly random: () => number;
  strategy: Strategy = 'auto';
  threads = 1;
  opset = 17;
  readonly #nodes: ModelNode[] = [];
  readonly #inputs: (ModelTensor & { readonly draw: (sizes: readonly number[]) => ITensor })[] = [];
  readonly #outputs: ModelTensor[] = [];
  readonly #initializers: ModelInitializer[] = [];
  readonly #symbols = new Map<string, readonly number[]>();
  #names = 0;

  constructor(random: () => number) {
    this.random = random;
  }

  pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.random() * values.length)];
  }

  op(op: string, inputs: readonly string[], attrs: Record<string, ModelAttr> = {}, domain = ''): string {
    return this.several(op, inputs, 1, attrs, domain)[0];
  }

  several(
    op: string,
    inputs: readonly string[],
    count: number,
    attrs: Record<string, ModelAttr> = {},
    domain = '',
  ): string[] {
    const outputs = Array.from({ length: count }, () => `v${this.#names++}`);
    this.#nodes.push({ op, inputs, outputs, attrs, domain, name: `${op}_${outputs[0]}` });
    return outputs;
  }

  constant(t: ITensor): string {
    const name = `c${this.#names++}`;
    this.#initializers.push({ name, tensor: t });
    return name;
  }
  floats = (values: readonly number[], shape: readonly number[] = values.length === 1 ? [] : [values.length]): string =>
    this.constant(tensor('f32', values.map(Math.fround), shape));
  integers = (values: readonly number[], shape: readonly number[] = [values.length]): string =>
    this.constant(tensor('s64', values.map(BigInt) as never, shape));

  /** A size that the file leaves open: it has the given sizes, one for each run. */
  symbol(name: string, sizes: readonly number[]): string {
    this.#symbols.set(name, sizes);
    return name;
  }

  input(dtype: DType, dims: readonly Dim[], contents: Contents): string {
    const name = `x${this.#inputs.length}`;
    const draw = (sizes: readonly number[]) => this.filled(dtype, sizes, contents);
    this.#inputs.push({ name, type: dtypes[dtype].onnx, dims, draw });
    return name;
  }

  filled(dtype: DType, shape: readonly number[], contents: Contents): ITensor {
    const data = newArray(dtype, sizeOf(shape));
    const isBig = data instanceof BigInt64Array || data instanceof BigUint64Array;
    const { min, max } = dtype === 'bool' ? { min: 0, max: 1 } : dtypes[dtype];
    const draw = this.#drawn(contents, Math.max(min, -(2 ** 31)), Math.min(max, 2 ** 31 - 1));
    for (let i = 0; i < data.length; i++) data[i] = (isBig ? BigInt(draw(i)) : draw(i)) as never;
    return { dtype, shape, data } as ITensor;
  }

  #drawn(contents: Contents, min: number, max: number): (i: number) => number {
    const { random } = this;
    const span = max - min + 1;
    if (typeof contents === 'object') {
      if ('constant' in contents) return () => contents.constant;
      if ('of' in contents) return () => this.pick(contents.of);
      if ('halves' in contents) return () => (Math.floor(random() * 700) - 350) * (contents.halves / 2);
      return () => contents.low + random() * (contents.high - contents.low);
    }
    switch (contents) {
      case 'random':
        return () => min + Math.floor(random() * span);
      case 'lowest':
        return () => min;
      case 'highest':
        return () => max;
      case 'middle':
        return () => min + span / 2;
      case 'alternating':
        return (i) => (i % 2 === 0 ? min : max);
      case 'bell':
        return () => min + Math.floor(((random() + random() + random()) / 3) * span);
    }
  }

  /** Scale and zero point as operands; the latter '' where it is left out. */
  parameters({ dtype, scales, zeros }: Quantization): readonly [string, string] {
    const zero = zeros ? this.constant(tensor(dtype, zeros, zeros.length === 1 ? [] : [zeros.length])) : '';
    return [this.floats(scales), zero];
  }
  quantize(x: string, to: Quantization, axis?: number): string {
    const [scale, zero] = this.parameters(to);
    const inputs = zero === '' ? [x, scale] : [x, scale, zero];
    return this.op('QuantizeLinear', inputs, axis === undefined ? {} : { axis });
  }
  dequantize(x: string, from: Quantization, axis?: number): string {
    const [scale, zero] = this.parameters(from);
    const inputs = zero === '' ? [x, scale] : [x, scale, zero];
    return this.op('DequantizeLinear', inputs, axis === undefined ? {} : { axis });
  }

  output(name: string, dtype: DType): void {
    const own = `y${this.#outputs.length}`;
    // An Identity would hide that the producer is the last node, so the producer is renamed
    const at = this.#nodes.findIndex(({ outputs }) => outputs.includes(name));
    const node = this.#nodes[at];
    this.#nodes[at] = { ...node, outputs: node.outputs.map((o) => (o === name ? own : o)) };
    this.#nodes.forEach(({ inputs }, i) => {
      if (inputs.includes(name))
        this.#nodes[i] = { ...this.#nodes[i], inputs: inputs.map((o) => (o === name ? own : o)) };
    });
    this.#outputs.push({ name: own, type: dtypes[dtype].onnx });
  }

  finish(choice: Choice): Layer {
    const bytes = writeModel({
      nodes: this.#nodes,
      inputs: this.#inputs,
      outputs: this.#outputs,
      initializers: this.#initializers,
      opsets: { '': this.opset, ...(this.#nodes.some(({ domain }) => domain === 'com.microsoft') && microsoft) },
    });
    const sizesOf = (dims: readonly Dim[], run: number): number[] =>
      dims.map((dim) => (typeof dim === 'number' ? dim : (this.#symbols.get(dim) as readonly number[])[run]));
    const runs = this.#symbols.size > 0 ? [0, 1] : [0];
    const feeds = runs.map((run) =>
      Object.fromEntries(this.#inputs.map(({ name, dims = [], draw }) => [name, draw(sizesOf(dims, run))])),
    );
    return { choice, bytes, feeds, strategy: this.strategy, threads: this.threads };
  }
}

const microsoft = { 'com.microsoft': 1 };
