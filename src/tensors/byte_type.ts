/**
 * The integers of 8 bits, which quantized networks are made of. Flipping bit 7 turns each type into the other and moves
 * every element by 128.
 */
import { dtypes } from './dtype.ts';

export const byteTypes = ['u8', 's8'] as const;
export type ByteType = (typeof byteTypes)[number];

export const isByteType = (dtype: string): dtype is ByteType => dtype === 'u8' || dtype === 's8';
export const otherByteType = (dtype: ByteType): ByteType => (dtype === 'u8' ? 's8' : 'u8');

/** The number by which elements move when their type changes with their distances from the zero point kept: 0 or ±128. */
export const shiftBetween = (from: ByteType, to: ByteType): number => dtypes[to].min - dtypes[from].min;
export const shiftTo = (to: ByteType): number => shiftBetween(otherByteType(to), to);
