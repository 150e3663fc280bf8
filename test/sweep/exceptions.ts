/** Layers for which ONNX Runtime strays from the meaning: each peculiarity with its name, its reason and its proof. */
import { observe, type Tensors } from '../../src/cli/compare.ts';
import { openOnnx } from '../../src/formats/onnx/index.ts';
import { type Graph, type ITensor, nodesOf } from '../../src/ir/index.ts';
import { hasVnni, mayLeaveInt16 } from '../support/exact_weights.ts';
import type { Layer } from './net.ts';
import { type Mode, onnxRuntime } from './onnxruntime.ts';

/** A run of ONNX Runtime whose results differ from the meaning. */
export interface Strayed {
  readonly layer: Layer;
  readonly graph: Graph;
  readonly bytes: Uint8Array;
  readonly mode: Mode;
  /** True when the tensors equal the meaning of the layer. */
  isRight(found: readonly Tensors[]): Promise<boolean>;
}

interface Exception {
  readonly name: string;
  readonly reason: string;
  applies(run: Strayed): Promise<boolean>;
}

type NodeProto = ReturnType<typeof openOnnx>['graph']['nodes'][number];

const SAME = /^SAME/;

/** True when a node of the file satisfies the predicate. */
const some = ({ bytes }: Strayed, isSuch: (node: NodeProto) => boolean): boolean =>
  openOnnx(bytes).graph.nodes.some(isSuch);

const numbers = ({ attributes }: NodeProto, name: string): number[] =>
  ((attributes.get(name)?.value ?? []) as readonly (number | bigint)[]).map(Number);

const isSame = ({ attributes }: NodeProto): boolean => SAME.test(`${attributes.get('auto_pad')?.value}`);

/** A transposed convolution with auto_pad SAME and a stride beyond its kernel. */
const isBeyondKernel = (node: NodeProto): boolean =>
  node.opType === 'ConvTranspose' &&
  isSame(node) &&
  numbers(node, 'strides').some(
    (stride, i) => stride > (numbers(node, 'kernel_shape')[i] - 1) * numbers(node, 'dilations')[i] + 1,
  );

const isSet = ({ attributes }: NodeProto, name: string): boolean => Number(attributes.get(name)?.value ?? 0) === 1;

/** A pool whose pads it takes to be negative in front, for the sizes of a run. */
const beginsLate = (node: NodeProto, { layer }: Strayed): boolean =>
  /Pool$/.test(node.opType) &&
  isSame(node) &&
  layer.feeds.some(({ x0 }) =>
    numbers(node, 'strides').some((stride, i) => {
      const size = x0.shape[i + 2];
      const pads = (Math.ceil(size / stride) - 1) * stride + numbers(node, 'kernel_shape')[i] - size;
      return pads < (node.attributes.get('auto_pad')?.value === 'SAME_LOWER' ? -2 : -1);
    }),
  );

const again = async ({ layer, bytes, mode, isRight }: Strayed, options: Parameters<typeof onnxRuntime>[3]) =>
  isRight(await onnxRuntime(bytes, layer.feeds, mode, options).catch(() => []));

/** True when an element of an input or of a float constant satisfies the predicate. */
function holds({ layer, bytes }: Strayed, isSuch: (value: number) => boolean): boolean {
  const floats = [...openOnnx(bytes).graph.initializers.values()].filter(({ onnxType }) => onnxType === FLOAT);
  const constants = floats.map(({ raw }) => new Float32Array(Uint8Array.from(raw()).buffer));
  const inputs = layer.feeds.flatMap((feeds) =>
    Object.values(feeds).flatMap(({ dtype, data }) => (dtype === 'f32' ? [data as Float32Array] : [])),
  );
  return [...constants, ...inputs].some((values) => values.some(isSuch));
}

/** The scales of all quantizes of a file. */
function scalesOf({ bytes }: Strayed, operator = 'QuantizeLinear'): readonly number[] {
  const { nodes, initializers } = openOnnx(bytes).graph;
  return nodes.flatMap(({ opType, inputs }) => {
    const scale = opType === operator ? initializers.get(inputs[1]) : undefined;
    return scale?.onnxType === FLOAT ? [...new Float32Array(Uint8Array.from(scale.raw()).buffer)] : [];
  });
}

/** The constant that a product adds, or that is added to it. */
function biasOf({ bytes }: Strayed): Float32Array | undefined {
  const { nodes, initializers } = openOnnx(bytes).graph;
  for (const { opType, inputs } of nodes) {
    const own = { MatMulIntegerToFloat: [inputs[6]], DynamicQuantizeMatMul: [inputs[4]], Add: inputs }[opType] ?? [];
    const constant = own.map((name) => initializers.get(name)).find((t) => t?.onnxType === FLOAT);
    if (constant) return new Float32Array(Uint8Array.from(constant.raw()).buffer);
  }
  return undefined;
}

/** True when the bias alone is at fault: results are right with 0 in its place in the file and the bias added here. */
async function isRightWithoutBias(run: Strayed): Promise<boolean> {
  const bias = biasOf(run);
  const bytes = Buffer.from(run.bytes);
  const at = bias ? bytes.indexOf(Buffer.from(bias.buffer)) : -1;
  if (bias === undefined || at < 0 || bytes.indexOf(Buffer.from(bias.buffer), at + 1) >= 0) return false;
  const results = await onnxRuntime(bytes.fill(0, at, at + bias.byteLength), run.layer.feeds, run.mode).catch(() => []);
  const added = ({ data, ...t }: ITensor): ITensor =>
    ({ ...t, data: (data as Float32Array).map((v, i) => v + bias[i % bias.length]) }) as ITensor;
  return run.isRight(
    results.map((tensors) => Object.fromEntries(Object.entries(tensors).map(([name, t]) => [name, added(t)]))),
  );
}

/**
 * True when a layer is one MatMulIntegerToFloat without bias that multiplies its sums by one scale, then by the others.
 */
async function scalesTwice({ layer, graph, bytes, mode }: Strayed): Promise<boolean> {
  const { nodes, initializers } = openOnnx(bytes).graph;
  const [node, ...others] = nodes;
  if (others.length > 0 || node.opType !== 'MatMulIntegerToFloat' || node.inputs[6]) return false;
  const [sa, sb] = [2, 3].map((i) => {
    const scales = initializers.get(node.inputs[i]);
    return scales && new Float32Array(Uint8Array.from(scales.raw()).buffer);
  });
  const cast = nodesOf(graph).find(({ op }) => op === 'nn.cast');
  if (cast === undefined || sa?.length !== 1 || sb === undefined) return false;
  const results = await onnxRuntime(bytes, layer.feeds, mode);
  return layer.feeds.every((feeds, run) => {
    const sums = observe(graph, feeds).get(cast.results[0])?.data as Float32Array;
    const found = results[run].y0.data as Float32Array;
    return found.every((v, i) => v === Math.fround(Math.fround(sums[i] * sa[0]) * sb[i % sb.length]));
  });
}

/** The least product of the scales of two dequantized tensors. */
function unitOf(run: Strayed): number {
  const [first = 1, second = first] = scalesOf(run, 'DequantizeLinear')
    .map(Math.abs)
    .sort((a, b) => a - b);
  return first * second;
}

const FLOAT = 1;
const isVast = (value: number): boolean => !(Math.abs(value) < 1e29);

export const exceptions: readonly Exception[] = [
  {
    name: 'SAME beyond the kernel',
    reason:
      'a transposed convolution with auto_pad SAME has input · stride results by the standard; it makes fewer where the stride is longer than the kernel',
    applies: async (run) => some(run, isBeyondKernel),
  },
  {
    name: 'SAME and dilations',
    reason:
      'a pool with auto_pad SAME has ⌈input / stride⌉ results by the standard; it leaves dilations out of the pads, and in of the sizes',
    applies: async (run) =>
      some(run, (node) => /Pool$/.test(node.opType) && isSame(node) && numbers(node, 'dilations').some((d) => d > 1)),
  },
  {
    name: 'SAME of a pool with less than its stride',
    reason:
      'a pool with auto_pad SAME has no pads below 0 by the standard; where the stride is longer than the kernel it begins that many elements later',
    applies: async (run) => some(run, (node) => beginsLate(node, run)),
  },
  {
    name: 'QuantizeLinear without its type',
    reason:
      'its optimizations put a QuantizeLinear behind a MaxPool, a Reshape and their like, of s8 without zero point too: then that makes u8',
    applies: async (run) =>
      run.mode === 'all' && some(run, ({ opType, inputs }) => opType === 'DequantizeLinear' && !inputs[2]),
  },
  {
    name: 'NaN in a maximum',
    reason: 'it passes over NaN or hands it on by its place among the others, here as in its pools (docs/decisions.md)',
    applies: async (run) =>
      holds(run, Number.isNaN) && some(run, ({ opType }) => /^(Reduce(Max|Min)|MaxPool)$/.test(opType)),
  },
  {
    name: 'sums beyond binary32',
    reason: 'it adds in binary32, which overflows on the way to a sum or a mean that does not',
    applies: async (run) =>
      holds(run, isVast) && some(run, ({ opType }) => /^Reduce(Mean|Sum)$|AveragePool|Conv|MatMul|Gemm/.test(opType)),
  },
  {
    name: 'casts beyond the type',
    reason:
      'the standard leaves open what becomes of a float that the integer type does not have; it does by processor',
    applies: async (run) => run.layer.choice.way === 'cast' && holds(run, (value) => !(value > -1 && value < 256)),
  },
  {
    name: 'averages of partial windows',
    reason:
      'its QLinearAveragePool divides a window that ends beyond the pads by all of its taps, its AveragePool by those within; right with session.disable_quant_qdq',
    applies: async (run) =>
      run.mode === 'all' &&
      some(
        run,
        (node) => node.opType === 'AveragePool' && isSet(node, 'ceil_mode') && isSet(node, 'count_include_pad'),
      ) &&
      again(run, { plainQdq: true }),
  },
  {
    name: 'QLinearSoftmax of one term',
    reason:
      'the exponential of its table is 2^32 where it is rounded up to 1, which its integers of 32 bits do not hold',
    applies: async (run) => run.layer.choice.length === 1 && some(run, ({ opType }) => opType === 'QLinearSoftmax'),
  },
  {
    name: 'a scale that is 0 or infinite',
    reason:
      'its optimizations put a quantize and a dequantize in front of a MaxPool, behind which 0 times the scale is NaN or all is 0; right with session.disable_quant_qdq',
    applies: async (run) =>
      run.mode === 'all' &&
      some(run, ({ opType }) => opType === 'MaxPool') &&
      scalesOf(run).some((scale) => scale === 0 || Math.abs(scale) === Infinity) &&
      again(run, { plainQdq: true }),
  },
  {
    name: 'a bias in units of nothing',
    reason:
      'its optimizations make integers of a float bias in units of sx·sw also where that vanishes in binary32; right with session.disable_quant_qdq',
    applies: async (run) =>
      run.mode === 'all' &&
      some(run, ({ opType, inputs }) => /^(Conv|Gemm)$/.test(opType) && Boolean(inputs[2])) &&
      unitOf(run) < 2 ** -126 &&
      again(run, { plainQdq: true }),
  },
  {
    name: 'a clip within an epsilon',
    reason:
      'its optimizations drop a Relu or Clip in front of a QuantizeLinear whose range lies within 1e-6 of its bounds, which is more than all of a tiny scale',
    applies: async (run) =>
      run.mode === 'all' &&
      run.layer.choice.scales === 'tiny' &&
      some(run, ({ opType }) => opType === 'Relu' || opType === 'Clip'),
  },
  {
    name: 'a dynamic range without end',
    reason: 'the standard leaves open what DynamicQuantizeLinear makes of NaN and infinities',
    applies: async (run) =>
      holds(run, (value) => !Number.isFinite(value)) && some(run, ({ opType }) => opType === 'DynamicQuantizeLinear'),
  },
  {
    name: 'the bias of many products',
    reason:
      'behind a stack of matrices with a scale for each column it multiplies the bias by these scales too, also where its optimizations made the operator; right with a bias of 0, and the bias added to the result',
    applies: async (run) => run.layer.choice.stack !== 'none' && isRightWithoutBias(run),
  },
  {
    name: 'scales one after the other',
    reason:
      'behind a stack of matrices with a scale for each column it multiplies by the scale of the rows and then by these: each result is fl(fl(sum · sa) · sb), to the last bit',
    applies: async (run) => run.layer.choice.stack !== 'none' && scalesTwice(run),
  },
  {
    name: 'float weights made integers',
    reason: 'its optimizations quantize the float weights of a Gemm whose other operand is dequantized, alpha and all',
    applies: async (run) =>
      run.mode === 'all' &&
      run.layer.choice.op === 'Gemm' &&
      some(run, ({ opType, attributes }) => opType === 'Gemm' && attributes.get('alpha')?.value !== undefined),
  },
  {
    name: 'two quantizations made one',
    reason:
      'its optimizations make one of quantize, dequantize, quantize, dequantize, which rounds once; right with session.disable_double_qdq_remover',
    applies: async (run) => run.mode === 'all' && again(run, { keepQdq: true }),
  },
  {
    name: 'int16 pairs',
    reason:
      'without VNNI its kernels for an s8 operand add two products in int16, which saturates (ONNX Runtime #5849); right with session.x64quantprecision',
    applies: async (run) => !hasVnni && again({ ...run, mode: 'all' }, { precise: true }),
  },
  {
    name: 'int16 pairs (likely)',
    reason: 'the same, of operators that session.x64quantprecision does not change',
    applies: async (run) => !hasVnni && mayLeaveInt16(run.bytes, run.layer.feeds[0]),
  },
];

export async function exceptionOf(run: Strayed): Promise<string | undefined> {
  for (const { name, applies } of exceptions) if (await applies(run)) return name;
  return undefined;
}
