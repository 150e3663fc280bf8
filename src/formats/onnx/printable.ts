/** Text from a file as it may appear in a message: without control characters, and short. */
export function printable(text: string): string {
  const short = text.length > 160 ? `${text.slice(0, 160)}…` : text;
  return JSON.stringify(short).slice(1, -1);
}
