/** Shapes that reshapes ask for, symbols allowed. */
import { elementsOf, mulDims } from '../../../ir/dims.ts';
import type { Dim, Shape } from '../../../ir/types.ts';

/**
 * The target with its −1 replaced by what is left: factors that both shapes have cancel, so that [N, 16, 4] as [N, −1]
 * is [N, 64] and as [1, −1] is [1, N*64]. Undefined when the sizes do not divide.
 */
export function resolveShape(from: Shape, target: readonly Dim[]): Shape | undefined {
  if (!target.includes(-1)) return target;
  const known = target.filter((dim) => dim !== -1);
  if (known.length !== target.length - 1) return undefined;
  const left: Dim[] = [...from];
  for (const dim of known) {
    const at = typeof dim === 'string' ? left.indexOf(dim) : -1;
    if (at >= 0) left.splice(at, 1);
    else if (typeof dim === 'string') return undefined;
  }
  const divisor = known.reduce<number>((product, dim) => (typeof dim === 'number' ? product * dim : product), 1);
  const number = left.reduce<number>((product, dim) => (typeof dim === 'number' ? product * dim : product), 1);
  if (divisor === 0 || number % divisor !== 0) return undefined;
  const rest = left.filter((dim) => typeof dim === 'string').reduce<Dim>(mulDims, number / divisor);
  return target.map((dim) => (dim === -1 ? rest : dim));
}

/** The shape with the axes from `start` to `end` made one. */
export const flattened = (shape: Shape, start: number, end: number): Shape =>
  shape.length === 0
    ? [1]
    : [...shape.slice(0, start), elementsOf(shape.slice(start, end + 1)), ...shape.slice(end + 1)];
