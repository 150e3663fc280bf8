/** Graphs of any number of nodes, one kind for each way in which a compiler can be slower than linear. */
import { type Attribute, GraphEncoder, type Port } from '../models/encode.ts';

/** About as many nodes as asked for, as the bytes of an ONNX model. All take one input `x`. */
export type ShapeName = keyof typeof shapes;

const CHANNELS = 4;
const image = [1, CHANNELS, 2, 2] as const;
const row = [1, CHANNELS] as const;

/** A graph under construction, with the parameters that layers share. */
class Shape extends GraphEncoder {
  readonly scale = this.constant('scale', 'float32', Float32Array.of(0.5));
  readonly zeroPoint = this.constant('zero', 'uint8', Uint8Array.of(3));
  readonly weightScale = this.constant('weight_scale', 'float32', Float32Array.of(0.25));
  readonly weightZeroPoint = this.constant('weight_zero', 'int8', Int8Array.of(0));
  readonly parameters = [this.scale, this.zeroPoint] as const;
  readonly weightParameters = [this.weightScale, this.weightZeroPoint] as const;

  weights(name: string, seed: number, dims: readonly number[]): string {
    const count = dims.reduce((a, b) => a * b, 1);
    return this.constant(
      name,
      'int8',
      Int8Array.from({ length: count }, (_, i) => ((i * 37 + seed * 11) % 15) - 7),
      dims,
    );
  }

  quantize = (x: string, name: string): string => this.node('QuantizeLinear', [x, ...this.parameters], name);
  dequantize = (x: string, name: string): string => this.node('DequantizeLinear', [x, ...this.parameters], name);

  qlinearConv(x: string, name: string, seed: number): string {
    const w = this.weights(`${name}.w`, seed, [CHANNELS, CHANNELS, 1, 1]);
    return this.node('QLinearConv', [x, ...this.parameters, w, ...this.weightParameters, ...this.parameters], name);
  }

  /** A quantized operator as float operators: what it reads and makes is quantized. */
  quantized(
    opType: string,
    operands: readonly string[],
    name: string,
    attributes: Record<string, Attribute> = {},
  ): string {
    return this.quantize(this.node(opType, operands, `${name}.float`, attributes), name);
  }

  qdqConv(x: string, name: string, seed: number): string {
    const w = this.weights(`${name}.w`, seed, [CHANNELS, CHANNELS, 1, 1]);
    const weights = this.node('DequantizeLinear', [w, ...this.weightParameters], `${w}.dequantized`);
    return this.quantized('Conv', [this.dequantize(x, `${name}.x`), weights], name);
  }

  done(output: string | readonly string[], dims: Port['dims'], input: Port['dims'] = dims): Uint8Array {
    const outputs = [output].flat().map((name): Port => ({ name, dims }));
    return this.finish('scaling', { name: 'x', dims: input }, outputs);
  }
}

/** `count` values, each made of the one before. */
function chain(first: string, count: number, next: (previous: string, i: number) => string): string {
  let last = first;
  for (let i = 0; i < count; i++) last = next(last, i);
  return last;
}

const range = (count: number): readonly number[] => Array.from({ length: Math.max(count, 1) }, (_, i) => i);

export const shapes = {
  'quantized convolutions': (nodes: number) => {
    const g = new Shape();
    const last = chain(g.quantize('x', 'first'), nodes, (x, i) => g.qlinearConv(x, `conv${i}`, i));
    return g.done(g.dequantize(last, 'y'), image);
  },
  'symbolic batch': (nodes: number) => {
    const g = new Shape();
    const last = chain(g.quantize('x', 'first'), nodes, (x, i) => g.qlinearConv(x, `conv${i}`, i));
    return g.done(g.dequantize(last, 'y'), ['N', ...image.slice(1)]);
  },
  'residual blocks (QDQ)': (nodes: number) => {
    const g = new Shape();
    const last = chain(g.quantize('x', 'first'), nodes / 12, (x, i) => {
      const branch = g.qdqConv(g.qdqConv(x, `block${i}.a`, i), `block${i}.b`, i + 1);
      const operands = [g.dequantize(x, `block${i}.x`), g.dequantize(branch, `block${i}.branch`)];
      return g.quantized('Add', operands, `block${i}`);
    });
    return g.done(g.dequantize(last, 'y'), image);
  },
  'branches into one Concat': (nodes: number) => {
    const g = new Shape();
    const branches = range(nodes).map((i) => g.node(i % 2 ? 'Relu' : 'Abs', ['x'], `branch${i}`));
    g.node('Concat', [...branches, ...branches], 'y', { axis: 0 });
    return g.done('y', [2 * branches.length, CHANNELS], row);
  },
  /** As many operands as the Concat of the shape above, of two values. */
  'one Concat': (nodes: number) => {
    const g = new Shape();
    const pair = ['x', g.node('Relu', ['x'], 'relu')];
    g.node(
      'Concat',
      range(nodes).flatMap(() => pair),
      'y',
      { axis: 0 },
    );
    return g.done('y', [2 * Math.max(nodes, 1), CHANNELS], row);
  },
  'quantized branches (QDQ)': (nodes: number) => {
    const g = new Shape();
    const first = g.quantize('x', 'first');
    const branches = range(nodes / 5).map((i) =>
      g.dequantize(g.qdqConv(first, `branch${i}`, i), `branch${i}.dequantized`),
    );
    const joined = g.quantized('Concat', branches, 'joined', { axis: 0 });
    return g.done(g.dequantize(joined, 'y'), [branches.length, ...image.slice(1)], image);
  },
  'elementwise chain': (nodes: number) => {
    const g = new Shape();
    const operators = ['Relu', 'Abs', 'Neg', 'Sigmoid'];
    return g.done(
      chain('x', nodes, (x, i) => g.node(operators[i % operators.length]!, [x], `e${i}`)),
      row,
    );
  },
  'nodes that do nothing': (nodes: number) => {
    const g = new Shape();
    const kept = chain('x', nodes / 2, (x, i) => g.node('Identity', [x], `identity${i}`));
    const branches = range(nodes / 2).map((i) => g.node('Identity', [kept], `branch${i}`));
    g.node('Concat', branches, 'y', { axis: 0 });
    return g.done('y', [branches.length, CHANNELS], row);
  },
  'transposes and reshapes': (nodes: number) => {
    const g = new Shape();
    const shape = g.constant('shape', 'int64', BigInt64Array.of(2n, 2n), [2]);
    const last = chain('x', nodes / 2, (x, i) =>
      g.node('Transpose', [g.node('Reshape', [x, shape], `reshape${i}`)], `t${i}`, { perm: [1, 0] }),
    );
    return g.done(last, [2, 2], row);
  },
  'shape arithmetic': (nodes: number) => {
    const g = new Shape();
    const end = g.constant('end', 'int64', BigInt64Array.of(-1n), [1]);
    const last = chain('x', nodes / 4, (x, i) => {
      const size = g.node('Shape', [x], `s${i}`);
      const sizes = g.node('Concat', [g.node('Slice', [size, 'zero64', 'one64'], `b${i}`), end], `c${i}`, { axis: 0 });
      return g.node('Reshape', [x, sizes], `r${i}`);
    });
    g.constant('zero64', 'int64', BigInt64Array.of(0n), [1]);
    g.constant('one64', 'int64', BigInt64Array.of(1n), [1]);
    return g.done(last, ['N', CHANNELS]);
  },
  'constant arithmetic': (nodes: number) => {
    const g = new Shape();
    const last = chain(g.constant('c', 'float32', Float32Array.of(1)), nodes - 1, (x, i) =>
      g.node('Mul', [x, g.scale], `c${i}`),
    );
    return g.done(g.node('Add', ['x', last], 'y'), row);
  },
  initializers: (nodes: number) => {
    const g = new Shape();
    const last = chain('x', nodes, (x, i) =>
      g.node('Mul', [x, g.constant(`c${i}`, 'float32', Float32Array.of(1, i, 0, 2), row)], `m${i}`),
    );
    return g.done(last, row);
  },
  'many outputs': (nodes: number) => {
    const g = new Shape();
    return g.done(
      range(nodes).map((i) => g.node('Relu', ['x'], `y${i}`)),
      row,
    );
  },
  'many inputs': (nodes: number) => {
    const g = new Shape();
    const inputs = range(nodes).map((i): Port => ({ name: i === 0 ? 'x' : `x${i}`, dims: row }));
    const last = chain('x', nodes - 1, (x, i) => g.node('Add', [x, `x${i + 1}`], `a${i}`));
    return g.finish('scaling', inputs, { name: last, dims: row });
  },
  'dynamic products': (nodes: number) => {
    const g = new Shape();
    const last = chain('x', nodes / 5, (x, i) => {
      const w = g.weights(`w${i}`, i, [CHANNELS, CHANNELS]);
      const parts = [`q${i}`, `scale${i}`, `zero${i}`] as const;
      g.nodes('DynamicQuantizeLinear', [x], parts);
      const sum = g.node('MatMulInteger', [parts[0], w, parts[2], g.weightZeroPoint], `sum${i}`);
      const scale = g.node('Mul', [parts[1], g.weightScale], `product${i}`);
      return g.node('Mul', [g.node('Cast', [sum], `cast${i}`, { to: 1 }), scale], `d${i}`);
    });
    return g.done(last, row);
  },
  'native and interpreted in turn': (nodes: number) => {
    const g = new Shape();
    return g.done(
      chain('x', nodes, (x, i) => g.node(i % 2 ? 'Sin' : 'Relu', [x], `e${i}`)),
      row,
    );
  },
  'one value, many readers': (nodes: number) => {
    const g = new Shape();
    const shared = g.node('Relu', ['x'], 'shared');
    return g.done(
      chain(shared, nodes, (x, i) => g.node('Mul', [x, shared], `m${i}`)),
      row,
    );
  },
  'chain of sums': (nodes: number) => {
    const g = new Shape();
    const first = g.quantize('x', 'first');
    const sum = g.node('ConvInteger', [first, g.weights('w', 1, [CHANNELS, CHANNELS, 1, 1]), g.zeroPoint], 'conv');
    const last = chain(sum, nodes, (x, i) =>
      g.node('Add', [x, g.constant(`c${i}`, 'int32', Int32Array.of(1, i, 0, 2), [1, CHANNELS, 1, 1])], `a${i}`),
    );
    return g.done(g.node('Cast', [last], 'y', { to: 1 }), image);
  },
  'long lives': (nodes: number) => {
    const g = new Shape();
    const made = [chain('x', 1, (x) => g.node('Relu', [x], 'made0'))];
    for (let i = 1; i < nodes / 2; i++) made.push(g.node('Sigmoid', [made[i - 1]!], `made${i}`));
    const last = chain(made.at(-1)!, made.length - 1, (x, i) =>
      g.node('Add', [x, made[made.length - 2 - i]!], `sum${i}`),
    );
    return g.done(last, row);
  },
  'operators that are not known': (nodes: number) => {
    const g = new Shape();
    const last = chain(g.quantize('x', 'first'), nodes / 2, (x, i) =>
      g.node('Mystery', [g.qlinearConv(x, `conv${i}`, i)], `mystery${i}`, {}, 'com.example'),
    );
    return g.done(g.dequantize(last, 'y'), image);
  },
} as const;
