/** All kinds of layers. */
import type { Kind } from '../kind.ts';
import { convolutions } from './convolutions.ts';
import { elements } from './elements.ts';
import { floatKinds } from './floats.ts';
import { matmuls } from './matmuls.ts';
import { nonFinite } from './non_finite.ts';
import { places } from './places.ts';
import { quantizations } from './quantize.ts';
import { quantizedElements } from './quantized_elements.ts';

export const kinds: readonly Kind[] = [
  ...convolutions,
  ...matmuls,
  ...quantizedElements,
  ...elements,
  ...places,
  ...quantizations,
  ...floatKinds,
  ...nonFinite,
];
