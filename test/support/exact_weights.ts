/**
 * Weights whose products ONNX Runtime adds exactly on this machine: without VNNI its kernels add two products of u8 and s8 in
 * int16, which saturates (ONNX Runtime #5849) from 2 · 255 · 65 on.
 */
import { readFileSync } from 'node:fs';

export const hasVnni = /\bavx(512)?_?vnni\b/.test(readFileSync('/proc/cpuinfo', 'utf8'));

/** The least and the largest: of 8 bits with VNNI, else the 7 bits in the middle. */
export const exactWeights: Readonly<Record<'u8' | 's8', readonly [number, number]>> = hasVnni
  ? { u8: [0, 255], s8: [-128, 127] }
  : { u8: [64, 191], s8: [-64, 63] };
