/**
 * Files that ONNX Runtime saved with all optimizations: float convolutions and pools over channels in blocks (domain com.microsoft.nchwc).
 *
 * A value in blocks has the shape [N, C, H, W], C a multiple of the block, and lies in memory as [N, C / block, H, W, block]. Elementwise
 * operators read such values as they lie, some of them by a Reshape to these five axes and one back. The block is 16 channels where the
 * machine has AVX-512, else 8. The file does not say which; mostly its sizes do. Where they do not, ONNX Runtime reads it by the block of the machine that
 * runs it, and so does unskew, with a warning.
 *
 * Sources: the optimizer "nchwc_transformer", the declarations "nchwc_schema_defs" and the reordering of MLAS in ONNX Runtime.
 */
import type { OnnxGraph, OnnxNode, OnnxTensor } from '../../formats/onnx/index.ts';
import { platform } from '../../platform/index.ts';
import { tensorOf } from './attributes.ts';
import { bodiesOf } from './node_checks.ts';

export const blockedDomain = 'com.microsoft.nchwc';

const UNTOLD = 'the file does not tell whether its channels are in blocks of 8 or of 16';

/** The order of a value in memory: as its shape says, in blocks, or in blocks under a shape that names the five axes of the memory. */
type Layout = 'plain' | 'blocked' | 'five';

const unary: ReadonlySet<string> = new Set(
  'Relu LeakyRelu Sigmoid Tanh HardSigmoid HardSwish Clip Elu Selu Celu Gelu QuickGelu FastGelu Softplus Softsign Mish Erf Identity'.split(
    ' ',
  ),
);
const binary: ReadonlySet<string> = new Set(['Add', 'Sum', 'Mul', 'Sub', 'Div', 'Max', 'Min']);
/** Operators in blocks that keep the number of channels. */
const windows: ReadonlySet<string> = new Set([
  'MaxPool',
  'AveragePool',
  'GlobalMaxPool',
  'GlobalAveragePool',
  'Upsample',
]);

/** A file cannot be read with its channels in their usual order; the message says why. */
export class BlocksRefused extends Error {}

export class ChannelBlocks {
  /** 8 or 16; undefined in a file without blocks, and where `refusal` says why they cannot be read. */
  readonly block: number | undefined;
  readonly refusal: string | undefined;
  /** The block of the machine, where the file does not tell its own. */
  readonly assumed: number | undefined;
  #hasFilters = false;
  readonly #layouts = new Map<string, Layout>();
  /** Channels of values in blocks, where filters tell. */
  readonly #channels = new Map<string, number>();
  readonly #proven = new Set<number>();
  readonly #initializers: ReadonlyMap<string, OnnxTensor>;

  /** @param given a reason to read no blocks at all */
  constructor({ nodes, initializers, outputs }: OnnxGraph, given?: string) {
    this.#initializers = initializers;
    if (!nodes.some(({ domain }) => domain === blockedDomain)) return;
    this.refusal =
      given ??
      this.#walk(
        nodes,
        outputs.map(({ name }) => name),
      );
    if (this.refusal !== undefined) return;
    const [block] = this.#proven;
    if (this.#proven.size === 1) this.block = block;
    else if (this.#proven.size > 1) this.refusal = 'some sizes are those of blocks of 8 channels, others those of 16';
    else if (!this.#hasFilters) this.block = 16;
    else this.block = this.assumed = platform.channelBlock();
    if (this.block === undefined) this.refusal ??= `${UNTOLD}, and not which of them this machine has`;
  }

  /** True for a Reshape that only names the axes of the memory, or takes them back. */
  isView({ opType, domain, inputs: [x], outputs: [y] }: OnnxNode): boolean {
    return (
      this.block !== undefined &&
      domain === '' &&
      opType === 'Reshape' &&
      this.#of(x) !== 'plain' &&
      this.#of(y) !== 'plain'
    );
  }

  /** True where types of the file are those of values in blocks by five axes. */
  isFive(name: string): boolean {
    return this.block !== undefined && this.#of(name) === 'five';
  }

  /** A warning about a block that the file does not prove. */
  get warning(): string | undefined {
    return this.assumed === undefined
      ? undefined
      : `${UNTOLD}: ${this.assumed} is taken, as ONNX Runtime does on this machine`;
  }

  isBlocked(name: string): boolean {
    return this.#of(name) === 'blocked';
  }

  #of(name: string): Layout {
    return this.#layouts.get(name) ?? 'plain';
  }

  /** The layouts of all values, or a reason why they cannot be told. */
  #walk(nodes: readonly OnnxNode[], outputs: readonly string[]): string | undefined {
    for (const node of nodes) {
      const layout = this.#layoutOf(node);
      if (layout === undefined) return `${node.opType} '${node.outputs[0]}' reads channels in blocks`;
      const [, ...others] = node.outputs;
      if (layout !== 'plain' && others.some((name) => name !== ''))
        return `${node.opType} has several results in blocks`;
      if (layout !== 'plain') this.#layouts.set(node.outputs[0], layout);
    }
    const open = outputs.find((name) => this.#of(name) !== 'plain');
    return open === undefined ? undefined : `the output '${open}' is in blocks`;
  }

  #layoutOf(node: OnnxNode): Layout | undefined {
    const layouts = node.inputs.map((name) => this.#of(name));
    if (node.domain === blockedDomain) return this.#ownLayout(node, layouts);
    if (
      bodiesOf(node).some((body) => body.nodes.some(({ inputs }) => inputs.some((name) => this.#of(name) !== 'plain')))
    )
      return undefined;
    if (layouts.every((layout) => layout === 'plain')) return 'plain';
    const [first] = layouts;
    if (node.domain === '' && node.opType === 'Reshape') return this.#viewed(node, first);
    const isAlike = layouts.every((layout, i) => layout === first || (i > 0 && this.#isScalar(node.inputs[i])));
    if (!isAlike) return undefined;
    const channels = this.#channels.get(node.inputs[0]);
    if (unary.has(node.opType) || binary.has(node.opType)) {
      if (channels !== undefined) this.#channels.set(node.outputs[0], channels);
      return first;
    }
    const axis = node.attributes.get('axis');
    const isOfChannels = node.opType === 'Concat' && axis?.kind === 'int' && Number(axis.value) === 1;
    return isOfChannels && first === 'blocked' ? 'blocked' : undefined;
  }

  #ownLayout(node: OnnxNode, [x, , , sum = 'blocked']: readonly Layout[]): Layout | undefined {
    const [from, filter] = node.inputs;
    const channels = this.#channels.get(from);
    if (node.opType === 'ReorderInput') return x === 'plain' ? 'blocked' : undefined;
    if (node.opType === 'ReorderOutput') {
      const given = node.attributes.get('channels');
      // channels fill all blocks but a part of the last one
      if (given?.kind === 'int' && channels !== undefined && channels - Number(given.value) >= 8) this.#proven.add(16);
      return x === 'blocked' ? 'plain' : undefined;
    }
    if (windows.has(node.opType)) {
      if (channels !== undefined) this.#channels.set(node.outputs[0], channels);
      return x === 'blocked' ? 'blocked' : undefined;
    }
    const dims = this.#initializers.get(filter)?.dims;
    const isSummed = (node.inputs[3] ?? '') !== '';
    if (node.opType !== 'Conv' || dims?.length !== 4 || x === 'five' || (isSummed && sum !== 'blocked'))
      return undefined;
    const [all, perGroup] = dims;
    this.#hasFilters = true;
    this.#channels.set(node.outputs[0], all);
    if (all % 16 !== 0) this.#proven.add(8);
    // fewer channels than a block has are read as they are
    if (x === 'plain' && perGroup >= 8) this.#proven.add(16);
    if (x === 'blocked' && perGroup > 1 && perGroup % 16 !== 0) this.#proven.add(8);
    return 'blocked';
  }

  /** [N, C, H, W] as [N, C / block, H, W, block], and back. */
  #viewed({ inputs, attributes }: OnnxNode, x: Layout): Layout | undefined {
    const shape = this.#initializers.get(inputs[1] ?? '');
    const zeros = attributes.get('allowzero');
    if (shape?.dtype !== 's64' || (zeros?.kind === 'int' && Number(zeros.value) !== 0)) return undefined;
    const sizes = Array.from(tensorOf(shape).data, Number);
    const [n, groups, h, w, block] = sizes;
    if (n !== 0 || h !== 0 || w !== 0) return undefined;
    if (x === 'five') return sizes.length === 4 ? 'blocked' : undefined;
    const channels = this.#channels.get(inputs[0]);
    if (sizes.length !== 5 || (block !== 8 && block !== 16) || (channels !== undefined && groups * block !== channels))
      return undefined;
    this.#proven.add(block);
    return 'five';
  }

  #isScalar(name: string): boolean {
    return name === '' || this.#initializers.get(name)?.dims.every((size) => size === 1) === true;
  }
}
