/** A kind of layer: the dimensions in which its layers differ, and how one is written. */
import { type Choice, coveringDesign, type Dimensions, numbersFrom } from './covering.ts';
import { type Layer, Net } from './net.ts';

export interface Kind {
  readonly name: string;
  readonly dimensions: Dimensions;
  build(net: Net, choice: Choice): void;
}

export function defineKind<const D extends Dimensions>(kind: {
  readonly name: string;
  readonly dimensions: D;
  build(net: Net, choice: Choice<D>): void;
}): Kind {
  return kind as unknown as Kind;
}

const designs = new Map<string, readonly (readonly number[])[]>();

/** The rows of the covering design of a kind, as positions in its dimensions. Kinds of the same dimensions have the same. */
export function designOf({ dimensions }: Kind): readonly (readonly number[])[] {
  const sizes = Object.values(dimensions).map((values) => values.length);
  const known = designs.get(`${sizes}`);
  if (known) return known;
  const design = coveringDesign(sizes, numbersFrom(sizes.length));
  designs.set(`${sizes}`, design);
  return design;
}

const hashOf = (text: string): number => [...text].reduce((h, c) => Math.imul(h ^ c.charCodeAt(0), 0x01000193), 7);

/** The layer of a seed: the first seeds walk through the covering design, later seeds draw every dimension. */
export function layerOf(kind: Kind, seed: number): Layer {
  const design = designOf(kind);
  const random = numbersFrom(Math.imul(seed + 1, 0x2545f491) ^ hashOf(kind.name));
  const choice = Object.fromEntries(
    Object.entries(kind.dimensions).map(([name, values], i) => {
      const drawn = Math.floor(random() * values.length);
      return [name, values[seed < design.length ? design[seed][i] : drawn]];
    }),
  );
  const net = new Net(random);
  kind.build(net, choice);
  return net.finish(choice);
}
