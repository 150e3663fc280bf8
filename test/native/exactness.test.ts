/**
 * The recipe by which oneDNN's requantization equals the specification, bit for bit, on every ISA it may choose: bias in units
 * of the accumulator, scales, `round` as a post-op, then the destination zero point. Half of the scales are powers of two, so
 * that ties occur. /
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect } from 'vitest';
import type { PostOp } from '../../src/codegen/onednn/binding.ts';
import { offered } from '../../src/codegen/onednn/offered.ts';
import { itUnless } from '../support/unless.ts';
import { binding, bytesOf, expectSame, random, rangeOf, requantize, runPrimitive, typed } from './support.ts';

const int = (min: number, max: number) => fc.integer({ min, max });
const deep = process.env.UNSKEW_DEEP !== undefined;
const round: PostOp = { kind: 'eltwise', algorithm: 'round', alpha: 0, beta: 0 };

const config = fc.record({
  groups: fc.constantFrom(1, 1, 2, 4),
  inputs: int(1, 20),
  outputs: int(1, 40),
  size: fc.tuple(int(3, 10), int(3, 10)),
  kernel: fc.constantFrom(1, 2, 3, 5),
  stride: int(1, 3),
  dilation: int(1, 2),
  pads: fc.tuple(int(0, 3), int(0, 3), int(0, 3), int(0, 3)),
  transposed: fc.boolean(),
  sourceType: fc.constantFrom('u8' as const, 'u8' as const, 's8' as const),
  type: fc.constantFrom('u8' as const, 's8' as const, 's32' as const),
  zeroPoint: int(0, 255),
  sourceZeroPoint: fc.oneof(fc.constant(0), int(0, 127)),
  scaleBy: fc.constantFrom('attribute', 'post-op'),
  powerOfTwo: fc.boolean(),
  relu: fc.boolean(),
  seed: fc.integer(),
});

/** The input coordinate that a tap of an output coordinate reads; outside the input, -1 or beyond its end. */
function inputAt(
  { transposed, stride, dilation }: { transposed: boolean; stride: number; dilation: number },
  output: number,
  pad: number,
  tap: number,
): number {
  if (!transposed) return output * stride - pad + tap * dilation;
  const position = output + pad - tap * dilation;
  return position % stride === 0 ? position / stride : -1;
}

const hasVnni = binding.isa === 'vnni' || binding.isa === 'amx';
const withoutVnni = hasVnni ? undefined : `it needs VNNI, and oneDNN takes ${binding.isa} here`;

describe('the recipe for exact requantization', () => {
  itUnless(withoutVnni, 'holds for random convolutions, transposed or not', () => {
    fc.assert(
      fc.property(config, (c) => {
        const next = random(c.seed);
        const [channels, outputs] = [c.inputs * c.groups, c.outputs * c.groups];
        const [h, w] = c.size;
        const span = (c.kernel - 1) * c.dilation + 1;
        const [oh, ow] = [0, 1].map((i) =>
          c.transposed
            ? (c.size[i] - 1) * c.stride + span - c.pads[i] - c.pads[i + 2]
            : Math.floor((c.size[i] + c.pads[i] + c.pads[i + 2] - span) / c.stride) + 1,
        );
        if (oh < 1 || ow < 1) return;
        const source = typed(
          c.sourceType,
          h * w * channels,
          () => Math.floor(next() * 256) + rangeOf(c.sourceType).low,
        );
        const taps = c.kernel ** 2;
        const weights = typed('s8', outputs * c.inputs * taps, () => Math.floor(next() * 256) - 128);
        const bias = typed('s32', outputs, () => Math.floor((next() - 0.5) * 100_000));
        const scales = Float32Array.from({ length: outputs }, () =>
          c.powerOfTwo ? 2 ** -Math.floor(6 + next() * 6) : next() / 500,
        );
        const { low, high } = rangeOf(c.type);
        const isSum = c.type === 's32';
        const zeroPoint = low + c.zeroPoint;
        const channelDims = [1, outputs, 1, 1];
        const scale: PostOp = {
          kind: 'binary',
          algorithm: 'mul',
          other: binding.desc('f32', channelDims, 'row-major'),
        };
        const relu: PostOp = { kind: 'eltwise', algorithm: 'relu', alpha: 0, beta: 0 };
        const postOps = [...(c.scaleBy === 'post-op' ? [scale] : []), round, ...(c.relu ? [relu] : [])];
        const primitive = offered(() =>
          binding.convolution(
            {
              source: binding.desc(c.sourceType, [1, channels, h, w], 'channels-last'),
              weights: binding.desc(
                's8',
                c.groups > 1
                  ? [c.groups, c.outputs, c.inputs, c.kernel, c.kernel]
                  : [outputs, c.inputs, c.kernel, c.kernel],
                'any',
              ),
              bias: binding.desc('s32', [outputs], 'row-major'),
              destination: binding.desc(c.type, [1, outputs, oh, ow], 'channels-last'),
              groups: c.groups,
              strides: [c.stride, c.stride],
              dilations: [c.dilation, c.dilation],
              transposed: c.transposed,
              padsBegin: c.pads.slice(0, 2),
              padsEnd: c.pads.slice(2),
              attributes: {
                sourceZeroPoint: c.sourceZeroPoint,
                ...(c.scaleBy === 'attribute' && !isSum && { scales }),
                ...(!isSum && { destinationZeroPoint: zeroPoint, postOps }),
              },
            },
            1,
          ),
        );
        if (primitive === undefined) return; // the lowering goes another way
        const plain = binding.desc('s8', primitive.descs.weights.dims, 'row-major');
        const destination = typed(c.type, oh * ow * outputs, () => 0);
        runPrimitive(
          primitive,
          {
            source,
            bias,
            ...(c.scaleBy === 'post-op' && !isSum && { post0: scales }),
          },
          destination,
          { weights: binding.pack(bytesOf(weights), plain, primitive.descs.weights, 1) },
        );
        const expected: number[] = [];
        for (let y = 0; y < oh; y++) {
          for (let x = 0; x < ow; x++) {
            for (let o = 0; o < outputs; o++) {
              let sum = Number(bias[o]);
              for (let t = 0; t < taps; t++) {
                const iy = inputAt(c, y, c.pads[0], Math.floor(t / c.kernel));
                const ix = inputAt(c, x, c.pads[1], t % c.kernel);
                if (iy < 0 || iy >= h || ix < 0 || ix >= w) continue;
                for (let k = 0; k < c.inputs; k++) {
                  const at = (iy * w + ix) * channels + Math.floor(o / c.outputs) * c.inputs + k;
                  sum += (Number(source[at]) - c.sourceZeroPoint) * Number(weights[(o * c.inputs + k) * taps + t]);
                }
              }
              const limit = c.relu ? Math.max(low, zeroPoint) : low;
              expected.push(isSum ? sum : requantize(sum, scales[o], zeroPoint, limit, high));
            }
          }
        }
        expectSame(destination, expected);
      }),
      { numRuns: deep ? 3000 : 100 },
    );
  });

  itUnless(withoutVnni, 'holds for random matrix products', () => {
    fc.assert(
      fc.property(
        int(1, 20),
        int(1, 70),
        int(1, 70),
        int(0, 255),
        fc.constantFrom(0, 7, 128),
        fc.constantFrom(0, 0, 5),
        fc.integer(),
        (m, k, n, zeroPoint, sourceZeroPoint, weightsZeroPoint, seed) => {
          const next = random(seed);
          const source = typed('u8', m * k, () => Math.floor(next() * 256));
          const weights = typed('s8', k * n, () => Math.floor(next() * 256) - 128);
          const scales = Float32Array.from({ length: n }, () => (next() < 0.5 ? 2 ** -8 : next() / 300));
          const bias = typed('s32', n, () => Math.floor((next() - 0.5) * 9999));
          const primitive = binding.matmul(
            {
              source: binding.desc('u8', [m, k], 'row-major'),
              weights: binding.desc('s8', [k, n], 'any'),
              bias: binding.desc('s32', [1, n], 'row-major'),
              destination: binding.desc('u8', [m, n], 'row-major'),
              attributes: {
                scales,
                sourceZeroPoint,
                weightsZeroPoint,
                destinationZeroPoint: zeroPoint,
                postOps: [round],
              },
            },
            1,
          );
          const destination = typed('u8', m * n, () => 0);
          const plain = binding.desc('s8', [k, n], 'row-major');
          runPrimitive(primitive, { source, bias }, destination, {
            weights: binding.pack(bytesOf(weights), plain, primitive.descs.weights, 1),
          });
          const expected = Array.from({ length: m * n }, (_, i) => {
            let sum = Number(bias[i % n]);
            for (let j = 0; j < k; j++) {
              sum +=
                (Number(source[Math.floor(i / n) * k + j]) - sourceZeroPoint) *
                (Number(weights[j * n + (i % n)]) - weightsZeroPoint);
            }
            return requantize(sum, scales[i % n], zeroPoint, 0, 255);
          });
          expectSame(destination, expected);
        },
      ),
      { numRuns: deep ? 2000 : 50 },
    );
  });

  itUnless(
    binding.version.major > 2 ? 'it is so in oneDNN 2' : undefined,
    'cannot have two eltwise post-ops of one algorithm: they share parameters',
    () => {
      const run = (postOps: readonly PostOp[]) => {
        const desc = (type: 'u8' | 's8', dims: readonly number[]) => binding.desc(type, dims, 'row-major');
        const [source, weights] = [desc('u8', [1, 1]), desc('s8', [1, 1])];
        const attributes = { postOps };
        const primitive = binding.matmul({ source, weights, destination: source, attributes }, 1);
        const destination = Uint8Array.of(0);
        runPrimitive(primitive, { source: Uint8Array.of(20), weights: Int8Array.of(1) }, destination);
        return destination[0];
      };
      const linear = (alpha: number): PostOp => ({ kind: 'eltwise', algorithm: 'linear', alpha, beta: 0 });
      expect(run([linear(2)])).toBe(40);
      expect(run([linear(2), linear(3)])).not.toBe(120);
    },
  );

  const limited = process.env.DNNL_MAX_CPU_ISA !== undefined;
  itUnless(
    limited || binding.isa !== 'amx' ? 'it needs AMX that is not limited' : undefined,
    'holds as well where oneDNN may use AVX512_CORE_VNNI at most',
    () => {
      const result = spawnSync(
        process.execPath,
        ['node_modules/vitest/vitest.mjs', 'run', fileURLToPath(import.meta.url)],
        { env: { ...process.env, DNNL_MAX_CPU_ISA: 'AVX512_CORE_VNNI' }, encoding: 'utf8' },
      );
      expect(`${result.stdout}${result.stderr}`).toMatch(/3 passed/);
      expect(result.status).toBe(0);
    },
  );
});
