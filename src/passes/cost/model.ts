import type { LayerClass } from './layer_class.ts';

/** The costs of the ways to correct a layer. */
export interface CostModel {
  /** The origin of the numbers, for people. */
  readonly origin: string;
  /** Relative to the symmetric layer; undefined when nothing comparable was measured. */
  costOf(way: string, layer: LayerClass): number | undefined;
}
