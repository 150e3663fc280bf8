/** `u8[1,N,"H+1"]` as a type, sizes in their one spelling; undefined when the text is none. */
import { canonicalDim } from './dims.ts';
import { isDType } from './dtype.ts';
import type { Dim, TensorType } from './types.ts';

export function parseType(text: string): TensorType | undefined {
  const match = /^(\w+)\[(.*)\]$/.exec(text);
  if (!match || !(match[1] === 'opaque' || isDType(match[1]))) return undefined;
  const parts = match[2].match(/"(?:[^"\\]|\\.)*"|[^,]+/g) ?? [];
  const shape = parts.map(
    (part): Dim => (/^\d+$/.test(part) ? Number(part) : part.startsWith('"') ? canonicalDim(JSON.parse(part)) : part),
  );
  return { dtype: match[1], shape };
}
