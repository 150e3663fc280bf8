/** JSON for scripts: values that JSON lacks are written as strings. */

/** One object and a line break. Numbers that are not finite and 64-bit integers become strings. */
export const toJson = (value: unknown): string => `${JSON.stringify(value, replace, 2)}\n`;

function replace(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  return value;
}
