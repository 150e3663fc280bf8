/** Symbolic sizes: sympy expressions, as `sympy.srepr` writes them, as dimensions of the IR. */
import { addDims, type Dim, divDims, maxDims, mulDims } from '../../../ir/index.ts';

const LONGEST = 4000;
const DEEPEST = 64;

type Apply = (args: readonly Dim[]) => Dim | undefined;

/** Dimensions have no negative factors: they could not be written as text and read back. */
const product: Apply = (args) =>
  args.some((arg) => typeof arg === 'number' && arg < 0) ? undefined : args.reduce(mulDims, 1);

const functions: Readonly<Record<string, Apply>> = {
  Add: (args) => [...args].sort(numbersLast).reduce(addDims, 0),
  Mul: product,
  FloorDiv: divided,
  CleanDiv: divided,
  Max: (args) => (args.length === 0 ? undefined : args.reduce(maxDims)),
  Pow: ([base, exponent]) =>
    typeof exponent === 'number' && exponent >= 1 && exponent <= 8
      ? product(new Array<Dim>(exponent).fill(base))
      : undefined,
};

function divided([a, b]: readonly Dim[]): Dim | undefined {
  return b === undefined || b === 0 ? undefined : divDims(a, b);
}

const numbersLast = (a: Dim, b: Dim): number => Number(typeof a === 'number') - Number(typeof b === 'number');

/**
 * `FloorDiv(Add(Symbol('s0', positive=True, integer=True), Integer(1)), Integer(2))` is `(s0+1)/2`.
 *
 * @returns undefined for an expression that dimensions cannot express
 */
export function dimOfExpression(text: string): Dim | undefined {
  if (text.length > LONGEST) return undefined;
  const tokens = text.match(/'[^']*'|[\w.]+|-?\d+|[(),=]|\S/g) ?? [];
  let at = 0;
  const take = (token: string): boolean => tokens[at] === token && ++at > 0;

  /** Skips the assumptions of a symbol: `, positive=True`. */
  const assumptions = (): boolean => {
    while (take(',')) at += 3;
    return take(')');
  };
  const expression = (depth: number): Dim | undefined => {
    const name = tokens[at++];
    if (name === undefined || depth > DEEPEST || !take('(')) return undefined;
    if (name === 'Symbol') {
      const symbol = /^'([A-Za-z_]\w*)'$/.exec(tokens[at++] ?? '')?.[1];
      return assumptions() ? symbol : undefined;
    }
    if (name === 'Integer') {
      const value = Number(tokens[at++]);
      return Number.isSafeInteger(value) && take(')') ? value : undefined;
    }
    const args: Dim[] = [];
    do {
      const arg = expression(depth + 1);
      if (arg === undefined) return undefined;
      args.push(arg);
    } while (take(','));
    return take(')') && Object.hasOwn(functions, name) ? functions[name](args) : undefined;
  };

  const dim = expression(0);
  return at === tokens.length ? dim : undefined;
}
