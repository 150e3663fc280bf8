/** A number of a kernel that is computed from another one because it is not a polynomial of sizes: a rounded quotient, for instance. */
export interface Following {
  /** The properties. */
  readonly number: string;
  readonly from: string;
  readonly value: (from: number) => number;
}

/** The property of a kernel that says it, in JavaScript alone. */
export const follows: unique symbol = Symbol('follows');

/** A `Following` among the numbers of kernels. */
export interface Follower {
  readonly at: number;
  readonly from: number;
  readonly value: (from: number) => number;
}

/** The followers among the numbers of kernels, which are in the order of properties and elements, and how many numbers there are. */
export function followersOf(kernels: readonly object[]): { readonly followers: Follower[]; readonly count: number } {
  const followers: Follower[] = [];
  let count = 0;
  for (const kernel of kernels) {
    const places = new Map<string, number>();
    for (const [name, value] of Object.entries(kernel)) {
      places.set(name, count);
      count += numbersIn(value);
    }
    const { number, from, value } = (kernel as { readonly [follows]?: Following })[follows] ?? {};
    const [at, of] = [places.get(number ?? ''), places.get(from ?? '')];
    if (value && at !== undefined && of !== undefined) followers.push({ at, from: of, value });
  }
  return { followers, count };
}

function numbersIn(value: unknown): number {
  if (typeof value === 'number') return 1;
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return 0;
  return Object.values(value).reduce((count: number, part) => count + numbersIn(part), 0);
}
