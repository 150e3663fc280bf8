/** All kinds of layers. */
import type { Kind } from '../kind.ts';
import { between } from './between.ts';
import { convolutions } from './convolutions.ts';
import { matmuls } from './matmuls.ts';
import { quantizedElements } from './quantized_elements.ts';

export const kinds: readonly Kind[] = [...convolutions, ...matmuls, ...quantizedElements, ...between];
