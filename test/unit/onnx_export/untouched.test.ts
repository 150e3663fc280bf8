/**
 * Nodes that have nothing to do with the zero point of a product stay untouched: a file of such nodes alone comes back
 * byte for byte; beside a corrected layer, the nodes do.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareOutputs } from '../../../src/cli/compare.ts';
import { legalize } from '../../../src/codegen/legalize.ts';
import { exportOnnx } from '../../../src/exporters/onnx/export.ts';
import { openOnnx } from '../../../src/formats/onnx/index.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { type Feeds, type ITensor, tensor } from '../../../src/ir/index.ts';
import { exactWeights } from '../../support/exact_weights.ts';
import { type ModelInitializer, type ModelNode, writeModel } from '../../support/onnx.ts';
import { runOnnx } from './support.ts';

const K = 8;
const N = 6;

/** Nodes from `${p}in` (float, 4 x 8) to `${p}out`, and their constants; `p` makes names unique. */
interface Part {
  readonly nodes: readonly ModelNode[];
  readonly initializers: readonly ModelInitializer[];
  /** True when a product has a zero point to correct. */
  readonly isCorrected?: boolean;
}

const node = (op: string, inputs: readonly string[], output: string, attrs: ModelNode['attrs'] = {}): ModelNode => ({
  op,
  inputs,
  outputs: [output],
  attrs,
  name: `${output}_node`,
});
const constant = (name: string, value: ITensor): ModelInitializer => ({ name, tensor: value });
const scale = (name: string, value: number) => constant(name, tensor('f32', [value], []));
const [least, most] = exactWeights.s8;
const weights = (shape: readonly number[]) =>
  tensor(
    's8',
    Int8Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 37) % (most - least)) + least + 1),
    shape,
  );
const floats = (shape: readonly number[]) =>
  tensor(
    'f32',
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 29) % 64) / 64 - 0.5),
    shape,
  );

/** Quantize and dequantize with a zero point. */
const activation = (p: string, type: 'u8' | 's8' | 'u16', zero: number): Part => ({
  nodes: [
    node('QuantizeLinear', [`${p}in`, `${p}s`, `${p}z`], `${p}q`),
    node('DequantizeLinear', [`${p}q`, `${p}s`, `${p}z`], `${p}d`),
  ],
  initializers: [scale(`${p}s`, 2 ** -5), constant(`${p}z`, tensor(type, [zero], []))],
});
/**
 * Dequantized weights, by channel, no two parts alike: constants of the same contents are one to ONNX Runtime, which then takes
 * other kernels.
 */
const dequantized = (p: string, shape: readonly number[], axis: number): Part => ({
  nodes: [node('DequantizeLinear', [`${p}w`, `${p}ws`], `${p}wd`, { axis })],
  initializers: [
    constant(`${p}w`, weights(shape)),
    constant(
      `${p}ws`,
      tensor(
        'f32',
        Float32Array.from({ length: shape[axis] }, (_, i) => (i + 1) * 2 ** -8 * (1 + Number(/\d+/.exec(p)) / 8)),
      ),
    ),
  ],
});
const joined = (...parts: readonly Part[]): Part => ({
  nodes: parts.flatMap(({ nodes }) => nodes),
  initializers: parts.flatMap(({ initializers }) => initializers),
});
/** Back to 4 x 8, so that parts follow one another. */
const widened = (p: string): Part => ({
  nodes: [node('Pad', [`${p}y`, `${p}pads`], `${p}out`)],
  initializers: [constant(`${p}pads`, tensor('s64', [0n, 0n, 0n, BigInt(K - N)]))],
});
const bias = (p: string) => constant(`${p}c`, floats([N]));
const own = (nodes: readonly ModelNode[], initializers: readonly ModelInitializer[] = []): Part => ({
  nodes,
  initializers,
});

const parts: Readonly<Record<string, (p: string) => Part>> = {
  'a Gemm of dequantized weights': (p) =>
    joined(
      dequantized(p, [N, K], 0),
      own([node('Gemm', [`${p}in`, `${p}wd`, `${p}c`], `${p}y`, { transB: 1 })], [bias(p)]),
      widened(p),
    ),
  'a MatMul of dequantized weights that are transposed': (p) =>
    joined(
      dequantized(p, [N, K], 0),
      own([node('Transpose', [`${p}wd`], `${p}wt`, { perm: [1, 0] }), node('MatMul', [`${p}in`, `${p}wt`], `${p}y`)]),
      widened(p),
    ),
  'a Gemm of quantized activations without a zero point': (p) =>
    joined(
      activation(p, 's8', 0),
      dequantized(p, [N, K], 0),
      own([node('Gemm', [`${p}d`, `${p}wd`, `${p}c`], `${p}y`, { transB: 1 })], [bias(p)]),
      widened(p),
    ),
  'weights that go through an Identity and a Clip': (p) =>
    joined(
      own(
        [
          node('Identity', [`${p}w`], `${p}i`),
          node('Clip', [`${p}i`, `${p}low`, `${p}high`], `${p}cl`),
          node('DequantizeLinear', [`${p}cl`, `${p}ws`], `${p}wd`),
          node('Gemm', [`${p}in`, `${p}wd`], `${p}y`, { transB: 1 }),
        ],
        [
          constant(`${p}w`, weights([N, K])),
          constant(`${p}low`, tensor('s8', [-100], [])),
          constant(`${p}high`, tensor('s8', [100], [])),
          scale(`${p}ws`, 2 ** -6),
        ],
      ),
      widened(p),
    ),
  'integer products without zero points': (p) =>
    joined(
      activation(p, 's8', 0),
      own(
        [
          node('MatMulInteger', [`${p}q`, `${p}w`], `${p}m`),
          node('Cast', [`${p}m`], `${p}f`, { to: 1 }),
          node('Mul', [`${p}f`, `${p}scale`], `${p}y`),
        ],
        [constant(`${p}w`, weights([K, N])), scale(`${p}scale`, 2 ** -12)],
      ),
      widened(p),
    ),
  'a QLinearMatMul whose zero points are 0': (p) =>
    joined(
      activation(p, 's8', 0),
      own(
        [
          node('QLinearMatMul', [`${p}q`, `${p}s`, `${p}z`, `${p}w`, `${p}ws`, `${p}wz`, `${p}ys`, `${p}yz`], `${p}yq`),
          node('DequantizeLinear', [`${p}yq`, `${p}ys`, `${p}yz`], `${p}y`),
        ],
        [
          constant(`${p}w`, weights([K, N])),
          scale(`${p}ws`, 2 ** -7),
          constant(`${p}wz`, tensor('s8', [0], [])),
          scale(`${p}ys`, 2 ** -3),
          constant(`${p}yz`, tensor('s8', [0], [])),
        ],
      ),
      widened(p),
    ),
  'casts to half precision and back': (p) =>
    own(
      [
        node('Cast', [`${p}in`], `${p}h`, { to: 10 }),
        node('Relu', [`${p}h`], `${p}r`),
        node('Identity', [`${p}r`], `${p}i`),
        node('Cast', [`${p}i`], `${p}out`, { to: 1 }),
      ],
      [],
    ),
  'what does nothing': (p) =>
    own(
      [
        node('Identity', [`${p}in`], `${p}a`),
        { op: 'Dropout', inputs: [`${p}a`], outputs: [`${p}b`, `${p}mask`], name: `${p}dropout` },
        node('Transpose', [`${p}b`], `${p}t`, { perm: [1, 0] }),
        node('Transpose', [`${p}t`], `${p}tt`, { perm: [1, 0] }),
        node('Shape', [`${p}tt`], `${p}shape`),
        node('Reshape', [`${p}tt`, `${p}shape`], `${p}re`),
        node('Cast', [`${p}re`], `${p}out`, { to: 1 }),
      ],
      [],
    ),
};

/** A Gemm of bytes with a zero point, which is to be corrected. */
const corrected = (p: string): Part => ({
  ...joined(
    activation(p, 'u8', 117),
    dequantized(p, [N, K], 0),
    own([node('Gemm', [`${p}d`, `${p}wd`], `${p}y`, { transB: 1 })]),
    widened(p),
  ),
  isCorrected: true,
});

function modelOf(chain: readonly ((p: string) => Part)[]) {
  const made = chain.map((part, i) => part(`p${i}_`));
  const links = made.map((_, i) => node('Identity', [i === 0 ? 'x' : `p${i - 1}_out`], `p${i}_in`));
  return {
    made,
    bytes: writeModel({
      opsets: { '': 21 },
      inputs: [{ name: 'x', type: 'float32', dims: [4, K] }],
      outputs: [{ name: `p${chain.length - 1}_out`, type: 'float32' }],
      nodes: made.flatMap(({ nodes }, i) => [links[i], ...nodes]),
      initializers: made.flatMap(({ initializers }) => initializers),
    }),
  };
}

const feeds: Feeds = {
  x: tensor(
    'f32',
    Float32Array.from({ length: 4 * K }, (_, i) => (((i * 13) % 60) - 30) * 2 ** -5),
    [4, K],
  ),
};
const rewritten = (bytes: Uint8Array) => exportOnnx(legalize(importOnnx(bytes)).graph);

/** The nodes of a file by their first output, as bytes. */
function nodesOf(bytes: Uint8Array): Map<string, string> {
  const { nodes } = openOnnx(bytes).graph;
  return new Map(
    nodes.map(({ outputs, range }) => [
      outputs[0],
      Buffer.from(bytes.subarray(range.start, range.end)).toString('base64'),
    ]),
  );
}

describe('alone', () => {
  it.each(Object.entries(parts))('%s comes back byte for byte', (_what, part) => {
    const { bytes } = modelOf([part]);
    expect(Buffer.compare(rewritten(bytes), bytes)).toBe(0);
  });

  it('any of them together', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...Object.values(parts)), { minLength: 1, maxLength: 5 }),
        fc.constantFrom(...(['auto', 'pad'] as const)),
        (chain, strategy) => {
          const { bytes } = modelOf(chain);
          const { graph, certificate } = legalize(importOnnx(bytes), { strategy });
          expect(Buffer.compare(exportOnnx(graph), bytes)).toBe(0);
          expect([certificate.grouping, certificate.verdict]).toEqual([[], 'bit-exact']);
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe('beside a layer that is corrected', () => {
  it.each(Object.entries(parts))(
    '%s keeps its nodes, and ONNX Runtime computes the same in both modes',
    async (_what, part) => {
      for (const [chain, at] of [
        [[part, corrected], 0],
        [[corrected, part], 1],
        [[corrected, part, corrected], 1],
      ] as const) {
        const { bytes, made } = modelOf(chain);
        const after = rewritten(bytes);
        expect(openOnnx(after).graph.nodes.map(({ opType }) => opType)).toContain('MatMulInteger');
        const [old, now] = [nodesOf(bytes), nodesOf(after)];
        for (const { outputs } of made[at].nodes) expect(now.get(outputs[0]), outputs[0]).toBe(old.get(outputs[0]));
        for (const mode of ['disabled', 'all'] as const)
          expect(compareOutputs(await runOnnx(bytes, feeds, mode), await runOnnx(after, feeds, mode))).toEqual([]);
      }
    },
  );
});
