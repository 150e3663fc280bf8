/** `u8[1,N,"H+1"]` as a type; undefined when the text is none. */
import { isDType } from './dtype.ts';
import type { Dim, TensorType } from './types.ts';

export function parseType(text: string): TensorType | undefined {
  const match = /^(\w+)\[(.*)\]$/.exec(text);
  if (!match || !(match[1] === 'opaque' || isDType(match[1]))) return undefined;
  const parts = match[2].match(/"(?:[^"\\]|\\.)*"|[^,]+/g) ?? [];
  const shape = parts.map(
    (part): Dim => (/^\d+$/.test(part) ? Number(part) : part.startsWith('"') ? JSON.parse(part) : part),
  );
  return { dtype: match[1], shape };
}
