import { clippedNormal, type Moments } from './distribution.ts';
import { type Attribute, GraphEncoder } from './encode.ts';
import { Random } from './random.ts';

export interface NetOptions {
  /** `qlinear`: QLinearConv and its kind on integer tensors. `qdq`: float operators between DequantizeLinear and QuantizeLinear. */
  readonly form: 'qlinear' | 'qdq';
  /**
   * `nonzero`: every activation has an odd zero point, near the middle of the range or, where a ReLU is folded into the
   * range, near its low end. `zero`: every zero point is 0; uint8 then clips every tensor at 0, as after a ReLU, and
   * int8 has no folded ReLU at all.
   */
  readonly zeroPoints: 'nonzero' | 'zero';
  readonly activation: 'uint8' | 'int8';
  /** uint8 weights have the zero point 128, int8 weights 0. */
  readonly weights: 'int8' | 'uint8';
  /** One weights scale per output channel, or one per layer. */
  readonly perChannel: boolean;
  readonly seed: number;
}

/** A quantized activation: the tensor `name` holds q with real value scale * (q - zeroPoint). */
export interface Activation {
  readonly name: string;
  readonly dims: readonly number[];
  readonly scale: number;
  readonly zeroPoint: number;
  /** Initializers holding scale and zero point. */
  readonly parameters: readonly [scale: string, zeroPoint: string];
  /** The expected moments of its real values, on the random input of standard normal numbers. */
  readonly moments: Moments;
  /** The same before the range clipped them. */
  readonly raw: Moments;
}

export interface ConvShape {
  readonly channels: number;
  readonly kernel: number;
  readonly stride?: number;
  readonly groups?: number;
  /** True when a ReLU (or ReLU6) is folded into the range of the output. */
  readonly relu: boolean;
}

/** The range of an activation reaches this many standard deviations above its mean: 0.1 % of a normal variable is cut. */
const REACH = 3.1;

/**
 * Builds a quantized convolutional network of random weights whose activations use their range and stay spread out,
 * however deep it is. Each convolution is scaled and centred as batch normalization would: with input moments (m, d)
 * in levels above the zero point, the accumulator of channel c has mean m * sum(w_c) and deviation d * |w_c|, so
 *   bias_c = -m * sum(w_c) + jitter,   weights scale_c = 1 / (input scale * d * |w_c|) * jitter
 * makes every output channel about standard normal in real units.
 */
export class QuantizedNet {
  readonly #graph = new GraphEncoder();
  readonly #random: Random;
  readonly #options: NetOptions;
  readonly #lowest: number;
  readonly #highest: number;
  /** Names of DequantizeLinear outputs by activation (QDQ form): one is shared by all consumers. */
  readonly #dequantized = new Map<string, string>();

  constructor(options: NetOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    [this.#lowest, this.#highest] = options.activation === 'uint8' ? [0, 255] : [-128, 127];
  }

  /** The float32 input [1, 3, size, size], quantized. */
  input(size: number): Activation {
    const x = this.#activation('input_quantized', [1, 3, size, size], { mean: 0, deviation: 1 }, false);
    this.#graph.node('QuantizeLinear', ['input', ...x.parameters], x.name);
    return x;
  }

  conv(name: string, x: Activation, shape: ConvShape): Activation {
    const { channels, kernel, stride = 1, groups = 1 } = shape;
    const [, inputChannels, height, width] = x.dims as [number, number, number, number];
    const pad = (kernel - 1) / 2;
    const size = (n: number) => Math.floor((n + 2 * pad - kernel) / stride) + 1;
    const { inputs, moments } = this.#weighted(name, x, [channels, inputChannels / groups, kernel, kernel]);
    const y = this.#activation(name, [1, channels, size(height), size(width)], moments, shape.relu);
    const attributes = {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
      group: groups,
    };
    if (this.#options.form === 'qdq') this.#quantized('Conv', inputs, y, attributes);
    // Bias is the last input of QLinearConv.
    else this.#graph.node('QLinearConv', [...inputs.slice(0, -1), ...y.parameters, inputs.at(-1)!], name, attributes);
    return y;
  }

  add(name: string, a: Activation, b: Activation, relu: boolean): Activation {
    const mean = a.moments.mean + b.moments.mean;
    const y = this.#activation(
      name,
      a.dims,
      { mean, deviation: Math.hypot(a.moments.deviation, b.moments.deviation) },
      relu,
    );
    if (this.#options.form === 'qdq') this.#quantized('Add', [this.#dequantize(a), this.#dequantize(b)], y);
    else
      this.#graph.node(
        'QLinearAdd',
        [...this.#operand(a), ...this.#operand(b), ...y.parameters],
        name,
        {},
        'com.microsoft',
      );
    return y;
  }

  /** 3x3 maximum, stride 2, padding 1. It keeps scale and zero point. */
  maxPool(name: string, x: Activation): Activation {
    const [n, c, height, width] = x.dims as [number, number, number, number];
    const low = x.scale * (this.#lowest - x.zeroPoint);
    const high = x.scale * (this.#highest - x.zeroPoint);
    // Neighbours are correlated: nine of them have about the maximum of eight independent values.
    const y = {
      ...x,
      name,
      dims: [n, c, Math.ceil(height / 2), Math.ceil(width / 2)],
      moments: clippedNormal(x.raw, low, high, 8),
    };
    const attributes = { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] };
    if (this.#options.form === 'qdq') this.#quantized('MaxPool', [this.#dequantize(x)], y, attributes);
    else this.#graph.node('MaxPool', [x.name], name, attributes);
    return y;
  }

  globalAveragePool(name: string, x: Activation): Activation {
    // Averaging leaves what differs between channels and a part of what differs between (correlated) positions.
    const moments = { mean: x.moments.mean, deviation: x.moments.deviation * 0.6 };
    const y = this.#activation(name, [...x.dims.slice(0, 2), 1, 1], moments, true);
    if (this.#options.form === 'qdq') this.#quantized('GlobalAveragePool', [this.#dequantize(x)], y);
    else
      this.#graph.node(
        'QLinearGlobalAveragePool',
        [...this.#operand(x), ...y.parameters],
        name,
        { channels_last: 0 },
        'com.microsoft',
      );
    return y;
  }

  flatten(name: string, x: Activation): Activation {
    const y = { ...x, name, dims: [1, x.dims[1]!] };
    if (this.#options.form === 'qdq') this.#quantized('Flatten', [this.#dequantize(x)], y, { axis: 1 });
    else this.#graph.node('Flatten', [x.name], name, { axis: 1 });
    return y;
  }

  fullyConnected(name: string, x: Activation, outputs: number): Activation {
    const { inputs, moments } = this.#weighted(name, x, [outputs, x.dims[1]!]);
    const y = this.#activation(name, [1, outputs], moments, false);
    if (this.#options.form === 'qdq') this.#quantized('Gemm', inputs, y, { transB: 1 });
    else this.#graph.node('QGemm', [...inputs, ...y.parameters], name, { transB: 1 }, 'com.microsoft');
    return y;
  }

  /** Dequantizes `x` into the float32 output and returns the model's bytes. */
  finish(name: string, inputSize: number, x: Activation): Uint8Array {
    this.#graph.node('DequantizeLinear', this.#operand(x), 'output');
    return this.#graph.finish(
      name,
      { name: 'input', dims: [1, 3, inputSize, inputSize] },
      { name: 'output', dims: [...x.dims] },
    );
  }

  /**
   * Random weights [outputs, ...taps] and bias for `x`, scaled as the class says, and the moments of the result in real
   * units. `inputs` are x, weights and bias as the form's operator wants them.
   */
  #weighted(name: string, x: Activation, dims: readonly number[]): { inputs: string[]; moments: Moments } {
    const { perChannel, form } = this.#options;
    const outputs = dims[0]!;
    const taps = dims.slice(1).reduce((a, b) => a * b, 1);
    const weights = this.#random.bell(outputs * taps);
    const meanLevels = x.moments.mean / x.scale;
    const deviationLevels = x.moments.deviation / x.scale;

    const accumulator = Float64Array.from({ length: outputs }, (_, c) => {
      const squares = weights.subarray(c * taps, (c + 1) * taps).reduce((sum, w) => sum + w * w, 0);
      return deviationLevels * Math.sqrt(Math.max(1, squares));
    });
    const layerDeviation = Math.sqrt(accumulator.reduce((sum, d) => sum + d * d, 0) / outputs);
    const bias = Int32Array.from({ length: outputs }, (_, c) => {
      const sum = weights.subarray(c * taps, (c + 1) * taps).reduce((a, w) => a + w, 0);
      return Math.round(-meanLevels * sum + this.#random.uniform(-0.5, 0.5) * accumulator[c]!);
    });
    const scales = Float32Array.from({ length: perChannel ? outputs : 1 }, (_, c) => {
      return (this.#random.uniform(0.8, 1.25) / (perChannel ? accumulator[c]! : layerDeviation)) * (1 / x.scale);
    });

    const operands = [
      ...this.#weightOperand(name, weights, dims, scales),
      this.#graph.constant(`${name}.bias`, 'int32', bias, [outputs]),
    ];
    // Jitter of the bias adds a variance of 1/12.
    const moments = { mean: 0, deviation: Math.sqrt(1 + 1 / 12) };
    if (form === 'qlinear') return { inputs: [...this.#operand(x), ...operands], moments };

    const [w, weightScale, weightZeroPoint, b] = operands as [string, string, string, string];
    const axis: Record<string, Attribute> = perChannel ? { axis: 0 } : {};
    const biasScale = this.#graph.constant(
      `${name}.bias_scale`,
      'float32',
      scales.map((s) => Math.fround(s * Math.fround(x.scale))),
      perChannel ? [outputs] : [],
    );
    const biasZeroPoint = this.#graph.constant(
      `${name}.bias_zero_point`,
      'int32',
      new Int32Array(scales.length),
      perChannel ? [outputs] : [],
    );
    const dequantizedWeights = this.#graph.node(
      'DequantizeLinear',
      [w, weightScale, weightZeroPoint],
      `${w}.dequantized`,
      axis,
    );
    const dequantizedBias = this.#graph.node(
      'DequantizeLinear',
      [b, biasScale, biasZeroPoint],
      `${b}.dequantized`,
      axis,
    );
    return { inputs: [this.#dequantize(x), dequantizedWeights, dequantizedBias], moments };
  }

  /** Weights, scale and zero point as initializers. */
  #weightOperand(name: string, weights: Int8Array, dims: readonly number[], scales: Float32Array): string[] {
    const unsigned = this.#options.weights === 'uint8';
    const zeroPoints = new Uint8Array(scales.length).fill(unsigned ? 128 : 0);
    // 128 + w modulo 256 flips the top bit.
    const stored = unsigned ? Uint8Array.from(weights, (w) => w ^ 128) : weights;
    const parameterDims = this.#options.perChannel ? [scales.length] : [];
    return [
      this.#graph.constant(`${name}.weight`, this.#options.weights, stored, dims),
      this.#graph.constant(`${name}.weight_scale`, 'float32', scales, parameterDims),
      this.#graph.constant(`${name}.weight_zero_point`, this.#options.weights, zeroPoints, parameterDims),
    ];
  }

  /** Chooses zero point and scale for a tensor that has these moments before it is clipped to the range. */
  #activation(name: string, dims: readonly number[], raw: Moments, relu: boolean): Activation {
    const zeroPoint = this.#zeroPoint(relu);
    const levels = this.#highest - zeroPoint;
    const scale = Math.fround(((raw.mean + REACH * raw.deviation) / levels) * this.#random.uniform(0.95, 1.05));
    const moments = clippedNormal(raw, scale * (this.#lowest - zeroPoint), scale * levels);
    const parameters = [
      this.#graph.constant(`${name}.scale`, 'float32', Float32Array.of(scale)),
      this.#graph.constant(`${name}.zero_point`, this.#options.activation, Uint8Array.of(zeroPoint & 255)),
    ] as const;
    return { name, dims, scale, zeroPoint, parameters, moments, raw };
  }

  /** Tensor, scale and zero point: how the quantized operators take an input. */
  #operand(x: Activation): string[] {
    return [x.name, ...x.parameters];
  }

  #dequantize(x: Activation): string {
    let name = this.#dequantized.get(x.name);
    if (name === undefined) {
      name = this.#graph.node('DequantizeLinear', this.#operand(x), `${x.name}.dequantized`);
      this.#dequantized.set(x.name, name);
    }
    return name;
  }

  /** A float operator followed by the QuantizeLinear that makes `y`. */
  #quantized(
    opType: string,
    inputs: readonly string[],
    y: Activation,
    attributes: Record<string, Attribute> = {},
  ): void {
    const float = this.#graph.node(opType, inputs, `${y.name}.float`, attributes);
    this.#graph.node('QuantizeLinear', [float, ...y.parameters], y.name);
  }

  #zeroPoint(relu: boolean): number {
    if (this.#options.zeroPoints === 'zero') return 0;
    return this.#lowest + (relu ? this.#random.odd(3, 15) : this.#random.odd(113, 143));
  }
}
