/** Arithmetic of s32 and f32 tensors by our own kernel, however they broadcast. */
import type { ValueId } from '../../../ir/index.ts';
import type { Kernel } from '../kernel.ts';
import type { Recorder } from '../recorder.ts';
import { strided } from './quantized_binary.ts';

type WordBinary = Kernel & { readonly name: 'word-binary' };
export type WordOperation = WordBinary['operation'];

interface Pair {
  readonly a: ValueId;
  readonly b: ValueId;
  readonly y: ValueId;
}

export function wordBinary({ a, b, y }: Pair, r: Recorder, operation: WordOperation, type: WordBinary['type']): void {
  const { layout, strides, operands } = strided(r, [a, b], y);
  r.kernel({ name: 'word-binary', operation, type, ...strides }, { ...operands, destination: r.define(y, layout) });
}
