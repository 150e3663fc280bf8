/** The −1 of a reshape. */
import { type Dim, divDims, mulDims, type Shape, elementsOf as sizeOfShape } from '../../ir/index.ts';
import { sizeOf } from '../../tensors/index.ts';

/** The number of elements of x divided by that of the known part of its new shape; common symbols cancel. */
export function leftOver(x: Shape, known: Shape, refuse: (message: string) => never): Dim {
  const rest = [...known];
  const remaining = x.filter((dim) => {
    const at = typeof dim === 'string' ? rest.indexOf(dim) : -1;
    if (at >= 0) rest.splice(at, 1);
    return at < 0;
  });
  const numbers = (dims: Shape) => sizeOf(dims.filter((d) => typeof d === 'number'));
  const [have, want] = [numbers(remaining), numbers(rest)];
  const symbols = (dims: Shape) => dims.filter((d) => typeof d === 'string');
  if (want === 0) return refuse('a dimension of -1 beside one of 0');
  const [above, below] = [symbols(remaining), symbols(rest)];
  if (below.length === 0 && have % want === 0) return mulDims(sizeOfShape(above), have / want);
  if (above.length === 0 && below.length === 0) refuse(`[${x}] cannot be given the shape [${known}, -1]`);
  return divDims(mulDims(sizeOfShape(above), have), mulDims(sizeOfShape(below), want));
}
