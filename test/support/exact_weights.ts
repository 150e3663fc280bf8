/**
 * Weights whose products ONNX Runtime adds exactly on this machine: without VNNI its kernels add two products of u8 and s8 in
 * int16, which saturates (ONNX Runtime #5849) from 2 · 255 · 65 on.
 */
import { readFileSync } from 'node:fs';
import { openOnnx } from '../../src/formats/onnx/index.ts';
import type { Feeds } from '../../src/ir/index.ts';

export const hasVnni = /\bavx(512)?_?vnni\b/.test(readFileSync('/proc/cpuinfo', 'utf8'));

/** The least and the largest: of 8 bits with VNNI, else the 7 bits in the middle. */
export const exactWeights: Readonly<Record<'u8' | 's8', readonly [number, number]>> = hasVnni
  ? { u8: [0, 255], s8: [-128, 127] }
  : { u8: [64, 191], s8: [-64, 63] };

/** The reason why a test that ONNX Runtime judges is skipped. */
export const SATURATES = 'without VNNI ONNX Runtime adds products of bytes in int16, which saturates';

/** Operators that multiply bytes, or floats that were bytes. */
const products = /Conv|MatMul|Gemm/;
const INT8 = 3;

/**
 * True when ONNX Runtime may add products of a model in int16, on a machine without VNNI: they have an s8 operand that
 * is not small. Rewritten models have s8 operands by nature; their interpretation shows that they mean the same.
 */
export function mayLeaveInt16(bytes: Uint8Array, feeds: Feeds): boolean {
  const { nodes, initializers } = openOnnx(bytes).graph;
  if (!nodes.some(({ opType }) => products.test(opType))) return false;
  const weights = [...initializers.values()].some(
    ({ onnxType, raw }) => onnxType === INT8 && raw().some((byte) => Math.abs((byte << 24) >> 24) > 64),
  );
  const casts = nodes.some(({ opType, attributes }) => opType === 'Cast' && attributes.get('to')?.value === INT8);
  return weights || casts || Object.values(feeds).some(({ dtype }) => dtype === 's8');
}
