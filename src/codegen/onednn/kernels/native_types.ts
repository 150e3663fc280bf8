import { byteTypes } from '../../../ir/index.ts';

/** Element types the addon computes with. */
export const nativeTypes = [...byteTypes, 's32', 'f32'] as const;
export type NativeType = (typeof nativeTypes)[number];

/** Element types that are cast, and compared. */
export const castTypes = [...nativeTypes, 's16'] as const;
export type CastType = (typeof castTypes)[number];

export type Three = readonly [number, number, number];
