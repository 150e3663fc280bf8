/**
 * The largest sizes of a tensor, stated here alone. Everything that makes types asks this file, `inferTypes` above all,
 * so that no operator can forget it. The memory of a machine is a smaller limit: see memory_need.ts.
 */
import { fail, type Location } from '../diagnostics/index.ts';
import { byteLengthOf, isDType } from '../tensors/index.ts';
import { leastOfSome } from './dims.ts';
import { formatType, type TensorType } from './types.ts';

/**
 * More than a process can address. Below it counts of elements and bytes, and sums of a few of them, are exact in binary64
 * and far from the ends of 64-bit integers.
 */
export const MOST_BYTES = 2 ** 48;

/**
 * The bytes of the smallest tensor of a type, symbols being at least 1, an element that is only carried one byte. Axes
 * of size 0 count as 1, since operators still loop over the other axes.
 */
export const leastBytes = ({ dtype, shape }: TensorType): number =>
  shape.reduce<number>(
    (bytes, dim) => bytes * Math.max(leastOfSome(dim), 1),
    isDType(dtype) ? byteLengthOf(dtype, 1) : 1,
  );

/**
 * Checks that sizes are whole numbers, not negative, and that the tensor can be addressed. @throws UnskewError U2005,
 * U1006
 */
export function checkSizes(type: TensorType, where: Location, what: string): void {
  const { shape } = type;
  const wrong = shape.findIndex((dim) => typeof dim === 'number' && !(dim >= 0));
  if (wrong >= 0)
    fail('U2005', `${what} would be ${formatType(type)}: axis ${wrong} is ${shape[wrong]} positions`, where);
  if (shape.some((dim) => typeof dim === 'number' && dim > MOST_BYTES) || leastBytes(type) > MOST_BYTES)
    fail(
      'U1006',
      `${what} would be ${formatType(type)}, which is more than any machine holds`,
      where,
      'a tensor has at most 2^48 bytes: are a size, a pad or a count of repeats wrong by some powers of two?',
    );
}
